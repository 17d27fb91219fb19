"""How many failovers without a fault a network that loses frames brings about.

A backup takes over when every advertisement that is due within its master-down time is lost. With
frames lost independently of each other, each with probability p, m of them in a row are lost with
p**m, and each advertisement may begin such a row. Loss in bursts is worse than that.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from carpool.carp.timing import SECOND, interval, master_down_time
from carpool.cluster.findings import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carpool.cluster.draft import Draft
    from carpool.cluster.source import Source

_DAY = 86_400
_MOST = 255


def failovers_per_day(
    advbase: int, advskews: Sequence[int], dead_ratio: int, loss: float, *, fast: bool
) -> float:
    """Return how often a day a backup takes over from a living master, whichever that is.

    ``loss`` is the probability that a frame is lost, below 1.
    """
    rates = dict.fromkeys(range(len(advskews)), 0.0)
    for (master, slower), (_, own) in permutations(enumerate(advskews), 2):
        pause = interval(advbase, slower)
        patience = master_down_time(advbase, own, dead_ratio)
        if fast:
            patience = max(patience, dead_ratio * pause)
        # One that is due when the wait ends comes too late.
        chances = max(0, -(-patience // pause) - 1)
        rates[master] += loss**chances * _DAY * SECOND / pause
    return max(rates.values(), default=0.0)


def enough_dead_ratio(
    advbase: int, advskews: Sequence[int], loss: float, *, fast: bool
) -> int | None:
    """Return the least dead ratio with less than one such failover a day; None: none is."""
    for dead_ratio in range(2, _MOST + 1):
        if failovers_per_day(advbase, advskews, dead_ratio, loss, fast=fast) < 1:
            return dead_ratio
    return None


def check_loss(draft: Draft, source: Source, loss: float) -> None:
    """Warn of groups that fail over without a fault more than once a day at this loss of frames."""
    for name, group in draft.groups.items():
        advbase, dead_ratio = group.get("advbase"), group.get("dead_ratio")
        skews = [seat.advskew for seat in draft.seats[name] if seat.advskew is not None]
        if advbase is None or dead_ratio is None or len(skews) < 2:
            continue
        fast = group.get("profile") == "fast"
        rate = failovers_per_day(advbase, skews, dead_ratio, loss, fast=fast)
        if rate < 1:
            continue
        message = (
            f"with {100 * loss:.4g} % of all frames lost, a backup takes over {_often(rate)} a day"
        )
        enough = enough_dead_ratio(advbase, skews, loss, fast=fast)
        if enough is None:
            mend = "mend the network"
        else:
            after = max(master_down_time(advbase, skew, enough) for skew in skews) / 1e9
            mend = (
                f"use dead_ratio = {enough}, with which a dead master is noticed in {after:.3f} s"
            )
        source.report(Rule.LOSSY, ("groups", name, "dead_ratio"), message, mend)


def _often(rate: float) -> str:
    return f"about {rate:,.0f} times" if rate >= 1.5 else "about once"
