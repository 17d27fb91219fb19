"""Durations for people."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def two_units(seconds: int) -> list[str]:
    """Return a duration by its two greatest units: ["3d", "4h"], ["5m", "0s"]."""
    left = seconds
    parts: list[str] = []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number}{unit}")
    return parts[:2]


def duration(seconds: float) -> str:
    """Write a duration by its two greatest units, with tenths below a minute: 3d 4h, 12.3s."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    return " ".join(two_units(int(seconds)))
