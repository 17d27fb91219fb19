"""That nothing is left behind, however the lab ends, and that it needs no privilege."""

import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EOPNOTSUPP
from pathlib import Path
from typing import NoReturn

import pytest
from tests.support.nobody import NOBODY, copy_sources, python_for_nobody
from tests.support.waiting import PATIENCE

from carpool.lab import namespaces
from carpool.lab.namespaces import LabError, inside, why_unsupported
from carpool.netlink import LinkGone, NetlinkError, Route, RouteMonitor

# A lab with a program in a zone. The witness is the far end of a cable out of the zone: it goes
# when the zone's namespace goes, and not before.
LAB = """
import fcntl, signal, sys, termios, time
from carpool.lab.namespaces import inside
from carpool.lab.network import Lab

def main():
    lab = Lab()
    zone = lab.add_zone("a")
    zone.route.add_veth("cable", "witness", peer_netns_fd=int(sys.argv[1]))
    program = zone.start(["sleep", "1000"], keep=[int(sys.argv[2])])
    try:
        print("ready", flush=True)
        {end}
    except KeyboardInterrupt:
        print("interrupted")
        return 5
    except SystemExit:
        print("ended")
        raise
    return 3

if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.exit(inside(main))
"""


@contextmanager
def running_lab(
    end: str, terminal: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], RouteMonitor, int, int]]:
    """Yield the lab, a monitor and the index of its witness, and a pipe its program holds."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    reader, writer = os.pipe()
    try:
        with RouteMonitor() as monitor, Route() as route:
            process = subprocess.Popen(
                [sys.executable, "-c", LAB.format(end=end), str(home), str(writer)],
                stdin=subprocess.PIPE if terminal is None else terminal,
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=[home, writer],
                start_new_session=True,
            )
            os.close(writer)
            with process:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                witness = route.link("witness")
                assert witness is not None
                try:
                    yield process, monitor, witness.index, reader
                finally:
                    process.kill()
    finally:
        os.close(reader)
        os.close(home)


def all_gone(monitor: RouteMonitor, witness: int, reader: int) -> None:
    assert select.select([reader], [], [], PATIENCE)[0], "the zone's program lives on"
    assert os.read(reader, 1) == b""
    deadline = time.monotonic() + PATIENCE
    while LinkGone(witness) not in monitor.read():
        assert time.monotonic() < deadline, "the zone's namespace lives on"
        select.select([monitor], [], [], 1)


@pytest.mark.namespaces
def test_all_is_gone_when_the_lab_is_killed() -> None:
    with running_lab("while True: time.sleep(0.01)") as (process, monitor, witness, reader):
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
        all_gone(monitor, witness, reader)


@pytest.mark.namespaces
def test_all_is_gone_when_the_lab_ends() -> None:
    with running_lab("input()") as (process, monitor, witness, reader):
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(PATIENCE) == 3
        all_gone(monitor, witness, reader)


@pytest.mark.namespaces
@pytest.mark.parametrize(
    ("number", "status", "word"),
    [
        (signal.SIGTERM, 128 + signal.SIGTERM, "ended"),
        (signal.SIGHUP, 128 + signal.SIGHUP, "ended"),
        (signal.SIGINT, 5, "interrupted"),
    ],
)
def test_signals_reach_the_lab(number: signal.Signals, status: int, word: str) -> None:
    with running_lab("while True: time.sleep(0.01)") as (process, monitor, witness, reader):
        process.send_signal(number)
        assert process.wait(PATIENCE) == status
        assert process.stdout is not None
        assert process.stdout.read() == f"{word}\n"
        all_gone(monitor, witness, reader)


@pytest.mark.namespaces
def test_an_interrupt_from_the_terminal_comes_once() -> None:
    ours, terminal = pty.openpty()
    count_for_a_while = """
        heard = []
        signal.signal(signal.SIGINT, lambda *_: heard.append(1))
        print("listening", flush=True)
        while not heard: time.sleep(0.01)
        time.sleep(0.2)
        sys.exit(40 + len(heard))
    """
    with running_lab(count_for_a_while.strip(), terminal) as (process, monitor, witness, reader):
        os.close(terminal)
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        os.write(ours, b"\x03")
        assert process.wait(PATIENCE) == 41
        all_gone(monitor, witness, reader)
    os.close(ours)


@pytest.mark.namespaces
def test_status_is_passed_on() -> None:
    assert inside(lambda: 7) == 7
    assert inside(lambda: sys.exit(9)) == 9
    assert inside(lambda: int("no number")) == 1


@pytest.mark.namespaces
def test_it_is_process_1_and_alone() -> None:
    def main() -> int:
        with Route() as route:
            assert [link.name for link in route.links()] == ["lo"]
        assert os.getpid() == 1
        return 4

    assert inside(main) == 4


def test_a_machine_without_namespaces_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> NoReturn:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(namespaces, "_unshare", refuse)
    with pytest.raises(LabError, match="namespaces: Operation not permitted; run as root"):
        inside(lambda: 0)
    why_unsupported.cache_clear()
    try:
        assert "Operation not permitted; run as root" in (why_unsupported() or "")
    finally:
        why_unsupported.cache_clear()


def test_namespaces_without_bridges_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := why_unsupported():
        pytest.skip(reason)

    def refuse(_: Route, name: str) -> NoReturn:
        raise NetlinkError(f"add bridge {name}", EOPNOTSUPP)

    monkeypatch.setattr(Route, "add_bridge", refuse)
    why_unsupported.cache_clear()
    try:
        assert "add bridge bridge0: Operation not supported" in (why_unsupported() or "")
    finally:
        why_unsupported.cache_clear()


def test_another_system_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    why_unsupported.cache_clear()
    try:
        assert "this is darwin" in (why_unsupported() or "")
    finally:
        why_unsupported.cache_clear()


ROOTLESS = """
import os, sys
from ipaddress import ip_interface
from carpool.lab.namespaces import inside, why_unsupported
from carpool.lab.network import Lab
from carpool.lab.probe import Probe, start_echo
import time

def main():
    with Lab() as lab:
        a = lab.add_zone("a", "net0", [ip_interface("192.0.2.1/24"), ip_interface("fd00::1/64")])
        b = lab.add_zone("b", "net0", [ip_interface("192.0.2.2/24"), ip_interface("fd00::2/64")])
        start_echo(a)
        for address in a.ports["net0"].addresses:
            with Probe(lab, b, address.ip) as probe:
                deadline = time.monotonic() + 60
                while not probe.answers():
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
    return 3

assert os.geteuid() == 65534
print(why_unsupported() or "supported", flush=True)
sys.exit(inside(main))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="all of this suite runs without privilege anyway")
def test_it_needs_no_privilege() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        copy_sources(directory)
        done = subprocess.run(
            [python_for_nobody(), "-B", "-c", ROOTLESS],
            cwd=directory,
            env={"PYTHONPATH": name, "PATH": os.environ["PATH"]},
            **NOBODY,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
    if done.stdout != "supported\n":
        pytest.skip(f"user nobody: {done.stdout or done.stderr}")
    assert done.returncode == 3, done.stderr
