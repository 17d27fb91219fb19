"""One master of a link looks for the rivals of all that are on the same nodes.

Where a network is cut, it is for all groups of the same nodes; so one of them advertises more often
(`carpool.carp.seeking`), and when anybody hears a rival all masters of the link speak up.
"""

from collections.abc import Iterator
from itertools import islice

from carpool.carp.election import State
from carpool.carp.seeking import Seeking
from carpool.carp.timing import SECOND
from carpool.node.group import Group
from carpool.node.loop import Loop

SHARE_AFTER = SECOND // 100
"""How long (ns) after a change the search is divided anew: many groups change at once."""
SPEAK_AT_ONCE = 16
"""So many masters advertise in one round of the loop; in the next it hears first."""
SPEAK_EVERY = SECOND
"""They speak up no more often than that (ns): rivals who do not hear us go on and on."""


class Search:
    """The groups of one link."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._groups: list[Group] = []
        self._spoke_at = -SPEAK_EVERY
        self._sharing = loop.call_at(loop.now(), self._share)
        self._sharing.cancel()

    def add(self, group: Group) -> None:
        """Let a group take part."""
        self._groups.append(group)
        group.on_transition.append(self._changed)

    def found_rival(self, finder: Group) -> None:
        """Let the other masters speak up: whose rivals are there will hear, or be heard."""
        now = self._loop.now()
        if now - self._spoke_at < SPEAK_EVERY:
            return
        self._spoke_at = now
        self._speak(group for group in self._groups if group is not finder)

    def _speak(self, groups: Iterator[Group]) -> None:
        masters = (group for group in groups if group.virtual_host.state is State.MASTER)
        some = list(islice(masters, SPEAK_AT_ONCE))
        for group in some:
            group.advertise_now()
        if len(some) == SPEAK_AT_ONCE:
            self._loop.call_at(self._loop.now(), lambda: self._speak(groups))

    def _changed(self) -> None:
        if self._sharing.when is None and len(self._groups) > 1:
            self._sharing.reschedule(self._loop.now() + SHARE_AFTER)

    def _share(self) -> None:
        """Of the masters of the same nodes, let the one look that is to look for longest."""
        chosen: dict[tuple[tuple[str, ...], int], Seeking] = {}
        for group in self._groups:
            host = group.virtual_host
            if host.state is State.MASTER:
                for family in {address.version for address in group.settings.addresses}:
                    kin = group.settings.nodes, family
                    so_far = chosen.setdefault(kin, host.seeking)
                    chosen[kin] = max(so_far, host.seeking, key=lambda one: one.until)
        looking = {id(one) for one in chosen.values()}
        for group in self._groups:
            host = group.virtual_host
            represented = id(host.seeking) not in looking
            if host.seeking.represented is not represented:
                host.be_represented(represented)
                group.pump()
