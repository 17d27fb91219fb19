"""Who is master: the whole election of CARP, as one table.

A virtual host is in one of three states. INIT: the link is down, or the group is stopped; it
neither speaks nor listens. BACKUP: it listens, and takes over when nobody is heard for the
master-down time. MASTER: it holds the addresses and advertises once per interval.

Of two masters the one that advertises *faster* wins: a smaller interval (advbase + advskew/256)
is a higher rank. Before the interval comes the demotion (0 to 255, what a node holds against
itself): a master that is less demoted wins, whatever the intervals and whether or not anybody
preempts (OpenBSD's rule). Every advertisement heard is therefore first compared with our own and
becomes one of the events below; then the table says what happens. A pair of state and event that
the table does not list changes nothing.

A node whose demotion is NEVER_MASTER has no master-down time: it listens and stays BACKUP. That
demotion says so of this node alone; heard from another it is the highest there is, and no more.

What a backup hears never makes it master on the spot. A row that does so is carried out by the
timer, some milliseconds later for each better backup that there is (where that is not known, 0 to
10 ms in proportion to advskew): of several backups that heard the same the best is then heard by
the others before they act; and a node that was late, and has more to read, reads it first. Any
advertisement that starts the master-down timer afresh calls it off.

Where implementations differ, we do what ends with one master beside all of them; each such row
says how. The machine that walks this table is `carpool.carp.virtualhost`.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

MOST_DEMOTED = 254
"""The highest demotion with which a node is still master where there is no better one."""
NEVER_MASTER = 255
"""The demotion of a node that must not be master, not even if there is no other."""


class State(StrEnum):
    """What a virtual host is. The value is its public name."""

    INIT = "INIT"
    BACKUP = "BACKUP"
    MASTER = "MASTER"


class Event(Enum):
    """What can happen to a virtual host. The value says so in words, for the log."""

    START = "started"
    RESUMED_AS_MASTER = "restarted as master, in time for the next advertisement"
    RESUMED_AS_BACKUP = "restarted as backup"
    STOP = "stopped"
    LINK_LOST = "the link is down"
    LINK_BACK = "the link is up again"
    YIELD = "told to give up mastership"
    DEMOTED = "more demoted than before"
    RECOVERED = "less demoted than before"
    FORBIDDEN = "must not be master"

    MASTER_DOWN = "no master heard"
    ADVERTISEMENT_DUE = "time to advertise"
    SEEKING_DUE = "time to look for a rival"
    LAPSED = "was paused for so long that a backup has taken over"
    WOKE = "the machine has slept"
    LATE = "no master heard, but this node was late itself"

    LESS_DEMOTED = "an advertisement of a less demoted master"
    MORE_DEMOTED = "an advertisement of a more demoted master"
    FASTER = "a faster advertisement"
    TIE_LOST = "an equally fast advertisement of a lower address"
    TIE_WON = "an equally fast advertisement of a higher address"
    SLOWER = "a slower advertisement"
    PREEMPTIBLE = "a slower advertisement, and we preempt"
    TOO_SLOW = "an advertisement slower than our own patience"
    OVERRULED = "a slower advertisement, while a faster master rules"
    BOW_OUT = "a bow-out"

    __hash__ = object.__hash__
    """Not that of `Enum`, which is a function of Python's: each input looks its row up."""


class Action(Enum):
    """What a row does, in order. `VirtualHost` has one method for each."""

    ADD_ADDRESSES = auto()
    REMOVE_ADDRESSES = auto()
    ADVERTISE = auto()
    """Send an advertisement now and every interval from now on.

    With one of them in every `announce_every` goes an announcement: a master cannot know that a
    rival which it never heard, behind a partition, has left its mark in caches.
    """
    ANNOUNCE = auto()
    """Gratuitous ARP / neighbour advertisement now, and again two advertisements later."""
    BEGIN_SEEKING = auto()
    """For the time of `seek_rival`, advertise more often than once per interval."""
    SEEK = auto()
    """Send an advertisement between two others."""
    REASSERT = auto()
    """Answer a rival: advertise and announce at once, a bounded number of times per interval."""
    CONCEDE = auto()
    """One last advertisement, slower than the winner's, so that the winner announces again."""
    SAY_BOW_OUT = auto()
    """Advertise 255/255: a backup may take over at once."""
    AWAIT_MASTER = auto()
    """Start the master-down timer afresh."""
    ADJUST_WAIT = auto()
    """Let the master-down timer, as it runs, be as long as it is with the demotion of now."""
    ALLOW_LATENESS = auto()
    """Wait for as much longer as the node was late, by one master-down time in all."""
    HOLD_DOWN = auto()
    """Wait for longer, by `hold_down`, unless anybody is heard: the port may not forward yet."""
    DELAY_PREEMPTION = auto()
    """Do not preempt for the time of `preempt_delay`; other reasons to take over stand."""
    STAND_BACK = auto()
    """Do not preempt for a while, so that another node can take over."""

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Row:
    """One rule: in this state, on this event, do these things in order and be in that state."""

    state: State
    event: Event
    next: State
    actions: tuple[Action, ...]


_S, _E, _A = State, Event, Action

_BEGIN = (_A.HOLD_DOWN, _A.DELAY_PREEMPTION, _A.AWAIT_MASTER)
_TAKE_OVER = (_A.ADD_ADDRESSES, _A.ADVERTISE, _A.ANNOUNCE)
_STEP_DOWN = (_A.REMOVE_ADDRESSES, _A.CONCEDE, _A.AWAIT_MASTER)

ROWS: tuple[Row, ...] = (
    # Always BACKUP first. An address left behind by a crash goes before anything else.
    Row(_S.INIT, _E.START, _S.BACKUP, (_A.REMOVE_ADDRESSES, *_BEGIN)),
    Row(_S.INIT, _E.LINK_BACK, _S.BACKUP, _BEGIN),
    # A daemon that has replaced its program (carpool restart) goes on where it was. Putting the
    # addresses on again makes sure that they are there.
    Row(_S.INIT, _E.RESUMED_AS_MASTER, _S.MASTER, _TAKE_OVER),
    Row(_S.INIT, _E.RESUMED_AS_BACKUP, _S.BACKUP, (_A.AWAIT_MASTER,)),
    #
    # BACKUP: whoever is less demoted, or else advertises at our speed or faster, is the master.
    Row(_S.BACKUP, _E.LESS_DEMOTED, _S.BACKUP, (_A.AWAIT_MASTER,)),
    Row(_S.BACKUP, _E.FASTER, _S.BACKUP, (_A.AWAIT_MASTER,)),
    Row(_S.BACKUP, _E.TIE_LOST, _S.BACKUP, (_A.AWAIT_MASTER,)),
    Row(_S.BACKUP, _E.TIE_WON, _S.BACKUP, (_A.AWAIT_MASTER,)),
    Row(_S.BACKUP, _E.SLOWER, _S.BACKUP, (_A.AWAIT_MASTER,)),
    # A master in the middle of yielding to a faster one is nobody's reason to take over.
    Row(_S.BACKUP, _E.OVERRULED, _S.BACKUP, ()),
    # Dead, or cut off: `carpool.carp.seeking`.
    Row(_S.BACKUP, _E.MASTER_DOWN, _S.MASTER, (*_TAKE_OVER, _A.BEGIN_SEEKING)),
    Row(_S.BACKUP, _E.BOW_OUT, _S.MASTER, _TAKE_OVER),
    Row(_S.BACKUP, _E.MORE_DEMOTED, _S.MASTER, _TAKE_OVER),
    Row(_S.BACKUP, _E.PREEMPTIBLE, _S.MASTER, _TAKE_OVER),
    Row(_S.BACKUP, _E.TOO_SLOW, _S.MASTER, _TAKE_OVER),
    # What was sent meanwhile is lost: that nobody was heard says nothing.
    Row(_S.BACKUP, _E.WOKE, _S.BACKUP, (_A.AWAIT_MASTER,)),
    # In the fast profile a stall of some milliseconds is a master-down time: what the master said
    # meanwhile may not have come up to the socket yet.
    Row(_S.BACKUP, _E.LATE, _S.BACKUP, (_A.ALLOW_LATENESS,)),
    Row(_S.BACKUP, _E.DEMOTED, _S.BACKUP, (_A.ADJUST_WAIT,)),
    Row(_S.BACKUP, _E.RECOVERED, _S.BACKUP, (_A.DELAY_PREEMPTION, _A.ADJUST_WAIT)),
    Row(_S.BACKUP, _E.LINK_LOST, _S.INIT, ()),
    Row(_S.BACKUP, _E.STOP, _S.INIT, ()),
    #
    # MASTER: yield to the less demoted, or else to the faster; addresses off before the last word.
    Row(_S.MASTER, _E.ADVERTISEMENT_DUE, _S.MASTER, (_A.ADVERTISE,)),
    Row(_S.MASTER, _E.SEEKING_DUE, _S.MASTER, (_A.SEEK,)),
    Row(_S.MASTER, _E.LESS_DEMOTED, _S.BACKUP, _STEP_DOWN),
    Row(_S.MASTER, _E.FASTER, _S.BACKUP, _STEP_DOWN),
    # Equal intervals: kernels yield whenever they hear one, ucarp yields from the higher address.
    # We follow ucarp. Its last word before yielding is an equal advertisement, on which a kernel
    # yields as well, and nobody rules for 3 s; ours is slower, so both kinds of winner stay.
    Row(_S.MASTER, _E.TIE_LOST, _S.BACKUP, _STEP_DOWN),
    Row(_S.MASTER, _E.TIE_WON, _S.MASTER, (_A.REASSERT,)),
    Row(_S.MASTER, _E.SLOWER, _S.MASTER, (_A.REASSERT,)),
    Row(_S.MASTER, _E.MORE_DEMOTED, _S.MASTER, (_A.REASSERT,)),
    Row(_S.MASTER, _E.PREEMPTIBLE, _S.MASTER, (_A.REASSERT,)),
    Row(_S.MASTER, _E.TOO_SLOW, _S.MASTER, (_A.REASSERT,)),
    Row(_S.MASTER, _E.BOW_OUT, _S.MASTER, (_A.REASSERT,)),
    # Silent for longer than a backup's patience: another has the address by now. Not one stale
    # advertisement; listen first.
    Row(_S.MASTER, _E.LAPSED, _S.BACKUP, (_A.REMOVE_ADDRESSES, _A.AWAIT_MASTER)),
    # Said at once: a better node need not wait for it.
    Row(_S.MASTER, _E.DEMOTED, _S.MASTER, (_A.ADVERTISE,)),
    Row(_S.MASTER, _E.RECOVERED, _S.MASTER, (_A.ADVERTISE,)),
    Row(
        _S.MASTER,
        _E.FORBIDDEN,
        _S.BACKUP,
        (_A.REMOVE_ADDRESSES, _A.SAY_BOW_OUT, _A.AWAIT_MASTER),
    ),
    Row(_S.MASTER, _E.LINK_LOST, _S.INIT, (_A.REMOVE_ADDRESSES,)),
    # Master all the while, for the link only blinked or is ignored: who hangs on it may forget.
    Row(_S.MASTER, _E.LINK_BACK, _S.MASTER, (_A.ANNOUNCE,)),
    Row(
        _S.MASTER,
        _E.YIELD,
        _S.BACKUP,
        (_A.REMOVE_ADDRESSES, _A.SAY_BOW_OUT, _A.STAND_BACK, _A.AWAIT_MASTER),
    ),
    Row(_S.MASTER, _E.STOP, _S.INIT, (_A.REMOVE_ADDRESSES, _A.SAY_BOW_OUT)),
)

TABLE: dict[tuple[State, Event], Row] = {(row.state, row.event): row for row in ROWS}
