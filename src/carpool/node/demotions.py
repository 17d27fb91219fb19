"""Why a node is demoted: reasons with their amounts, which add up."""

from carpool.carp.election import MOST_DEMOTED, NEVER_MASTER


class Demotions:
    """The reasons for which one group is demoted, each with its amount (1-255)."""

    def __init__(self) -> None:
        self.amounts: dict[str, int] = {}

    @property
    def total(self) -> int:
        """The demotion that follows: the sum, at most MOST_DEMOTED; or NEVER_MASTER, if one is."""
        if NEVER_MASTER in self.amounts.values():
            return NEVER_MASTER
        return min(sum(self.amounts.values()), MOST_DEMOTED)

    def change(self, reason: str, amount: int) -> str | None:
        """Let `reason` amount to so much from now on, 0 for nothing. Return what that changes.

        In words, for the log; None if that is how it was. Raises ValueError for another amount.
        """
        if not 0 <= amount <= NEVER_MASTER:
            raise ValueError(f"a demotion is from 0 to {NEVER_MASTER}, not {amount}")
        if self.amounts.get(reason, 0) == amount:
            return None
        if not amount:
            del self.amounts[reason]
            return f"no longer demoted: {reason}{self._in_all()}"
        self.amounts[reason] = amount
        if amount == NEVER_MASTER:
            return f"must not be master: {reason}"
        return f"demoted by {amount}: {reason}{self._in_all()}"

    def _in_all(self) -> str:
        return f" ({self.total} in all)" if len(self.amounts) > 1 else ""
