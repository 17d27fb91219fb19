"""The election: a test for every row of the protocol's election table, named after its row.

Every row of our own table is in `test_election_rows`.
"""

import pytest
from tests.carp.support import HIGHER, LOWER, MS, TAKE_OVER, VIP, VIP6, Bench, Peer, packed, seconds

from carpool.carp import virtualhost
from carpool.carp.election import Event, State
from carpool.carp.timing import SECOND, TICK
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Rejection

# start: BACKUP first, always


def test_start__backup_first_always() -> None:
    bench = Bench.of(preempt=True).start()
    assert bench.state() is State.BACKUP
    assert bench.did() == ["-> BACKUP", "remove"]  # What a crash may have left behind goes.
    assert bench.adverts() == []


# backup, master-down passes: MASTER: address up, advert, gratuitous ARP / NA, again later


def test_backup__master_down_passes__master_address_up_advert_announcement() -> None:
    bench = Bench.of().start()
    bench.forget()
    bench.wait(3 * SECOND - 1)
    assert bench.state() is State.BACKUP
    bench.wait(1)
    assert bench.state() is State.MASTER
    assert bench.did() == TAKE_OVER


def test_backup__master_down_passes__announces_again_two_adverts_later() -> None:
    bench = Bench.of().start()
    bench.wait(10 * SECOND)
    assert bench.announced_at() == [3 * SECOND, 5 * SECOND]
    last_words = bench.did()[-1]
    assert last_words == "advertise 1/0"


def test_backup__each_advert_starts_the_master_down_time_afresh() -> None:
    bench = Bench.of(100).start()
    for _ in range(5):
        bench.wait(2 * SECOND)
        bench.hears(1, 0)
    assert bench.host.timer() == bench.now + 3 * SECOND + 100 * TICK
    assert bench.did() == ["-> BACKUP", "remove"]


# backup, advert slower than own and preempt on: MASTER at once


def test_backup__advert_slower_than_own_and_preempt_on__master_at_once() -> None:
    bench = Bench.of(preempt=True).start()
    bench.forget()
    bench.hears(1, 1)
    assert bench.did() == TAKE_OVER
    assert bench.now == 0


def test_backup__advert_slower_than_own_and_preempt_on__the_fastest_of_several_backups_first() -> (
    None
):
    bench = Bench.of(100, preempt=True).start()
    bench.hears(1, 101)
    bench.wait(100 * TICK // 100 - 1)
    assert bench.state() is State.BACKUP
    bench.hears(1, 101)  # The other family's: it does not start the moment afresh.
    bench.wait(1)
    assert bench.state() is State.MASTER


def test_backup__advert_slower_than_own_and_preempt_off__stays_backup() -> None:
    bench = Bench.of().start()
    bench.forget()
    bench.wait(2 * SECOND)
    bench.hears(1, 1)
    assert bench.did() == []
    assert bench.host.timer() == bench.now + 3 * SECOND


@pytest.mark.parametrize("advskew", [0, 99, 100])
def test_backup__advert_not_slower_than_own__preempt_does_not_matter(advskew: int) -> None:
    bench = Bench.of(100, preempt=True).start()
    bench.hears(1, advskew)
    assert bench.state() is State.BACKUP


# backup, advert slower than 3 x own base + own skew: MASTER at once, preempt or not


@pytest.mark.parametrize("preempt", [False, True])
def test_backup__advert_slower_than_3_base_plus_skew__master_at_once(preempt: bool) -> None:
    bench = Bench.of(10, preempt=preempt).start()
    bench.hears(3, 11)
    bench.moment()
    assert bench.state() is State.MASTER
    assert bench.transitions()[-1].event is Event.TOO_SLOW


def test_backup__advert_exactly_3_base_plus_skew__stays_backup() -> None:
    bench = Bench.of(10).start()
    bench.hears(3, 10)
    assert bench.state() is State.BACKUP


def test_backup__advert_slower_than_3_base_plus_skew__skipped_at_base_0() -> None:
    """OpenBSD's exception."""
    bench = Bench.of(10, advbase=0).start()
    bench.hears(3, 11)
    assert bench.state() is State.BACKUP


def test_backup__patience_counts_the_dead_ratio() -> None:
    patient = Bench.of(dead_ratio=5).start()
    patient.hears(4, 0)
    assert patient.state() is State.BACKUP
    patient.hears(5, 1)
    assert patient.state() is State.MASTER


# backup, late: what is queued is heard before it acts on any of it.


@pytest.mark.parametrize(
    ("theirs", "demotion"), [((1, 101), 0), ((3, 101), 0), ((0, 1), 9), ((255, 255), 0)]
)
def test_backup__late__an_invitation_does_not_count_before_what_is_queued_behind_it(
    theirs: tuple[int, int], demotion: int
) -> None:
    bench = Bench.of(100, preempt=True).start()
    bench.hears(1, 0)
    bench.pause(5 * SECOND)
    bench.hears(*theirs, demotion=demotion, peer=Peer(source="192.0.2.30"), more=True)
    bench.hears(1, 0)
    assert bench.state() is State.BACKUP
    assert bench.host.timer() == bench.now + bench.host.master_down_time


# backup, bow-out (255/255): MASTER at once, preempt or not; with several backups the fastest


@pytest.mark.parametrize("preempt", [False, True])
def test_backup__bow_out__master_at_once_preempt_or_not(preempt: bool) -> None:
    bench = Bench.of(preempt=preempt).start()
    bench.forget()
    bench.hears(255, 255)
    assert bench.did() == TAKE_OVER
    assert bench.now == 0


@pytest.mark.parametrize("advskew", [1, 100, 255])
def test_backup__bow_out__slower_backups_wait_in_proportion_to_advskew(advskew: int) -> None:
    bench = Bench.of(advskew).start()
    bench.hears(1, 0)
    bench.hears(255, 255)
    wait = advskew * TICK // 100
    assert wait < 10_000_000
    bench.wait(wait - 1)
    assert bench.state() is State.BACKUP
    bench.wait(1)
    assert bench.state() is State.MASTER


def test_backup__bow_out__slower_backup_that_hears_the_fastest_stays_backup() -> None:
    bench = Bench.of(100).start()
    bench.hears(255, 255)
    bench.wait(500_000)
    bench.hears(1, 50, peer=Peer(source="192.0.2.30"))
    bench.wait(3 * SECOND)
    assert bench.state() is State.BACKUP


def test_backup__bow_out__does_not_lengthen_a_wait_that_is_nearly_over() -> None:
    bench = Bench.of(255).start()
    bench.wait(bench.host.master_down_time - 1)
    bench.hears(255, 255)
    bench.wait(1)
    assert bench.state() is State.MASTER


# master, faster advert: BACKUP (and one last advert so that the winner re-announces)


def test_master__faster_advert__backup_and_one_last_advert() -> None:
    bench = Bench.of(100).as_master()
    bench.hears(1, 99)
    assert bench.did() == ["-> BACKUP", "remove", "advertise 1/100"]
    assert bench.host.timer() == bench.now + bench.host.master_down_time
    assert bench.host.master == packed(bench.peer.source)


# master, slower advert: stays; re-announces


@pytest.mark.parametrize("preempt", [False, True])
@pytest.mark.parametrize("theirs", [(1, 1), (3, 0), (200, 0), (255, 255)])
def test_master__slower_advert__stays_and_announces_again(
    preempt: bool, theirs: tuple[int, int]
) -> None:
    bench = Bench.of(preempt=preempt).as_master()
    bench.hears(*theirs)
    assert bench.state() is State.MASTER
    assert bench.did() == ["advertise 1/0", "announce"]


def test_master__slower_advert__announces_now_and_two_adverts_later() -> None:
    bench = Bench.of().as_master()
    bench.hears(1, 1)
    bench.wait(10 * SECOND)
    assert bench.announced_at() == [5 * SECOND, 7 * SECOND]


def test_master__slower_advert__the_regular_adverts_keep_their_time() -> None:
    bench = Bench.of().as_master()
    bench.wait(seconds(0.5))
    bench.hears(1, 1)
    bench.wait(seconds(2.5))
    assert [instant for instant, _ in bench.adverts()] == [
        *(seconds(5.5), 6 * SECOND, 7 * SECOND, 8 * SECOND),
    ]


def test_master__slower_adverts__answers_are_bounded_between_two_adverts() -> None:
    bench = Bench.of().as_master()
    for _ in range(20):
        bench.hears(1, 1)
    assert bench.did() == ["advertise 1/0", "announce"] * virtualhost.REASSERTIONS


def test_master__many_slower_adverts__answered_once_more_when_they_have_settled() -> None:
    """The last rival to leave must not have the last word."""
    bench = Bench.of().as_master()
    for _ in range(virtualhost.REASSERTIONS + 1):
        bench.wait(MS)
        bench.hears(1, 1)
    last_rival = bench.now
    bench.forget()
    bench.wait(SECOND)
    assert bench.did() == ["advertise 1/0", "announce"]
    assert bench.announced_at() == [last_rival + SECOND // 8]
    assert bench.host.timer() == bench.announced_at()[0] + SECOND
    # And the answers are there again for the next rivals.
    bench.forget()
    bench.hears(1, 1)
    assert bench.did() == ["advertise 1/0", "announce"]


# master, equal interval: as ucarp, the higher address yields, compared from the last byte


def test_master__equal_interval__the_higher_address_yields() -> None:
    bench = Bench.of(source="10.0.0.9").as_master()
    bench.hears(peer=LOWER)
    assert bench.state() is State.BACKUP
    assert bench.transitions()[0].event is Event.TIE_LOST
    assert bench.host.timer() == bench.now + bench.host.master_down_time


def test_master__equal_interval__the_lower_address_stays_and_announces() -> None:
    bench = Bench.of(source="10.0.1.5").as_master()
    bench.hears(peer=HIGHER)
    assert bench.did() == ["advertise 1/0", "announce"]


def test_master__equal_interval__ipv6_only() -> None:
    low, high = "2001:db8:0:ffff::1", "2001:db8::2"
    loser = Bench.of(addresses=[VIP6], source6=high).as_master()
    loser.hears(family=6, peer=Peer(source6=low, addresses=(VIP6,)))
    assert loser.state() is State.BACKUP
    winner = Bench.of(addresses=[VIP6], source6=low).as_master()
    winner.hears(family=6, peer=Peer(source6=high, addresses=(VIP6,)))
    assert winner.did() == ["advertise 1/0", "announce"]


def test_master__equal_interval__dual_stack_lets_ipv4_decide_while_it_is_heard() -> None:
    """Each family's loser is another node here: without an order both would yield."""
    both = (VIP, VIP6)
    low4 = Bench.of(addresses=both, source="10.0.1.5", source6="2001:db8::9").as_master()
    rival = Peer(source="10.0.0.9", source6="2001:db8::5", addresses=both)
    low4.hears(family=4, peer=rival)
    low4.hears(family=6, peer=rival)
    assert low4.state() is State.MASTER
    # With IPv4 not heard for a master-down time, and not for an interval after a tie, IPv6 decides.
    low4.wait(3 * SECOND)
    low4.hears(family=6, peer=rival)
    assert low4.state() is State.MASTER
    low4.wait(SECOND)
    low4.hears(family=6, peer=rival)
    assert low4.state() is State.BACKUP


def test_master__equal_interval__an_ipv6_advert_that_overtakes_ipv4_does_not_unseat_both() -> None:
    both = (VIP, VIP6)
    low4 = Bench.of(addresses=both, source="10.0.1.5", source6="2001:db8::9").as_master()
    rival = Peer(source="10.0.0.9", source6="2001:db8::5", addresses=both)
    low4.hears(family=6, peer=rival)
    low4.hears(family=4, peer=rival)
    low4.hears(family=6, peer=rival)
    assert low4.state() is State.MASTER


def test_master__stopped_after_a_pause__says_no_stale_bow_out() -> None:
    for leave in (VirtualHost.stop, VirtualHost.yield_mastership):
        bench = Bench.of().as_master().pause(4 * SECOND)
        leave(bench.host, bench.now)
        bench.collect()
        assert "advertise 255/255" not in bench.did()


def test_master__equal_interval__yields_in_a_family_it_cannot_send_in() -> None:
    bench = Bench.of().as_master()
    bench.hears(1, 0, family=6)
    assert bench.state() is State.BACKUP


# hazard: equal intervals, a kernel's advert first, ucarp with the higher address: both yield


@pytest.mark.parametrize("source", ["10.0.0.9", "10.0.1.5"])
def test_hazard__the_last_word_of_a_tie_is_never_equal(source: str) -> None:
    """A kernel yields on an equal advert, whatever the addresses: ours must be slower."""
    bench = Bench.of(20, source=source).as_master()
    bench.hears(1, 20, peer=LOWER)
    bench.hears(1, 20, peer=HIGHER)
    yielded = bench.state() is State.BACKUP
    assert yielded == (source == "10.0.0.9")
    last_word = bench.did()[-1]
    assert last_word == ("advertise 1/21" if yielded else "announce")


@pytest.mark.parametrize(
    ("own", "theirs", "said"),
    [
        ((1, 100), (1, 0), "advertise 1/100"),
        ((1, 0), (1, 0), "advertise 1/1"),
        ((1, 255), (1, 255), "advertise 2/0"),
        ((0, 0), (0, 0), "advertise 0/2"),  # 0/0 counts as one tick.
        ((0, 0), (0, 1), "advertise 0/2"),
        ((255, 254), (255, 253), "advertise 255/254"),
        ((255, 254), (255, 254), "advertise 255/254"),  # Slower would be the bow-out.
    ],
)
def test_last_word_is_slower_than_the_winner_and_never_the_bow_out(
    own: tuple[int, int], theirs: tuple[int, int], said: str
) -> None:
    bench = Bench.of(own[1], advbase=own[0], source="10.0.0.9").as_master()
    bench.hears(*theirs, peer=LOWER)
    assert bench.did() == ["-> BACKUP", "remove", said]


# clean stop as master: bow-out 255/255, the peer takes over at once


def test_clean_stop_as_master__addresses_off_then_bow_out() -> None:
    bench = Bench.of().as_master()
    bench.host.stop(bench.now)
    bench.collect()
    assert bench.did() == ["-> INIT", "remove", "advertise 255/255"]
    assert bench.host.timer() is None


def test_clean_stop_as_backup__says_nothing() -> None:
    bench = Bench.of().start()
    bench.forget()
    bench.host.stop(bench.now)
    bench.collect()
    assert bench.did() == ["-> INIT"]


# link lost: BACKUP; INIT until the link is back


@pytest.mark.parametrize("as_master", [False, True])
def test_clean_stop__a_link_that_comes_and_goes_brings_nothing_back(as_master: bool) -> None:
    """A daemon that is leaving waits for its scripts, and goes on hearing about the link."""
    bench = Bench.of()
    bench = bench.as_master() if as_master else bench.start()
    bench.host.stop(bench.now)
    bench.host.link_lost(bench.now)
    bench.host.link_back(bench.now)
    assert bench.state() is State.INIT
    bench.host.start(bench.now)
    assert bench.state() is State.BACKUP


@pytest.mark.parametrize("as_master", [False, True])
def test_link_lost__init_until_the_link_is_back(as_master: bool) -> None:
    bench = Bench.of()
    bench = bench.as_master() if as_master else bench.start()
    bench.forget()
    bench.host.link_lost(bench.now)
    bench.collect()
    assert bench.did() == (["-> INIT", "remove"] if as_master else ["-> INIT"])
    bench.forget()
    assert bench.hears(1, 0) is Rejection.INACTIVE
    bench.wait(100 * SECOND)
    assert bench.did() == []
    bench.host.link_back(bench.now)
    bench.collect()
    assert bench.did() == ["-> BACKUP"]
    assert bench.host.timer() == bench.now + 3 * SECOND
