"""Whom a backup obeys: the greatest master heard, until it has been silent for too long."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ruler:
    """A master that is obeyed; `interval` is in nanoseconds."""

    source: bytes
    demotion: int
    interval: int

    def outranks(self, other: "Ruler") -> bool:
        """Tell whether the other, hearing this one, will yield."""
        return self.rank < other.rank

    @property
    def rank(self) -> tuple[int, int, bytes]:
        """The lower wins."""
        return (self.demotion, self.interval, self.source[::-1])


@dataclass(slots=True)
class Rulers:
    """The ruler of each IP family: their advertisements may arrive in any order."""

    _by_family: dict[int, Ruler] = field(default_factory=dict, init=False)
    _until: dict[int, int] = field(default_factory=dict, init=False)
    """When each has been silent for too long (ns)."""

    def obey(self, family: int, claim: Ruler, until: int, now: int) -> bool:
        """Obey `claim` from now on, for as long as `until`, unless a greater one rules. Tell."""
        ruler = self._of(family, now)
        if ruler is None or ruler.source == claim.source or claim.outranks(ruler):
            self._by_family[family] = claim
            self._until[family] = until
            return True
        return False

    def obey_again(self, family: int, until: int) -> None:
        """Go on obeying whom we obeyed last."""
        self._until[family] = until

    def another_rules(self, family: int, source: bytes, now: int) -> bool:
        """Tell whether there is a ruler, and it is not the one at `source`."""
        ruler = self._of(family, now)
        return ruler is not None and ruler.source != source

    def interval_of(self, source: bytes) -> int | None:
        """Return the interval (ns) of the ruler at `source`, None if there is none."""
        rulers = self._by_family.values()
        return next((one.interval for one in rulers if one.source == source), None)

    def forget(self) -> None:
        """Obey nobody: the ruler has left."""
        self._by_family.clear()

    def _of(self, family: int, now: int) -> Ruler | None:
        ruler = self._by_family.get(family)
        return ruler if ruler is not None and now < self._until[family] else None
