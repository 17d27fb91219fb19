"""What an onlooker makes of advertisements, in virtual time."""

from dataclasses import replace
from ipaddress import ip_address

from carpool.carp.timing import SECOND
from carpool.watch.lan import HISTORY, MOST_EVENTS, MOST_SPEAKERS, Group, Lan
from carpool.watch.sighting import Protocol, Sighting
from carpool.watch.table import remarks

A, B = ip_address("192.0.2.1").packed, ip_address("192.0.2.2").packed
ADVERT = Sighting(Protocol.CARP, 4, 42, A, SECOND, 3 * SECOND, 0)
OF_B = replace(ADVERT, source=B, patience=3 * SECOND + SECOND // 2, strength=100)


class Onlooker:
    """Hears advertisements at given seconds, and looks every quarter of one."""

    def __init__(self) -> None:
        self.lan = Lan(0)
        self.now = 0

    def until(self, seconds: float) -> None:
        end = int(seconds * SECOND)
        while self.now < end:
            self.now = min(self.now + SECOND // 4, end)
            self.lan.advance(self.now)

    def hear(self, seconds: float, sighting: Sighting) -> None:
        self.until(seconds)
        self.lan.hear(sighting, self.now)

    @property
    def group(self) -> Group:
        (group,) = self.lan.groups.values()
        return group

    def masters(self) -> tuple[bytes, ...]:
        return self.group.masters

    @property
    def whys(self) -> list[str]:
        return [event.why for event in self.lan.events]


def test_a_steady_master() -> None:
    seen = Onlooker()
    for second in range(1, 11):
        seen.hear(second, ADVERT)
    assert seen.masters() == (A,)
    assert seen.group.since == SECOND
    speaker = seen.group.speakers[A]
    assert (speaker.pace, speaker.jitter, speaker.advertisements) == (SECOND, 0, 10)
    assert seen.whys == ["first seen"]
    assert set(seen.group.strip) == {"A"}


def test_an_unsteady_master_has_jitter() -> None:
    seen = Onlooker()
    for second in range(1, 40):
        seen.hear(second + 0.1 * (second % 2), ADVERT)
    speaker = seen.group.speakers[A]
    assert abs(speaker.pace - SECOND) < SECOND // 20
    assert SECOND // 20 < speaker.jitter < SECOND // 5


def test_a_master_that_dies_is_missed_when_its_backups_miss_it() -> None:
    seen = Onlooker()
    seen.hear(1, ADVERT)
    seen.until(3.9)
    assert seen.masters() == (A,)
    seen.until(4.3)
    assert seen.masters() == ()
    seen.hear(4.4, OF_B)
    assert seen.masters() == (B,)
    assert seen.whys == ["first seen", "fell silent", "took over"]


def test_a_takeover_from_silence_is_never_two_masters() -> None:
    seen = Onlooker()
    for second in (1, 2, 3):
        seen.hear(second, replace(ADVERT, patience=9 * SECOND))
    seen.hear(6.1, OF_B)
    assert seen.masters() == (B,)
    assert max(len(event.masters) for event in seen.lan.events) == 1


def test_a_farewell_is_believed_at_once() -> None:
    seen = Onlooker()
    seen.hear(1, ADVERT)
    seen.hear(1.5, replace(ADVERT, leaving=True))
    assert seen.masters() == ()
    seen.hear(1.502, OF_B)
    assert seen.masters() == (B,)
    assert seen.whys == ["first seen", "took its leave", "took over"]


def test_a_last_word_that_concedes_makes_no_second_master() -> None:
    seen = Onlooker()
    for second in range(1, 4):
        seen.hear(second, ADVERT)
    # Demoted, it says so; another node takes over, and it has a last word.
    demoted = replace(ADVERT, interval=2 * SECOND, patience=5 * SECOND, demotion=100)
    seen.hear(3.5, demoted)
    seen.hear(3.501, OF_B)
    seen.hear(3.502, demoted)
    seen.until(4)
    assert seen.masters() == (B,)
    for half in (9, 11, 13):
        seen.hear(half / 2, OF_B)
        seen.hear(half / 2 + 0.05, replace(ADVERT, demotion=100))
    assert set(seen.masters()) == {A, B}, "it was no last word"


def test_two_masters_and_their_end() -> None:
    seen = Onlooker()
    for second in range(1, 8):
        seen.hear(second, ADVERT)
        seen.hear(second + 0.5, OF_B)
    assert set(seen.masters()) == {A, B}
    assert seen.lan.events[-1].why == "several masters"
    told = "CARP 42: several masters: A web1, B 192.0.2.2"
    assert list(remarks(seen.group, {A: "web1"})) == [told]
    for second in range(8, 12):
        seen.hear(second, ADVERT)
    assert seen.masters() == (A,)
    assert seen.lan.events[-1].why == "the other one fell silent"
    assert "!" in seen.group.strip
    assert seen.group.strip[-1] == "A"


def test_vrrp_and_carp_with_one_number_are_two_groups_and_take_one_vhid() -> None:
    lan = Lan(0)
    lan.hear(ADVERT, 1)
    lan.hear(replace(ADVERT, protocol=Protocol.VRRP_2), 2)
    lan.hear(replace(ADVERT, family=6, source=bytes(16)), 3)
    assert len(list(lan.in_order())) == 3
    assert lan.free() == [*range(1, 42), *range(43, 256)]


def test_whatever_is_sent_memory_is_bounded() -> None:
    seen = Onlooker()
    for number in range(1000):
        sighting = replace(ADVERT, source=number.to_bytes(4), leaving=bool(number % 2))
        seen.lan.hear(sighting, number)
    assert len(seen.group.speakers) == MOST_SPEAKERS
    assert len(seen.lan.events) <= MOST_EVENTS
    seen.lan.advance(10**6 * SECOND)
    assert len(seen.group.strip) == HISTORY


def test_who_repeats_a_counter_is_named() -> None:
    seen = Onlooker()
    for second in range(1, 4):
        seen.hear(second, replace(ADVERT, counter=7))
        assert list(remarks(seen.group, {})) == []
    seen.hear(4, replace(ADVERT, counter=7))
    assert list(remarks(seen.group, {})) == [
        "CARP 42: 192.0.2.1 repeats one counter: OpenBSD, or a replay"
    ]
    seen.hear(5, replace(ADVERT, counter=8))
    assert list(remarks(seen.group, {})) == []
