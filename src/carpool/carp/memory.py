"""What outlives a virtual host whose program is replaced."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Memory:
    """What a virtual host must know of its former self, to go on where that was."""

    master: bool
    advertised_at: int
    """Nanoseconds, of a clock that goes on."""
    counter: int | None
    """The highest that it has heard or sent, None if there was none."""
    slowed_to: int = 0
    """The advskew (1/256 s) with which it last advertised, where that is not the configured one."""
    seeking_until: int = 0
    """Until when it looks for a rival, nanoseconds of that clock."""
    preempt_from: int = 0
    """From when on it preempts, and until when it holds down and stands back, likewise."""
    hold_down_until: int = 0
    stand_back_until: int = 0
