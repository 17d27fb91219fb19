"""How long a backup still waits for its master, and for how much longer if it is late itself."""

from dataclasses import dataclass


@dataclass(slots=True)
class Wait:
    """The master-down timer of a backup. Instants and durations in nanoseconds."""

    since: int = 0
    ends_at: int | None = None
    """When the master counts as dead; None before there was a wait."""
    look_at: int = 0
    """When a backup in the fast profile next looks whether it is late itself."""
    grace_left: int = 0
    """For how much longer, in all, it may then wait than without."""

    def begin(self, since: int, patience: int, look_after: int) -> None:
        """Start afresh, to look for the first time `look_after` later."""
        self.since = since
        self.ends_at = since + patience
        self.grace_left = patience
        self.look_at = since + look_after

    def end_by(self, instant: int) -> None:
        """End then, unless it ends before."""
        self.ends_at = min(instant, self.ends_at or instant)

    def allow_lateness(self, slept_since: int, now: int, pace: int) -> None:
        """Go on, having noticed at `now` that nobody has listened since `slept_since`.

        And for two intervals (`pace`) at least: a master that stalled beside us needs one to speak
        again.
        """
        assert self.ends_at is not None
        left = self.ends_at - slept_since
        grace = max(0, min(2 * pace - left, self.grace_left))
        self.grace_left -= grace
        self.ends_at = now + left + grace
        self.look_at = now + pace
