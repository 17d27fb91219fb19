"""A node's own clock on the virtual LAN: it may run faster or slower than the LAN's.

All readings are integer nanoseconds.
"""

MILLION = 1_000_000


class Clock:
    """Runs `ppm` millionths too fast (below 0: too slow). Starts at 0 with the LAN's."""

    __slots__ = ("_base", "_lan_base", "ppm")

    def __init__(self, ppm: int = 0) -> None:
        """Start a clock; a quartz is within 100 ppm, a virtual machine's may be far worse."""
        self.ppm = ppm
        self._base = self._lan_base = 0

    def set_rate(self, ppm: int, lan_now: int) -> None:
        """Run `ppm` millionths too fast from now on; the reading does not jump."""
        self._base, self._lan_base, self.ppm = self.read(lan_now), lan_now, ppm

    def read(self, lan_now: int) -> int:
        """Return what the clock shows when the LAN's shows `lan_now`."""
        if not self.ppm:
            return self._base + lan_now - self._lan_base
        return self._base + (lan_now - self._lan_base) * (MILLION + self.ppm) // MILLION

    def when(self, reading: int) -> int:
        """Return the first instant of the LAN at which the clock shows `reading` or more."""
        if not self.ppm:
            return self._lan_base + reading - self._base
        return self._lan_base - (reading - self._base) * MILLION // -(MILLION + self.ppm)
