"""Why an advertisement does not fit: the guess of somebody who knows this node's configuration.

A digest says only that something differs: the password, the set of addresses, or the whole group.
Each of our own passwords and sets is tried in its place, and what fits is named.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from carpool.carp.auth import Address, Authenticator
from carpool.carp.timing import SECOND
from carpool.carp.wire import Advertisement
from carpool.node.settings import GroupSettings

_AGAIN_AFTER = 60 * SECOND
_FORGOTTEN_AFTER = 2 * _AGAIN_AFTER + SECOND
"""What is not seen again when it is next looked for has been mended."""
_MOST_SOURCES = 64
_BETWEEN_GUESSES = SECOND // 4
"""Sources can be made up, and a guess takes as long as some hundred advertisements."""
_MOST_OTHERS, _MOST_SETS = 16, 64
"""What a guess looks at, at the most: anybody can send what is not authentic, and while we guess,
no advertisement leaves."""

OTHER_SET = "has the right password and another set of addresses"
OTHER_GROUP = "is one of our group"
UNKNOWN = (
    "has a digest of neither our password nor our addresses: another cluster uses vhid {vhid} here "
    "(give one of them another), or the password differs; that cannot be told apart"
)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What an advertisement from `source` (packed) had, with our `vhid`, at `when` (ns)."""

    source: bytes
    vhid: int
    when: int
    what: str


class Mismatches:
    """Explains advertisements that are not authentic: of one source, one a minute."""

    def __init__(self) -> None:
        self._found: dict[bytes, Mismatch] = {}
        self._last = -_BETWEEN_GUESSES

    def would_explain(self, source: bytes, now: int) -> bool:
        """Tell whether it is time for a guess about this source."""
        if now - self._last < _BETWEEN_GUESSES:
            return False
        found = self._found.get(source)
        return found is None or now - found.when >= _AGAIN_AFTER

    def recent(self, now: int) -> list[Mismatch]:
        """Return what was found lately, the oldest first. `now` is in nanoseconds."""
        return [one for one in self._found.values() if now - one.when < _FORGOTTEN_AFTER]

    def explain(
        self,
        advertisement: Advertisement,
        source: bytes,
        own: GroupSettings,
        others: Iterable[GroupSettings],
        now: int,
    ) -> str | None:
        """Say what differs from the group `own`; None if it is too early for another guess.

        `others`: the other groups of this node, the likeliest first. `now` is in nanoseconds.
        """
        if not self.would_explain(source, now):
            return None
        self._last = now
        what = explain(advertisement, own, tuple(islice(others, _MOST_OTHERS)))
        self._found.pop(source, None)
        self._found[source] = Mismatch(source, advertisement.vhid, now, what)
        if len(self._found) > _MOST_SOURCES:
            del self._found[next(iter(self._found))]
        return what


def explain(
    advertisement: Advertisement, own: GroupSettings, others: tuple[GroupSettings, ...]
) -> str:
    """Say what differs from the group `own`, and how to mend it."""
    vhid = own.carp.vhid
    for addresses, difference in islice(_other_sets(own, others), _MOST_SETS):
        if _fits(advertisement, own, addresses):
            return f"{OTHER_SET}: {difference}; every node of vhid {vhid} must have the same"
    for other in others:
        if _fits(advertisement, other, other.carp.addresses):
            return (
                f"{OTHER_GROUP} {other.name}, whose vhid here is {other.carp.vhid}, with "
                f"vhid {vhid}: give the group the same vhid on all nodes"
            )
        if _fits(advertisement, other, own.carp.addresses):
            return (
                f"has our addresses and the password of our group {other.name}: give the group "
                "the same password on all nodes"
            )
    return UNKNOWN.format(vhid=vhid)


def _fits(advertisement: Advertisement, group: GroupSettings, addresses: Iterable[Address]) -> bool:
    carp = group.carp
    return Authenticator(
        carp.password, advertisement.vhid, addresses, carp.accepted_passwords
    ).verify(advertisement)


def _other_sets(
    own: GroupSettings, others: tuple[GroupSettings, ...]
) -> Iterator[tuple[set[Address], str]]:
    """Yield sets of addresses that somebody may have instead of ours, and what differs."""
    ours = set(own.carp.addresses)
    for address in own.carp.addresses:
        yield ours - {address}, f"without {address}"
    for address in own.carp.addresses:
        yield {address}, f"only {address}"
    for version in (4, 6):
        yield {one for one in ours if one.version == version}, f"only those of IPv{version}"
    yield set(), "none"
    for other in others:
        theirs = set(other.carp.addresses)
        yield ours | theirs, f"also those of our group {other.name}"
        yield theirs, f"those of our group {other.name}"
    for address in chain.from_iterable(other.carp.addresses for other in others):
        yield ours | {address}, f"also {address}"
    for real in own.sources:
        yield ours | {real}, f"also {real}, which is this node's own"
