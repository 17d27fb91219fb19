"""What a user can get wrong: exit code 2, what and where it is, the mend, and nothing touched."""

import re
from collections.abc import Callable
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from tests.support.cluster_files import LEFT_AND_RIGHT
from tests.support.lan import PASSWORD, carpool
from tests.support.pair import Pair
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.namespaces

STALE = IPv4Interface("10.0.0.100/16")
"""On the host before; only a daemon that starts may take it off."""

SPOILT = {
    "vhid 0": (
        "vhid = 42",
        "vhid = 0",
        8,
        r"groups\.www\.vhid: 0 is out of range; use 1 to",
    ),
    "vhid 256": ("vhid = 42", "vhid = 256", 8, r".*; use 1 to 255"),
    "advbase -1": (
        "vhid = 42",
        "vhid = 42\nadvbase = -1",
        9,
        r".*advbase: .*; use 0 to 255",
    ),
    "advbase 256": ("vhid = 42", "vhid = 42\nadvbase = 256", 9, r".*; use 0 to 255"),
    "advskew -1": (
        "vhid = 42",
        "vhid = 42\nadvskew = -1",
        9,
        r".*advskew: .*; use 0 to 255",
    ),
    "advskew 256": ("vhid = 42", "vhid = 42\nadvskew = 256", 9, r".*; use 0 to 255"),
    "dead_ratio 0": ("vhid = 42", "vhid = 42\ndead_ratio = 0", 9, r".*; use 1 to 255"),
    "dead_ratio 256": ("vhid = 42", "vhid = 42\ndead_ratio = 256", 9, r".*; use 1 to 255"),
    "script_timeout": (
        "vhid = 42",
        "vhid = 42\nscript_timeout = 0",
        9,
        r".*; use 0\.001 to 86400",
    ),
    "weight": ("[nodes.right]", "weight = 256\n[nodes.right]", 4, r".*; use 0 to 255"),
    "multicast": (
        "vhid = 42",
        'vhid = 42\nmulticast = "10.0.0.1"',
        9,
        r"groups\.www\.multicast: .*; use 224\.0\.0\.18",
    ),
    "a real address": (
        "10.0.0.100/16",
        "10.0.1.5/16",
        9,
        r".*\[0\]: 10\.0\.1\.5 is the real address of node right; choose a free",
    ),
    "a vhid twice": (
        "[groups.www]",
        '[groups.db]\nvhid = 42\naddresses = ["10.0.0.1"]\npassword_file = "www.key"\n[groups.www]',
        12,
        r"groups\.www\.vhid: 42 is the vhid of group db too, .*; 1 is free",
    ),
    "no TOML": ("vhid = 42", "vhid =", 8, r".*; "),
    "an unknown key": ("vhid", "vhdi", 8, r"groups\.www\.vhdi: .*did you mean 'vhid'"),
}
"""What is wrong: a text of the file, what stands there instead; the line; what is said of it."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    key = tmp_path / "www.key"
    key.touch(mode=0o600)
    key.write_text(PASSWORD)
    path = tmp_path / "cluster.toml"
    path.write_text(LEFT_AND_RIGHT)
    return path


def at(file: Path, line: int) -> str:
    """Return a pattern of how an error in that line of the file begins."""
    return rf"(?m:^){re.escape(str(file))}:{line}(:\d+)?: error: "


def check(folder: Path, expected: str, *arguments: str, code: int = 2) -> None:
    """Run the command: it must refuse without a trace, and say what matches `expected`."""
    with Pair(folder) as lan:
        lan.left.route.add_address(lan.left.ports["net0"].index, STALE)
        lan.until_holders("left")
        daemon = lan.start(lan.left, carpool("run", *arguments))
        assert daemon.process.wait(PATIENCE) == code
        said = daemon.text()
        assert re.search(expected, said), said
        assert "Traceback" not in said
        assert PASSWORD not in said
        assert lan.holders() == ["left"]
        assert lan.heard.adverts() == []


@pytest.mark.parametrize("what", SPOILT)
def test_a_mistake_in_the_file(tmp_path: Path, file: Path, what: str) -> None:
    good, bad, line, expected = SPOILT[what]
    assert LEFT_AND_RIGHT.count(good) == 1
    file.write_text(LEFT_AND_RIGHT.replace(good, bad))
    check(tmp_path, at(file, line) + expected, str(file), "--node", "left")


def test_every_mistake_at_once(tmp_path: Path, file: Path) -> None:
    file.write_text(
        LEFT_AND_RIGHT.replace("vhid = 42", "vhid = 0").replace("10.0.1.5/16", "10.0.1.5/33")
    )
    expected = f"{at(file, 5)}(?s:.*){at(file, 8)}(?s:.*)2 errors; nothing was touched"
    check(tmp_path, expected, str(file))


def test_no_such_interface(tmp_path: Path, file: Path) -> None:
    file.write_text(LEFT_AND_RIGHT.replace('"net0"', '"eth9"', 1))
    expected = "there is no interface eth9 on this host; it has: lo, net0"
    # It may come while the host boots: systemd is to try again, which it does not after 2.
    check(tmp_path, expected, str(file), "--node", "left", code=1)


def test_no_cluster_file(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    check(tmp_path, f"^{re.escape(str(path))}: error: .*; ", str(path))


def test_an_unknown_node(tmp_path: Path, file: Path) -> None:
    expected = f"{re.escape(str(file))}: error: .*'lift'.*; did you mean 'left'"
    check(tmp_path, expected, str(file), "--node", "lift")


def test_a_host_that_is_none_of_the_nodes(tmp_path: Path, file: Path) -> None:
    file.write_text(
        LEFT_AND_RIGHT.replace("10.0.0.9/16", "10.0.7.7/16").replace("10.0.1.5", "10.0.7.8")
    )
    expected = r"none of the nodes: .*left 10\.0\.7\.7.*; .*--node NAME"
    check(tmp_path, expected, str(file))


def missing(key: Path) -> None:
    key.unlink()


def directory(key: Path) -> None:
    key.unlink()
    key.mkdir()


def readable_by_all(key: Path) -> None:
    key.chmod(0o644)


def empty(key: Path) -> None:
    key.write_text("")


def too_long(key: Path) -> None:
    key.write_text("x" * 21)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (missing, "does not exist; .* chmod 600 KEY"),
        (directory, "is a directory; "),
        (readable_by_all, r"every user may access it \(mode 644\); run: chmod 600 KEY"),
        (empty, "first line is empty; "),
        (too_long, "longer than 20 bytes; "),
    ],
)
def test_a_password_file(
    tmp_path: Path, file: Path, spoil: Callable[[Path], None], expected: str
) -> None:
    key = tmp_path / "www.key"
    spoil(key)
    expected = r"groups\.www\.password_file: .*" + expected.replace("KEY", re.escape(str(key)))
    check(tmp_path, at(file, 10) + expected, str(file))
