"""Many virtual hosts of one process: when each advertises."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.carp.support import Bench

from carpool.carp.counters import Counters
from carpool.carp.effects import Advertise
from carpool.carp.phase import BUNCH, Phase, phases
from carpool.carp.timing import SECOND, TICK
from carpool.carp.virtualhost import VirtualHost


@given(
    instant=st.integers(0, 1 << 62),
    interval=st.integers(1, 256 * 256).map(lambda ticks: ticks * TICK),
    slots=st.integers(1, 200),
    data=st.data(),
)
def test_its_last_instant_is_less_than_an_interval_ago_and_a_whole_number_of_them_from_its_first(
    instant: int, interval: int, slots: int, data: st.DataObject
) -> None:
    slot, origin = data.draw(st.integers(0, slots - 1)), data.draw(st.integers(0, 1 << 62))
    last = Phase(origin, slot, slots).last(instant, interval)
    assert instant - interval < last <= instant
    assert (last - origin - interval * slot // slots) % interval == 0


@pytest.mark.parametrize("count", [1, 2, BUNCH, BUNCH + 1, 255, 4080])
def test_they_are_spread_in_bunches_that_are_not_too_large(count: int) -> None:
    found = phases(count, origin=5)
    assert len(found) == count
    assert found == sorted(found, key=lambda phase: phase.slot)
    sizes = Counter(phase.slot for phase in found).values()
    assert max(sizes) <= BUNCH
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == found[0].slots == -(-count // BUNCH)


def advertised(phase: Phase | None, started: int, advskew: int = 0) -> list[int]:
    """Return when a virtual host advertises that became master 3 s after `started`."""
    bench = Bench.of(advskew)
    own = bench.host
    bench.host = VirtualHost(own.settings, sources=own.sources, counters=Counters(), phase=phase)
    bench.now = started
    bench.start().wait(20 * SECOND)
    return [when for when, effect in bench.log if isinstance(effect, Advertise)]


@pytest.mark.parametrize("advskew", [0, 100])
def test_a_master_is_in_phase_from_its_second_advertisement_on(advskew: int) -> None:
    interval = SECOND + advskew * TICK
    phase = Phase(origin=7, slot=1, slots=4)
    for started in (0, SECOND // 3, SECOND - 1):
        first, *others = advertised(phase, started, advskew)
        assert first == advertised(None, started, advskew)[0]
        assert 0 < others[0] - first <= interval
        assert {after - before for before, after in pairwise(others)} == {interval}
        assert (others[0] - 7 - interval // 4) % interval == 0


@pytest.mark.parametrize("step", [0, SECOND // 3, SECOND - 1])
def test_a_bunch_has_the_order_of_the_file_whenever_each_became_master(step: int) -> None:
    made = enumerate(phases(9, origin=5))
    last = [advertised(phase, step * number % SECOND)[-1] for number, phase in made]
    assert [instant % SECOND for instant in last] == list(range(5, 14))


def test_those_of_a_slot_that_took_over_at_any_time_advertise_together() -> None:
    phase = Phase(origin=0, slot=2, slots=8)
    ends = {tuple(advertised(phase, started)[-9:]) for started in range(0, SECOND, SECOND // 16)}
    assert len({instants[0] % SECOND for instants in ends}) == 1
