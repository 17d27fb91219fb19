"""The story: what came in, which row of the table it was, and what followed, in words."""

from tests.recorder.support import HEAD, Peer, host, steps

from carpool.carp.timing import SECOND
from carpool.recorder import story
from carpool.recorder.recorded import Recorded


def told(one: Recorded, *, every: bool = False) -> list[str]:
    return [line.text for line in story.lines("www", steps(one), every=every)]


def test_a_takeover_is_told_with_its_row_and_reason() -> None:
    one = host(advskew=100)
    one.start(0)
    peer = Peer()
    for second in (1, 2, 3):
        peer.says(one, second * SECOND)
    one.handle_timer(3 * SECOND + one.master_down_time)
    peer.says(one, 7 * SECOND)
    heard = "heard 192.0.2.20, 1.000 s: a faster advertisement"
    faster = f"BACKUP {heard} (1.000 s, ours is 1.391 s) [BACKUP FASTER]: start the master-down"
    expected = [
        "BACKUP started: started [INIT START] -> BACKUP: addresses off; ",
        faster,
        faster,
        "MASTER the timer runs: no master heard for 3.391 s [BACKUP MASTER_DOWN] -> MASTER: ad",
        f"BACKUP {heard} from 192.0.2.20 (1.000 s, ours is 1.391 s) [MASTER FASTER] -> BACKUP: ",
    ]
    for line, start in zip(told(one), expected, strict=True):
        assert line.startswith(start)
    assert told(one)[2].endswith(" (2 more until now)")
    assert len(told(one, every=True)) == 6


def test_refusals_and_commands_are_told() -> None:
    one = host()
    peer = Peer()
    one.start(0)
    peer.says(one, SECOND, password=b"another")
    peer.says(one, 2 * SECOND, counter=77)
    peer.says(one, 3 * SECOND, counter=77)
    peer.says(one, 4 * SECOND, 255, counter=78, demotion=9)
    one.set_demotion(255, 5 * SECOND)
    one.yield_mastership(6 * SECOND)
    one.use_sources({}, 7 * SECOND)
    text = "\n".join(told(one))
    demoted = "heard 192.0.2.20, 1.996 s, demotion 9: an advertisement of a more demoted master"
    for said in (
        "heard 192.0.2.20, 1.000 s: refused (authentication): it was signed with another password",
        "heard 192.0.2.20, 1.000 s: refused (replay): it was heard before, or is older than one",
        f"{demoted} (9, ours is 0); master when the timer next runs",
        "the demotion is 255 now: must not be master [BACKUP FORBIDDEN]: changes nothing",
        "told to yield: told to give up mastership [BACKUP YIELD]: changes nothing",
        "it has no address of its own now",
    ):
        assert said in text


def test_what_is_repeated_is_told_when_it_last_was() -> None:
    one = host(advskew=100)
    one.start(0)
    peer, other = Peer(), Peer("192.0.2.30")
    for second in range(1, 10):
        (peer if second < 5 else other).says(one, second * SECOND)
    lines = list(story.lines("www", steps(one), every=False))
    assert [line.instant // SECOND for line in lines] == [0, 1, 4, 5, 9]
    assert "192.0.2.20" in lines[2].text
    assert lines[2].text.endswith(" (3 more until now)")


def test_groups_are_told_in_the_order_of_time() -> None:
    one, other = host(), host()
    one.start(0)
    one.link_lost(2 * SECOND)
    other.start(SECOND)
    both = [story.lines(name, steps(each), every=True) for name, each in (("a", one), ("b", other))]
    assert [(line.group, line.instant) for line in story.merged(both)] == [
        *(("a", 0), ("b", SECOND), ("a", 2 * SECOND))
    ]
    assert story.stamp(HEAD, 3 * SECOND + 1500) == "1970-01-01 00:00:03.000001"


def test_a_thousand_refusals_are_told_in_a_line() -> None:
    one = host()
    one.start(0)
    peer = Peer()
    for number in range(1000):
        peer.says(one, SECOND, counter=number, password=b"another")
    (last,) = [line for line in told(one) if "without a line for each" in line]
    assert last.endswith("992 x authentication")
