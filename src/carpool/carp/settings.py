"""What a virtual host is told to be."""

from dataclasses import dataclass

from carpool.carp.auth import Address
from carpool.carp.counters import Replay


@dataclass(frozen=True, slots=True)
class Settings:
    """What a virtual host is configured to be: the field's own names and units.

    advbase in seconds (0-255), advskew in 1/256 s (0-255), `dead_ratio` in intervals (1-255).
    `preempt_delay`: how long a node does not preempt after it started, its link came back, or it
    is less demoted. `hold_down`: how much longer it waits for a master after it started or its
    link came back, unless it hears one. `announce_every`: how often a master announces its
    addresses again; 0 for never. `seek_rival`: for how long a master that took over from silence
    looks for one that it cannot hear; 0 for never. All four in nanoseconds.
    """

    vhid: int
    addresses: tuple[Address, ...]
    password: bytes
    advbase: int = 1
    advskew: int = 0
    preempt: bool = False
    dead_ratio: int = 3
    preempt_delay: int = 0
    hold_down: int = 0
    announce_every: int = 0
    seek_rival: int = 0
    replay: Replay = Replay.WINDOW
    place: int | None = None
    """How many nodes of the group are preferred to this one; None: not known."""
    accepted_passwords: tuple[bytes, ...] = ()
    """With which a peer may sign, besides the one with which we sign."""
    fast: bool = False
    """The fast profile, with advbase 0: a backup has the patience that the master's own interval
    asks for if that is longer, allows for its own lateness, and a demoted node keeps its advskew.
    """

    def __repr__(self) -> str:
        """Name the group without its password."""
        return f"Settings(vhid={self.vhid}, advbase={self.advbase}, advskew={self.advskew})"
