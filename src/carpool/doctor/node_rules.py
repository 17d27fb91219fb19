"""Rules about this host itself. Pure."""

from collections.abc import Iterator

from carpool.carp.election import NEVER_MASTER
from carpool.carp.timing import SECOND
from carpool.doctor.faults import Fault
from carpool.doctor.finding import Finding
from carpool.doctor.observation import Observation, Running

_LEAST_STALL, _STALL_WITHOUT_GROUPS = SECOND // 10, SECOND // 2
"""The doctor has no real-time priority, so that it is no measure of the fast profile."""
_CLOCK_STEP = SECOND // 10
_WAKE = (
    "it is there, so it need not be started: continue it if it was stopped (kill -CONT), else "
    "look what keeps it from answering, and restart its service"
)


def rules(seen: Observation) -> Iterator[Finding]:
    """Yield what keeps this host from being a good node."""
    if seen.running in {Running.NO, Running.MUTE}:
        text = f"node {seen.node}: {seen.problem}" if seen.node else seen.problem
        yield Finding(Fault.NOT_RUNNING, text, instead=_WAKE * (seen.running is Running.MUTE))
    if seen.lacking and seen.running is not Running.UNKNOWN:
        whose = "the daemon" if seen.running is Running.YES else "no process here"
        verb = "lacks" if seen.running is Running.YES else "can have"
        text = f"{whose} {verb} {' and '.join(seen.lacking)}"
        yield Finding(Fault.CAPABILITIES, text)
    yield from _links(seen)
    yield from _barred(seen)
    yield from _time(seen)


def _links(seen: Observation) -> Iterator[Finding]:
    for name, port in seen.ports.items():
        if not port.present:
            what, mend = "is not there", "correct the name, or make the interface"
        elif not port.up:
            what, mend = "is switched off", f"switch it on: ip link set {name} up"
        elif not port.carrier:
            what, mend = "has no carrier", "mend the cable, or the port that it is plugged into"
        else:
            continue
        yield Finding(Fault.LINK, f"{name} {what}", interface=name, instead=mend)


def _barred(seen: Observation) -> Iterator[Finding]:
    for group in seen.groups:
        told = group.told
        if told is None or not seen.heard_enough_of(group):
            continue
        if any(word.is_carp for word in seen.of(group)):
            continue
        reasons = [why for why, amount in told.demotions.items() if amount >= NEVER_MASTER]
        if reasons:
            text = f"nobody advertises {group.name}, and this node must not: {', '.join(reasons)}"
            yield Finding(Fault.BARRED, text, group)


def _time(seen: Observation) -> Iterator[Finding]:
    shortest = min((one.interval for one in seen.groups), default=_STALL_WITHOUT_GROUPS)
    if seen.late >= max(shortest, _LEAST_STALL):
        text = f"a wait ended {seen.late / SECOND * 1000:.0f} ms too late"
        groups = f"; the shortest interval is {shortest / SECOND * 1000:.0f} ms"
        yield Finding(Fault.STALLS, text + (groups if seen.groups else ""))
    if abs(seen.clock_step) >= _CLOCK_STEP:
        text = f"the time of day jumped by {seen.clock_step / SECOND:+.3f} s"
        yield Finding(Fault.CLOCK, text)
