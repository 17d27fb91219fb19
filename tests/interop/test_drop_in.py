"""`carpool ucarp` does as ucarp does: what is expected of the one is expected of the other."""

import shlex
import signal
from pathlib import Path

import pytest
from tests.interop.nodes import (
    DROP_IN,
    LEFT,
    UCARP,
    identity,
    pair,
    patience,
    program,
    start,
)
from tests.support.lan import PASSWORD, VHID, VIP, Daemon, Lan, carpool
from tests.support.waiting import PATIENCE

from carpool.lab.zone import Zone

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("ucarp"), pytest.mark.peer("stdbuf")]

KINDS = [UCARP, DROP_IN]
STOPPING = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP]
HASTE = ["-r", "1"]
"""Options with which a node that is alone is master after a second."""
UP, DOWN = f"up net0 {VIP}", f"down net0 {VIP}"


class Told:
    """Scripts that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "told"
        self._file.touch()
        for name in ("up", "down"):
            path = folder / name
            path.write_text(f'#!/bin/sh\necho {name} "$@" >> {self._file}\n')
            path.chmod(0o755)
        self.options = ["-u", str(folder / "up"), "-d", str(folder / "down")]

    def calls(self) -> list[str]:
        return self._file.read_text().splitlines()


def launch(lan: Lan, zone: Zone, kind: str, *options: str) -> Daemon:
    """Start a node without waiting for it."""
    return lan.start(zone, [*program(kind), *identity(zone), *options])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "calls"),
    [
        (["-z"], [DOWN, UP, DOWN]),
        (["-z", "-n"], [UP, DOWN]),
        (["-z", "-x", "more words"], [f"{call} more words" for call in (DOWN, UP, DOWN)]),
    ],
)
def test_what_the_scripts_of_a_master_are_told(
    tmp_path: Path, kind: str, options: list[str], calls: list[str]
) -> None:
    with Lan(tmp_path) as lan:
        left, _ = pair(lan)
        told = Told(tmp_path)
        daemon = launch(lan, left, kind, *told.options, *HASTE, *options)
        lan.until(lambda: told.calls() == calls[:-1])
        assert daemon.stop() == 0
        assert told.calls() == calls


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", STOPPING)
def test_with_z_a_backup_that_is_stopped_runs_no_script(
    tmp_path: Path, kind: str, number: signal.Signals
) -> None:
    with Lan(tmp_path) as lan:
        left, _ = pair(lan)
        told = Told(tmp_path)
        daemon = launch(lan, left, kind, *told.options, "-z")
        lan.until(lambda: told.calls() == [DOWN])
        lan.until(lambda: joined(daemon))
        assert daemon.stop(number) == 0
        assert told.calls() == [DOWN]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", STOPPING)
def test_without_z_a_signal_kills_a_master_and_no_script_runs(
    tmp_path: Path, kind: str, number: signal.Signals
) -> None:
    with Lan(tmp_path) as lan:
        left, _ = pair(lan)
        told = Told(tmp_path)
        daemon = launch(lan, left, kind, *told.options, *HASTE)
        lan.until(lambda: told.calls() == [DOWN, UP])
        assert daemon.stop(number) == -number
        assert told.calls() == [DOWN, UP]


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_background(tmp_path: Path, kind: str) -> None:
    with Lan(tmp_path) as lan:
        left, _ = pair(lan)
        told = Told(tmp_path)
        started = launch(lan, left, kind, *told.options, *HASTE, "-z", "-B")
        assert started.process.wait(PATIENCE) == 0
        lan.until(lambda: told.calls() == [DOWN, UP])
        lan.until(lambda: len(left.processes()) == 1, what="the end of the script")
        (pid,) = left.processes()
        assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
        left.signal(signal.SIGTERM)
        lan.until(lambda: not left.processes())
        assert told.calls() == [DOWN, UP, DOWN]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changed", "exit_code"),
    [
        (["-v", "0"], 1),
        (["-v", "256"], 1),
        (["-b", "256"], 1),
        (["-r", "0"], 1),
        (["-i", "eth9"], 2),
        (["-o", "/nonexistent/password"], 1),
    ],
    ids=str,
)
def test_exit_code(tmp_path: Path, kind: str, changed: list[str], exit_code: int) -> None:
    with Lan(tmp_path) as lan:
        left, _ = pair(lan)
        daemon = launch(lan, left, kind, *changed)
        assert daemon.process.wait(PATIENCE) == exit_code
        assert "Traceback" not in daemon.text()


@pytest.mark.parametrize(("master", "backup"), [(DROP_IN, UCARP), (UCARP, DROP_IN)])
@pytest.mark.parametrize("how", [["--nomcast"], ["--mcast=224.0.0.100"]], ids=str)
def test_each_hears_the_other_by_broadcast_and_in_another_group(
    tmp_path: Path, master: str, backup: str, how: list[str]
) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        start(lan, left, master, *how)
        lan.until_holders("left")
        second = start(lan, right, backup, *how, advskew=1)
        lan.during(patience(backup), "left")
        assert "MASTER" not in second.text()


def test_options_and_the_password_from_files(tmp_path: Path) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        told = Told(tmp_path)
        secret = tmp_path / "secret"
        secret.touch(mode=0o600)
        secret.write_text(PASSWORD + "\n")
        options = tmp_path / "ucarp.cfg"
        options.write_text(
            f"--interface=net0 --srcip={LEFT} \\\n  --vhid={VHID} --passfile={secret} \\\n"
            f"  --addr={VIP} --deadratio=1 --shutdown --facility=none \\\n"
            f"  {shlex.join(told.options)}\n"
        )
        daemon = lan.start(left, carpool("ucarp", f"@{options}"))
        lan.until(lambda: told.calls() == [DOWN, UP])
        # One with the same password, from its command line, hears it.
        peer = start(lan, right, UCARP, advskew=1)
        lan.during(patience(UCARP))
        assert "MASTER" not in peer.text()
        assert "digest" not in peer.text()
        assert daemon.stop() == 0


def joined(daemon: Daemon) -> bool:
    """Tell whether it listens to 224.0.0.18 by now, and so is past its start."""
    return "120000E0" in Path(f"/proc/{daemon.pid}/net/igmp").read_text()
