"""What holds whatever happens to a virtual host, in whatever order."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.carp.support import MS, VIP, VIP6, Bench, Peer, read

from carpool.carp.effects import AddAddresses, Advertise, Announce, RemoveAddresses, Transition
from carpool.carp.election import NEVER_MASTER, State
from carpool.carp.timing import SECOND, TICK

Deed = Callable[[Bench], object]

BOTH = (VIP, VIP6)
PEERS = (
    Peer(source="10.0.1.5", source6="2001:db8::9", addresses=BOTH),
    Peer(source="10.0.0.9", source6="2001:db8::5", addresses=BOTH),
)


def hearing(
    advbase: int, advskew: int, demotion: int, who: int, family: int, *, more: bool
) -> Deed:
    return lambda bench: bench.hears(advbase, advskew, family, PEERS[who], demotion, more=more)


def telling(command: str) -> Deed:
    def tell(bench: Bench) -> None:
        getattr(bench.host, command)(bench.now)
        bench.collect()

    return tell


DEMOTIONS = st.sampled_from([0, 0, 0, 1, 9, 254, 255])
DEEDS: st.SearchStrategy[Deed] = st.one_of(
    st.builds(
        hearing,
        st.sampled_from([0, 1, 1, 1, 3, 255]),
        st.sampled_from([0, 1, 100, 100, 101, 240, 255]),
        DEMOTIONS,
        st.integers(0, 1),
        st.sampled_from([4, 6]),
        more=st.booleans(),
    ),
    st.sampled_from(["start", "stop", "link_lost", "link_back", "yield_mastership", "woke"]).map(
        telling
    ),
    DEMOTIONS.map(lambda demotion: lambda bench: bench.demoted(demotion)),
    st.sampled_from([0, MS, 4 * MS, SECOND // 2, SECOND, 3 * SECOND, 4 * SECOND, 40 * SECOND]).map(
        lambda time: lambda bench: bench.wait(time)
    ),
    st.sampled_from([MS, SECOND, 4 * SECOND]).map(
        lambda time: lambda bench: bench.pause(time).timer_runs()
    ),
)

BENCHES = st.builds(
    Bench.of,
    st.sampled_from([0, 100, 240]),
    preempt=st.booleans(),
    addresses=st.just(BOTH),
    preempt_delay=st.sampled_from([0, 5 * SECOND]),
    hold_down=st.sampled_from([0, 5 * SECOND]),
    announce_every=st.sampled_from([0, 10 * SECOND]),
)

steady = settings(deadline=None, derandomize=True, max_examples=120)


def check(bench: Bench) -> None:
    """Check the story of a virtual host against what must hold."""
    state, held = State.INIT, False
    for _, effect in bench.log:
        match effect:
            case Transition():
                assert effect.previous is state
                assert held == (state is State.MASTER), "the addresses are on as master only"
                state = effect.state
            case AddAddresses():
                assert state is State.MASTER
                held = True
            case RemoveAddresses():
                assert state is not State.MASTER
                held = False
            case Announce():
                assert held
            case Advertise(farewell=True):
                assert not held, "the last word comes when the addresses are gone"
            case Advertise():
                assert held
                assert read(effect.payload).demotion != NEVER_MASTER
    assert bench.state() is state
    assert held == (state is State.MASTER)


@steady
@given(BENCHES, st.lists(DEEDS, max_size=30))
def test_addresses_adverts_and_states_agree(bench: Bench, deeds: list[Deed]) -> None:
    bench.start()
    for deed in deeds:
        deed(bench)
        host = bench.host
        if host.demotion == NEVER_MASTER:
            assert host.state is not State.MASTER
        waits = host.state is State.MASTER or (
            host.state is State.BACKUP and host.demotion != NEVER_MASTER
        )
        assert (host.timer() is not None) == waits
    check(bench)


@steady
@given(BENCHES, st.lists(DEEDS, max_size=30))
def test_left_alone_it_is_master_within_its_patience_unless_it_must_not(
    bench: Bench, deeds: list[Deed]
) -> None:
    bench.start()
    for deed in deeds:
        deed(bench)
    host = bench.host
    stopped = host.state is State.INIT
    # To yield or to sleep may come just before.
    longest = host.settings.hold_down + 3 * SECOND + host.master_down_time
    bench.wait(longest)
    if stopped or host.demotion == NEVER_MASTER:
        assert host.state is not State.MASTER
    else:
        assert host.state is State.MASTER


@steady
@given(BENCHES, st.lists(DEEDS, max_size=30))
def test_a_master_that_is_heard_is_never_taken_over_but_for_a_reason(
    bench: Bench, deeds: list[Deed]
) -> None:
    """Whatever was before: as fast as can be and less demoted than anybody, it is obeyed."""
    bench.start()
    for deed in deeds:
        deed(bench)
    bench.demoted(1)
    greatest = Peer(source="10.0.0.1", addresses=BOTH)
    bench.hears(0, 1, peer=greatest, more=True)
    bench.forget()
    for _ in range(10):
        bench.hears(0, 1, peer=greatest)
        bench.wait(SECOND)
    assert not bench.transitions()


@steady
@given(BENCHES, st.lists(DEEDS, max_size=30), st.integers(0, 255))
def test_a_demotion_moves_a_running_wait_by_the_advskew_alone(
    bench: Bench, deeds: list[Deed], demotion: int
) -> None:
    bench.start()
    for deed in deeds:
        deed(bench)
    host = bench.host
    before, patience = host.timer(), host.master_down_time
    if host.state is not State.BACKUP or before is None or host._invitation is not None:
        return
    bench.demoted(demotion)
    if demotion == NEVER_MASTER:
        assert host.timer() is None
    else:
        after = host.timer()
        assert after is not None
        assert after - before == host.master_down_time - patience
        assert abs(after - before) <= 240 * TICK
