"""From the ear to the picture of the network."""

import time

from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection
from carpool.watch.ear import Ear
from carpool.watch.lan import Lan
from carpool.watch.sighting import sight

_NOTICE_EVERY = SECOND // 10
"""To look at all groups for who has fallen silent costs more than to hear one advertisement."""


def take(ear: Ear, lan: Lan) -> None:
    """Take note of all that has arrived, and ten times a second of who has fallen silent."""
    now = time.monotonic_ns()
    for datagram in ear.receive():
        if isinstance(datagram, Rejection):
            continue
        sighting = sight(datagram)
        if not isinstance(sighting, Rejection):
            lan.hear(sighting, now)
    if now - lan.advanced_at >= _NOTICE_EVERY:
        lan.advance(now)
