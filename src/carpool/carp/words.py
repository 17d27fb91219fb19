"""What happens to a virtual host, in words: for the log, the documentation and a replay."""

from dataclasses import dataclass
from ipaddress import ip_address

from carpool.carp.effects import Heard, Transition
from carpool.carp.election import Action, Event
from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection

ACTIONS = {
    Action.ADD_ADDRESSES: "addresses on",
    Action.REMOVE_ADDRESSES: "addresses off",
    Action.ADVERTISE: "advertise, now and every interval",
    Action.ANNOUNCE: "gratuitous ARP / NA, now and two advertisements later",
    Action.BEGIN_SEEKING: "having heard another before, advertise every 20 ms for seek_rival",
    Action.SEEK: "advertise",
    Action.REASSERT: "advertise and announce at once, a bounded number of times",
    Action.CONCEDE: "one last advertisement, slower than the winner's",
    Action.SAY_BOW_OUT: "bow out (255/255)",
    Action.AWAIT_MASTER: "start the master-down time afresh",
    Action.ADJUST_WAIT: "make the running master-down time as long as it now is",
    Action.ALLOW_LATENESS: "wait for as much longer as this node was late (fast profile)",
    Action.HOLD_DOWN: "wait for longer by hold_down, unless anybody is heard",
    Action.DELAY_PREEMPTION: "do not preempt for preempt_delay",
    Action.STAND_BACK: "do not preempt for 3 s",
}
"""What each action of the election table does."""

EXPLAINED = {
    Rejection.TTL: "came through a router (TTL below 255); CARP must not be forwarded",
    Rejection.OWN: "has our own source address; is it used twice, or does the network loop?",
    Rejection.IP_CHECKSUM: "is damaged (IP header checksum)",
    Rejection.CHECKSUM: "is damaged (CARP checksum)",
    Rejection.REPLAY: (
        "was heard before, or is older than one that was: a replay, or a network that duplicates"
    ),
    Rejection.CONSTANT: (
        "repeats one counter, as OpenBSD does and as a replay does; for an OpenBSD peer set "
        'replay = "off" in this group, or it will not be obeyed'
    ),
    Rejection.UNSEQUENCED: (
        'has no sequenced counter, and the group says replay = "strict"; a peer that is no '
        'carpool has one as soon as it hears us; otherwise set replay = "window"'
    ),
    Rejection.VRRP: (
        "is VRRP, whose routers share CARP's protocol number, ids and virtual MAC addresses; "
        "give the router or the group another id, or another network"
    ),
}
"""Rejections that an administrator can mend, and how; the others are only counted."""


@dataclass(frozen=True, slots=True)
class Ours:
    """What a virtual host compares with what it hears: nanoseconds, and its demotion."""

    interval: int
    master_down_time: int
    demotion: int


def why_changed(change: Transition, ours: Ours) -> str:
    """Return why a virtual host changed its state."""
    why = change.event.value
    if change.event is Event.MASTER_DOWN:
        why += f" for {ours.master_down_time / SECOND:.3f} s"
    if change.heard is not None:
        why += (
            f" from {ip_address(change.heard.source)}{compared(change.event, change.heard, ours)}"
        )
    return why


def compared(event: Event, heard: Heard, ours: Ours) -> str:
    """Return in brackets what about an advertisement decided, beside our own."""
    if event is Event.BOW_OUT:
        return ""
    if event in (Event.LESS_DEMOTED, Event.MORE_DEMOTED):
        return f" ({heard.demotion}, ours is {ours.demotion})"
    return f" ({heard.interval / SECOND:.3f} s, ours is {ours.interval / SECOND:.3f} s)"
