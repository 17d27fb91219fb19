"""An address that its daemon can no longer look after goes before another node has it."""

import os
import signal
import time
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.support.lan import VIP, carpool
from tests.support.pair import DOWN_TIME, MARGIN, VIP6, Pair
from tests.support.processes import is_alive
from tests.support.waiting import PATIENCE

from carpool.carp.timing import SECOND, lapse_time
from carpool.lab.faults import freeze
from carpool.node.lease import guarded_time

pytestmark = pytest.mark.namespaces

BOTH = {"addresses": [f"{VIP}/16", f"{VIP6}/64"]}
GUARD_FIRST = {"advskew": {"left": 132, "right": 136}}
"""The guard's term is 1.34 s, the kernel's 2. With an interval of half a second or less it would be
1 s, and hardly longer than the guard's."""


def open_files(pid: int) -> dict[int, str]:
    """Return what kind of thing a process has open, by descriptor."""
    found = {}
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it has closed it meanwhile
            found[int(fd.name)] = str(fd.readlink()).partition(":")[0]
    return found


def test_when_all_of_a_node_is_frozen_the_kernel_takes_the_address_off(tmp_path: Path) -> None:
    # The guard, too: with the defaults the lifetime of two seconds is enough.
    with Pair(tmp_path) as lan:
        lan.run_both(**BOTH, advbase=1, advskew={"left": 0, "right": 20})
        frozen = time.monotonic_ns()
        freeze(lan.left)
        for vip in (VIP, VIP6):
            lan.until_holders("right", vip=vip, seconds=3 + 20 / 256 + MARGIN)
            assert lan.shared(frozen, vip) == 0
        assert set(lan.ask_who_has(VIP)) == {lan.mac(lan.right)}


def test_the_guard_of_many_groups_takes_off_those_that_have_run_out(tmp_path: Path) -> None:
    vips = [IPv4Address("10.0.7.0") + number for number in range(1, 31)]
    with Pair(tmp_path) as lan:
        groups = {
            f"g{number}": {"vhid": number, "addresses": [f"{vip}/16"], **GUARD_FIRST}
            for number, vip in enumerate(vips, 1)
        }
        file = lan.files(groups)
        left = lan.run(lan.left, file)
        lan.until(lambda: all(lan.holders(vip) == ["left"] for vip in vips))
        lan.run(lan.right, file)
        stopped = time.monotonic_ns()
        left.send(signal.SIGSTOP)
        lan.until(lambda: all(lan.holders(vip) == ["right"] for vip in vips))
        assert sum(lan.shared(stopped, vip) for vip in vips) == 0
        lan.until(lambda: "guard: the daemon does not advertise" in left.text())


def test_a_guard_that_is_killed_is_replaced_and_the_next_does_its_work(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        first = lan.until_guarded(left)
        os.kill(first, signal.SIGKILL)
        lan.until_logged(left, f"the guard, process {first}, has ended (signal 9)")
        assert lan.until_guarded(left) != first
        lan.during(DOWN_TIME, "left")
        stopped = time.monotonic_ns()
        left.send(signal.SIGSTOP)
        lan.until_holders("right", seconds=DOWN_TIME + MARGIN)
        assert lan.shared(stopped) == 0


def test_the_guard_minds_its_own_business_and_ends_with_its_daemon(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        guard = lan.until_guarded(left)
        # It makes its loop and its host when it has its name already.
        lan.until(lambda: len(open_files(guard)) == 9, what="it has opened all")
        kinds = open_files(guard)
        assert kinds[3] == "pipe", "its end tells that of the daemon"
        # Besides, those of a loop and of a host: no socket that hears advertisements.
        assert sorted(kinds[fd] for fd in kinds if fd > 3) == [
            *("anon_inode", "pipe", "pipe", "socket", "socket"),
        ]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
            os.kill(guard, number)
        lan.during(DOWN_TIME, "left")
        assert left.guards() == [guard]
        assert os.getsid(guard) == guard
        assert left.stop() == 0
        lan.until(lambda: not is_alive(guard), MARGIN, what="the guard has ended")
        assert "guard" not in left.text()


def test_the_guard_of_a_killed_daemon_ends_when_the_address_is_off(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left = lan.run(lan.left, lan.file(**GUARD_FIRST))
        lan.until_holders("left")
        guard = lan.until_guarded(left)
        assert lan.holders() == ["left"]
        left.stop(signal.SIGKILL)
        lan.until_holders()
        lan.until(lambda: not is_alive(guard), MARGIN, what="the guard has ended")
        lan.until_logged(left, f"the daemon has ended without a farewell: {VIP}/16 taken off")


def test_told_to_end_the_guard_of_a_killed_daemon_takes_the_address_off_at_once(
    tmp_path: Path,
) -> None:
    # As systemd does with what a daemon leaves behind: KillMode=control-group.
    with Pair(tmp_path) as lan:
        patient = {"advskew": {"left": 20, "right": 255}, "dead_ratio": 12}
        left = lan.run(lan.left, lan.file(**patient))
        lan.until_holders("left")
        guard = lan.until_guarded(left)
        left.stop(signal.SIGKILL)
        os.kill(guard, signal.SIGTERM)
        lan.until_holders(seconds=5)  # sooner than its term has passed, or that of the kernel: 11 s
        lan.until(lambda: not is_alive(guard), MARGIN, what="the guard has ended")


def test_scripts_have_no_guard(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        options = ["-i", "net0", "-s", "10.0.0.9", "-v", "42", "-p", "secret", "-a", str(VIP)]
        daemon = lan.start(lan.left, carpool("ucarp", *options))
        lan.until_logged(daemon, "to state: BACKUP")
        assert daemon.guards() == []


def test_a_late_master_puts_its_address_on_again_and_announces_it(tmp_path: Path) -> None:
    # Later than the guard allows for the sake of right, sooner than left itself gives up.
    skews = {"left": 160, "right": 64}
    patience = lapse_time(0, skews["right"], 3)
    assert guarded_time(patience, 160 * SECOND // 256) < lapse_time(0, skews["left"], 3)
    with Pair(tmp_path) as lan:
        left = lan.run(lan.left, lan.file(advskew=skews))
        lan.until_holders("left")
        lan.until(lambda: len(lan.adverts_of(lan.left)) >= 3)  # and so announced twice
        told = len(lan.heard.announcements(VIP.packed))
        left.send(signal.SIGSTOP)
        lan.until_holders(seconds=2.0)
        left.send(signal.SIGCONT)
        lan.until_holders("left", seconds=MARGIN)
        lan.until(lambda: len(lan.heard.announcements(VIP.packed)) > told)
        lan.until_logged(left, "and its addresses ran out; putting them on again")
        assert "somebody else" not in left.text()
        assert left.text().count("to state: MASTER") == 1


def test_a_new_hardware_address_is_announced(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both(**BOTH)
        lan.until(lambda: len(lan.adverts_of(lan.left)) >= 4)
        mac = bytes.fromhex("02000000beef")
        lan.left.route.set_link(lan.left.ports["net0"].index, mac=mac)
        lan.until_logged(left, "net0: has MAC 02:00:00:00:be:ef now")
        for vip in (VIP, VIP6):
            lan.until(lambda: lan.heard.announcements(vip.packed)[-1].mac == mac)  # noqa: B023
        changed = time.monotonic_ns()
        lan.during(DOWN_TIME, "left")
        assert lan.adverts_of(lan.left, since=changed)
        assert set(lan.ask_who_has(VIP)) == {mac}


@pytest.mark.peer("ip")
def test_another_mtu_changes_nothing(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, right = lan.run_both(**BOTH)
        lan.until_logged(left, "to state: MASTER")
        said = left.text()
        assert lan.left.start(["ip", "link", "set", "net0", "mtu", "1400"]).wait(PATIENCE) == 0
        lan.during(DOWN_TIME, "left")
        assert left.text() == said
        assert "MASTER" not in right.text()
