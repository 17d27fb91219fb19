"""How fast a virtual host is: what its settings, its demotion and its machine make of it."""

from carpool.carp import timing
from carpool.carp.settings import Settings


class Paced:
    """Has intervals and patience. Whoever changes what they follow from calls `_set_pace`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._demotion = 0
        self._slowed_to = 0
        self._masters_interval = 0
        """Of the master that we obey, in the fast profile; 0 where there is none."""
        self._set_pace()

    @property
    def demotion(self) -> int:
        """What is held against this node: 0 for nothing, NEVER_MASTER (255) if all is."""
        return self._demotion

    def _set_pace(self) -> None:
        """Work out how fast we are, as settings and demotion have it: each advertisement asks."""
        settings = self.settings
        own = max(settings.advskew, self._slowed_to)
        # Not in the fast profile. There the advskew is the whole interval, and a demoted node would
        # need seconds to notice that a master has died: byte 4 says it all (OpenBSD's rule).
        demoted = self._demotion and not settings.fast
        self.advskew = max(own, timing.DEMOTED_ADVSKEW) if demoted else own
        """The advskew that we advertise, 1/256 s: at least 240 while demoted."""
        self.interval = timing.interval(settings.advbase, self.advskew)
        """Our advertisement interval, nanoseconds."""
        patience = timing.lapse_time(settings.advbase, self.advskew, settings.dead_ratio)
        # A dead ratio that leaves no room for one late advertisement must not unseat us each time.
        self._patience = max(patience, self.interval * 3 // 2)
        """How long the backups have heard nothing of us when one takes over (ns)."""
        # What our machine cannot hold as a master says nothing of how soon a dead one is noticed.
        waits_as = settings.advskew if settings.fast else self.advskew
        self._own_master_down_time = timing.master_down_time(
            settings.advbase, waits_as, settings.dead_ratio
        )
        self._wanted_interval = timing.interval(settings.advbase, waits_as)

    @property
    def master_down_time(self) -> int:
        """How long we hear nothing before we take over, nanoseconds.

        In the fast profile a master that advertises more slowly than we would, because its machine
        cannot do better, gets the patience that its own interval asks for.
        """
        masters = self.settings.dead_ratio * self._masters_interval
        return max(self._own_master_down_time, masters)

    @property
    def _pace(self) -> int:
        """How often, in nanoseconds, a master is to be heard."""
        return max(self._wanted_interval, self._masters_interval)
