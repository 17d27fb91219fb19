"""Somebody else touches the addresses that the master holds."""

import signal
import time
from pathlib import Path

import pytest
from tests.support.lan import SECOND, VIP
from tests.support.pair import DOWN_TIME, MARGIN, Pair
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.namespaces

AT_ONCE = SECOND // 2
"""The second time it would wait for a second."""
FIRST, SECOND_VIP = "10.7.0.1/24", "10.7.0.2/24"


def take_off(lan: Pair, address: str) -> None:
    port = lan.left.ports["net0"]
    (there,) = [one for one in lan.left.addresses() if str(one) == address]
    assert lan.left.route.delete_address(port.index, there)


def test_an_address_that_somebody_took_off_is_put_back_and_announced(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        lan.until(lambda: len(lan.adverts_of(lan.left)) >= 4)  # and so announced twice
        told = len(lan.heard.announcements(VIP.packed))
        take_off(lan, f"{VIP}/16")
        taken = time.monotonic_ns()
        lan.until(lambda: any(not change.here for change in lan.changes), what="it was taken off")
        lan.until_holders("left")
        assert lan.changes[-1].when - taken < AT_ONCE
        lan.until(lambda: len(lan.heard.announcements(VIP.packed)) > told)
        lan.until_logged(left, "taken off net0 by somebody else")


def test_whoever_insists_is_answered_once_a_second_and_then_another_node_takes_over(
    tmp_path: Path,
) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()

        def times_put_on() -> list[int]:
            return [one.when for one in lan.changes if one.here and one.address == VIP]

        for times in (1, 2, 3, 4):
            take_off(lan, f"{VIP}/16")
            wanted = times + 1
            lan.until(lambda: len(times_put_on()) == wanted)  # noqa: B023 - called here
        back = times_put_on()[1:]
        # As seen from here: a busy machine may hear of one late and of the next at once.
        assert back[2] - back[0] > SECOND
        take_off(lan, f"{VIP}/16")
        lan.until_holders("right")
        lan.until_logged(left, "again and again")
        assert left.process.poll() is None


def test_one_group_stepping_down_does_not_darken_another_in_its_subnet(tmp_path: Path) -> None:
    # Linux removes with the first address of a subnet all later ones.
    with Pair(tmp_path) as lan:
        groups = {
            "one": {"vhid": 1, "addresses": [FIRST]},
            "two": {"vhid": 2, "addresses": [SECOND_VIP]},
        }
        left = lan.run(lan.left, lan.files(groups))
        lan.until(lambda: {FIRST, SECOND_VIP} <= {str(one) for one in lan.left.addresses()})
        take_off(lan, FIRST)
        lan.until(lambda: {FIRST, SECOND_VIP} <= {str(one) for one in lan.left.addresses()})
        left.send(signal.SIGTERM)
        assert left.process.wait(PATIENCE) == 0
        assert not {FIRST, SECOND_VIP} & {str(one) for one in lan.left.addresses()}


def test_a_master_that_has_lost_its_own_address_yields_to_whoever_takes_over(
    tmp_path: Path,
) -> None:
    with Pair(tmp_path) as lan:
        file = lan.file(addresses=[f"{VIP}/32"], interface="net0")
        # On another interface than the node's, whose address is not in the file: as with DHCP.
        nodes, groups, text = file.read_text().partition("[groups")
        file.write_text(nodes.replace("net0", "net9") + groups + text)
        left = lan.run(lan.left, file)
        lan.until_holders("left")
        lan.run(lan.right, file)
        take_off(lan, "10.0.0.9/16")
        lan.until_holders("right", seconds=DOWN_TIME + MARGIN)
        lan.during(2 * DOWN_TIME, "right")
        lan.until_logged(left, "demoted by 240: there is no address of its own")
