"""ifconfig."""

from collections.abc import Sequence


def main(_: Sequence[str]) -> int:
    """To come."""
    return 1
