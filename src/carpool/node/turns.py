"""Takeovers take turns with advertisements where there are thousands of groups.

A takeover costs ten times as much as an advertisement. When a node with thousands of groups dies,
and each of them were taken over as soon as it is due, the first of them would lose their addresses
again before the last have theirs: nobody would have advertised for them meanwhile.
"""

from carpool.node.loop import Loop

MOST = 64
"""Takeovers in a round of the loop, some 20 ms of work: what is due meanwhile comes next."""


class Turns:
    """The turns of one round after the other."""

    def __init__(self, loop: Loop, most: int = MOST) -> None:
        self._loop = loop
        self._most = most
        self._taken = 0

    def take(self) -> bool:
        """Tell whether this round has another turn; if not, it is for a later round."""
        if not self._taken:
            self._loop.at_end_of_round(self._begin)
        self._taken += 1
        return self._taken <= self._most

    def _begin(self) -> None:
        self._taken = 0
