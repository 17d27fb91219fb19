"""Counts results: when a check that was good is bad, and when it is good again."""

from enum import StrEnum


class Health(StrEnum):
    """What is known of a check. The value is its public name."""

    UNKNOWN = "unknown"
    """No result yet: neither good nor bad, and nothing follows from it."""
    GOOD = "good"
    BAD = "bad"


class Monitor:
    """The state of one check.

    The first result decides at once: a node that starts with a broken service must know it before
    it is master. After that it takes `fall` bad results in a row to be bad, and `rise` good ones
    in a row to be good again; both are at least 1.
    """

    __slots__ = ("_against", "_fall", "_rise", "health")

    def __init__(self, rise: int, fall: int) -> None:
        self.health = Health.UNKNOWN
        self._rise = rise
        self._fall = fall
        self._against = 0

    @property
    def against(self) -> int:
        """Results in a row that contradict the present state."""
        return self._against

    def note(self, *, good: bool) -> bool:
        """Count one result. Return whether the state has changed."""
        said = Health.GOOD if good else Health.BAD
        if said is self.health:
            self._against = 0
            return False
        self._against += 1
        if self.health is not Health.UNKNOWN and self._against < self._needed(said):
            return False
        self.health = said
        self._against = 0
        return True

    def _needed(self, said: Health) -> int:
        return self._rise if said is Health.GOOD else self._fall
