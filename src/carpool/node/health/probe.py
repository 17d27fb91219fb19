"""What every kind of check has in common."""

from collections.abc import Callable
from typing import Protocol

Done = Callable[[str | None], None]
"""Called with None if all is well, else with what is wrong, in a few words."""


class Probe(Protocol):
    """One kind of check. It looks once each time it is started, and never makes the loop wait."""

    @property
    def pid(self) -> int | None:
        """The process that it has started and not yet seen the end of, if it does such a thing."""
        ...

    def start(self, done: Done) -> None:
        """Look once, and call `done` when it is known: from the loop, or at once from in here.

        Never raises: what keeps it from looking is a bad result as well. It is not started again
        before it has called `done` or was cancelled.
        """
        ...

    def cancel(self) -> None:
        """Give up looking, because the time is over: `done` is not called any more."""
        ...

    def close(self) -> None:
        """Give up, and let go of what is kept from one look to the next."""
        ...
