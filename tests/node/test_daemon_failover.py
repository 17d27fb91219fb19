"""Two daemons share an address: it moves when it must, is told to all, and has one holder."""

import signal
import sys
import time
from ipaddress import IPv4Interface
from pathlib import Path
from statistics import median

import pytest
from tests.support.lan import MS, VIP, Daemon
from tests.support.pair import (
    BOW_OUT,
    DOWN_TIME,
    INTERVAL,
    MARGIN,
    VIP6,
    Pair,
)
from tests.support.waiting import PATIENCE

from carpool.lab.faults import crash, heal, partition, plug, unplug
from carpool.lab.zone import Zone

pytestmark = pytest.mark.namespaces

TAKEN_OVER = DOWN_TIME + MARGIN
MOST_STOPS = 9
"""Tries at three in a row most of which take no longer than they may: the machine may be busy."""


def test_both_families_move_together_and_are_announced_twice(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        lan.run_both(addresses=[f"{VIP}/16", f"{VIP6}/64"], seek_rival=0, announce_every=0)
        for vip in (VIP, VIP6):
            lan.until_holders("left", vip=vip)
        mac, died = lan.mac(lan.right), time.monotonic_ns()
        crash(lan.lab, lan.left)
        for vip in (VIP, VIP6):
            lan.until_holders("right", vip=vip, seconds=TAKEN_OVER)

        lan.until(lambda: len(lan.adverts_of(lan.right)) >= 5)
        adverts = lan.adverts_of(lan.right, since=died)
        for vip in (VIP, VIP6):
            now, again = [told for told in lan.heard.announcements(vip.packed) if told.mac == mac]
            assert adverts[0].when <= now.when < adverts[1].when
            assert adverts[2].when <= again.when < adverts[3].when


def stop_and_measure(lan: Pair, daemon: Daemon, master: Zone, heir: Zone) -> int:
    """Stop the master; return the nanoseconds until the heir's first advertisement."""
    stopped = time.monotonic_ns()
    assert daemon.stop() == 0
    lan.until_holders(heir.name)
    lan.until(lambda: bool(lan.adverts_of(heir, since=stopped)))
    # Before it has been told it may have advertised once more.
    told = [sent.strength for sent in lan.adverts_of(master, since=stopped)]
    assert told.index(BOW_OUT) == len(told) - 1
    assert lan.shared(stopped) == 0
    return lan.adverts_of(heir, since=stopped)[0].when - stopped


def test_a_clean_stop_hands_over_within_50_ms(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        master, heir = lan.run_both()
        zone, other = lan.left, lan.right
        taken: list[int] = []
        while len(taken) < 3 or (median(taken[-3:]) >= 50 * MS and len(taken) < MOST_STOPS):
            if taken:
                master, heir = heir, lan.run(zone, lan.file())
                zone, other = other, zone
            taken.append(stop_and_measure(lan, master, zone, other))
        assert median(taken[-3:]) < 50 * MS


# Runs carpool, and writes for each datagram to the CARP group whether we hold the VIP just then.
SPY = f"""
import sys
from pathlib import Path

spied = open(sys.argv.pop(1), "a", buffering=1)

def spy(event, arguments):
    if event == "socket.sendto" and "224.0.0.18" in str(arguments[1]):
        held = "{VIP}" in Path("/proc/self/net/fib_trie").read_text()
        print("held" if held else "free", file=spied)

sys.addaudithook(spy)
from carpool.cli import main
sys.exit(main())
"""


def test_the_address_is_off_before_the_bow_out_leaves(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        spied = tmp_path / "spied"
        run = ["run", str(lan.file()), "--node", "left"]
        daemon = lan.start(lan.left, [sys.executable, "-P", "-c", SPY, str(spied), *run])
        lan.until_holders("left")
        lan.until(lambda: len(lan.adverts_of(lan.left)) >= 2)
        assert daemon.stop() == 0
        *regular, bow_out = spied.read_text().split()
        assert len(regular) >= 2
        assert set(regular) == {"held"}
        assert bow_out == "free"


def test_a_killed_daemon_leaves_no_address_behind(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        assert lan.holders() == ["left"]
        killed = time.monotonic_ns()
        assert left.stop(signal.SIGKILL) == -signal.SIGKILL
        # Who is quicker takes it off: its guard, or the kernel.
        lan.until_holders("right", seconds=TAKEN_OVER)
        lan.run(lan.left, lan.file())
        lan.during(2 * DOWN_TIME, "right")
        assert lan.shared(killed) == 0


def test_what_a_killed_daemon_still_holds_goes_when_it_starts_again(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        # Long enough for a restart: addresses stay for 11.6 s.
        patient = {"advskew": {"left": 20, "right": 255}, "dead_ratio": 12}
        left = lan.run(lan.left, lan.file(**patient))
        lan.until_holders("left")
        assert left.stop(signal.SIGKILL) == -signal.SIGKILL
        again = lan.run(lan.left, lan.file(**patient))
        assert f"removed {VIP}/16, left behind by an earlier run" in again.text()
        lan.until(lambda: [change.here for change in lan.changes][:2] == [True, False])
        lan.until_settled("left", quiet=0.5, seconds=PATIENCE)


def test_an_address_left_behind_with_another_prefix_is_removed(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        lan.left.route.add_address(lan.left.ports["net0"].index, IPv4Interface(f"{VIP}/32"))
        lan.until_holders("left")
        daemon = lan.run(lan.left, lan.file())
        assert f"removed {VIP}/32, left behind" in daemon.text()
        lan.until(lambda: [change.here for change in lan.changes][:2] == [True, False])


def test_a_master_that_was_frozen_says_nothing_stale_and_yields(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        frozen = time.monotonic_ns()
        left.send(signal.SIGSTOP)
        lan.until_holders("right", seconds=TAKEN_OVER)
        assert set(lan.ask_who_has(VIP)) == {lan.mac(lan.right)}
        thawed = time.monotonic_ns()
        left.send(signal.SIGCONT)
        assert lan.shared(frozen) == 0
        lan.during(2 * DOWN_TIME, "right")
        mac = lan.mac(lan.left)
        assert lan.adverts_of(lan.left, since=thawed) == []
        assert not [
            told
            for told in lan.heard.announcements(VIP.packed)
            if told.mac == mac and told.when > thawed
        ]


def test_a_master_that_was_frozen_comes_back_if_it_preempts(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both(preempt=True)
        left.send(signal.SIGSTOP)
        lan.until_holders("right", seconds=TAKEN_OVER)
        thawed = time.monotonic_ns()
        left.send(signal.SIGCONT)
        lan.until_settled("left", quiet=2 * DOWN_TIME, seconds=3 * DOWN_TIME + MARGIN)
        mac = lan.mac(lan.left)
        told = [told for told in lan.heard.announcements(VIP.packed) if told.when > thawed]
        assert told
        assert told[-1].mac == mac


def test_after_a_split_there_is_one_and_it_has_the_last_word(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        lan.run_both()
        partition(lan.lab, lan.left)
        lan.until_holders("left", "right", seconds=TAKEN_OVER)
        lan.until(lambda: len(lan.adverts_of(lan.right)) >= 3)  # and so announced twice
        healed = time.monotonic_ns()
        heal(lan.lab, lan.left)
        lan.until_settled("left", quiet=DOWN_TIME, seconds=INTERVAL / 1e9 + DOWN_TIME + MARGIN)
        told = [one for one in lan.heard.announcements(VIP.packed) if one.when > healed]
        assert told, "the neighbours still believed in the other"
        assert told[-1].mac == lan.mac(lan.left)


def test_a_master_without_a_cable_is_in_init_and_later_a_backup(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        unplug(lan.lab, lan.left)
        lan.until_logged(left, "to state: INIT")
        lan.until(lambda: "left" not in lan.holders(), MARGIN)
        assert left.text().index("addresses are off") < left.text().index("to state: INIT")
        assert says(lan, left) == "www: INIT on net0 id 42"
        lan.until_holders("right", seconds=TAKEN_OVER)
        assert lan.shared(0) == 0
        plug(lan.lab, lan.left)
        lan.until_logged(left, "to state: BACKUP", times=2)
        assert says(lan, left) == "www: BACKUP on net0 id 42"
        lan.during(2 * DOWN_TIME, "right")


def test_an_interface_that_is_deleted_and_made_again_serves_again(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        port = lan.left.ports["net0"]
        lan.left.route.delete_link(port.index)
        lan.until_holders("right", seconds=TAKEN_OVER)
        assert says(lan, left) == "www: INIT on net0 id 42"
        lan.lab.connect(lan.left, "net0", port.addresses)
        lan.until_logged(left, "to state: BACKUP", times=2)
        lan.during(2 * DOWN_TIME, "right")
        crash(lan.lab, lan.right)
        lan.until_holders("left", seconds=TAKEN_OVER)
        back = time.monotonic_ns()
        lan.until(lambda: len(lan.adverts_of(lan.left, since=back)) >= 2)
        assert left.stop() == 0


def test_an_interface_with_another_name_is_left_alone_and_used_again_under_its_own(
    tmp_path: Path,
) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        call(lan, "net0", "lan0")
        lan.until_logged(left, "net0: it is called lan0 now")
        lan.until(lambda: "left" not in lan.holders(), MARGIN)
        lan.until_holders("right", seconds=TAKEN_OVER)
        assert lan.shared(0) == 0
        assert says(lan, left) == "www: INIT on net0 id 42"
        call(lan, "lan0", "net0")
        lan.until_logged(left, "to state: BACKUP", times=2)
        lan.during(DOWN_TIME, "right")


def test_sigusr2_gives_way_for_3_s_even_to_a_slower_node(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both(preempt=True)
        told = time.monotonic_ns()
        left.send(signal.SIGUSR2)
        lan.until_holders("right", seconds=MARGIN)
        assert BOW_OUT in [sent.strength for sent in lan.adverts_of(lan.left, since=told)]
        lan.until_holders("left", seconds=4 + MARGIN)
        assert time.monotonic_ns() - told >= 3000 * MS
        assert lan.shared(told) < INTERVAL  # Some milliseconds, and a busy machine.


def call(lan: Pair, name: str, other: str) -> None:
    """Give an interface of left another name; down, as older kernels want it."""
    for words in (name, "down"), (name, "name", other), (other, "up"):
        assert lan.left.start(["ip", "link", "set", *words]).wait(PATIENCE) == 0


def says(lan: Pair, daemon: Daemon) -> str:
    """Return what it answers to SIGUSR1."""
    before = daemon.text().count(" on net0 id ")
    daemon.send(signal.SIGUSR1)
    lan.until_logged(daemon, " on net0 id ", times=before + 1)
    last = [line for line in daemon.text().splitlines() if " on net0 id " in line][-1]
    return last.split(maxsplit=2)[2]
