"""From the ear to the picture of the network."""

import time

from carpool.carp.wire import Rejection
from carpool.watch.ear import Ear
from carpool.watch.lan import Lan
from carpool.watch.sighting import sight


def take(ear: Ear, lan: Lan) -> None:
    """Take note of all that has arrived, and of who has fallen silent."""
    now = time.monotonic_ns()
    for datagram in ear.receive():
        if isinstance(datagram, Rejection):
            continue
        sighting = sight(datagram)
        if not isinstance(sighting, Rejection):
            lan.hear(sighting, now)
    lan.advance(now)
