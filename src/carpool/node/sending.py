"""Whether advertisements leave this host: a master that nobody hears is none."""

MOST_ERRORS = 3
"""Advertisements in a row that may fail until a master demotes itself (ucarp's 3)."""
SUCCESSES = 3
"""Advertisements in a row that must then be sent until it no longer does."""
CANNOT_SEND = f"{MOST_ERRORS} advertisements in a row could not be sent"


class Sending:
    """Counts what could be sent, and what could not."""

    def __init__(self) -> None:
        self.fails = False
        """Whether the node is to demote itself for it."""
        self._in_a_row = 0
        """Against that: errors while it works, successes while it fails."""

    def note(self, *, ok: bool) -> bool:
        """Note that an advertisement was sent, or could not be. Tell whether `fails` changed."""
        self._in_a_row = self._in_a_row + 1 if ok == self.fails else 0
        if self._in_a_row < (SUCCESSES if ok else MOST_ERRORS):
            return False
        self.fails = not ok
        self._in_a_row = 0
        return True
