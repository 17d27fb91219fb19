"""`carpool run --smf`: SMF's exit codes, and the background only once all is open."""

from pathlib import Path

import pytest
from tests.support.lan import carpool, run_carpool
from tests.support.pair import Pair
from tests.support.waiting import PATIENCE

GOOD = """\
[nodes.one]
address = "192.0.2.1/24"
interface = "no-such0"
[groups.www]
vhid = 42
addresses = ["192.0.2.100/24"]
password_file = "www.key"
"""


def write(folder: Path, text: str) -> str:
    key = folder / "www.key"
    key.touch(mode=0o600)
    key.write_text("a long one\n")
    file = folder / "cluster.toml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    ("arguments", "text", "code"),
    [
        (["--smf", "--node", "one"], GOOD.replace("42", "420"), 96),
        (["--smf", "--node", "two"], GOOD, 96),
        (["--smf", "--nod"], GOOD, 96),
        (["--smf", "--node", "one"], GOOD, 1),  # no such interface: it may come
        (["--node", "one"], GOOD, 1),  # likewise, and systemd's Restart= tries again
        (["--node", "two"], GOOD, 2),
        (["--nod"], GOOD, 2),
        (["--smf", "--help"], GOOD, 0),
    ],
)
def test_exit_codes(tmp_path: Path, arguments: list[str], text: str, code: int) -> None:
    ended = run_carpool("run", write(tmp_path, text), *arguments)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.namespaces
def test_the_start_method_returns_once_the_daemon_is_open_and_the_daemon_goes_on_logging(
    tmp_path: Path,
) -> None:
    with Pair(tmp_path) as lan:
        started = lan.start(lan.left, carpool("run", str(lan.file()), "--node", "left", "--smf"))
        assert started.process.wait(PATIENCE) == 0
        lan.until_holders("left")
        lan.until(lambda: "to state: MASTER" in started.text())
