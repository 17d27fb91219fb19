"""Measuring outages as a client of the address suffers them.

The client program writes its records into a file in memory that the lab reads when it likes, so
neither ever waits for the other. All instants are ns of the monotonic clock, which all processes
of a machine share.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import Final, Self

from carpool.lab.client import RECORD
from carpool.lab.network import Lab
from carpool.lab.zone import Zone

INTERVAL: Final = 2_000_000  # ns between two questions
_READ_RECORDS: Final = 4096
_STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One question of the client that was answered: when sent and received (ns), by which zone.

    `stalled`: for how many ns since the answer before the client itself had no processor.
    """

    sent: int
    received: int
    zone: str
    stalled: int = 0


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch without answers, from the last answer before it to the first after it (ns).

    `before` and `after` are the zones that gave them. It is longer than the true outage by one
    interval of the client at the most, and by the time that the client did not run (`stalled`).
    """

    start: int
    end: int
    before: str
    after: str
    stalled: int = 0

    @property
    def duration(self) -> int:
        """Nanoseconds without an answer."""
        return self.end - self.start

    @property
    def waited(self) -> int:
        """Nanoseconds without an answer to a client that did run."""
        return self.duration - self.stalled


@dataclass(frozen=True, slots=True)
class Tenure:
    """A row of answers (`count`) by one zone with none by another between, first to last (ns)."""

    zone: str
    first: int
    last: int
    count: int


class Probe:
    """A client, in `zone`, that asks `address` every `interval` ns. A context manager.

    `program` is what asks. `names`, with the names of those who answer by the numbers in its
    records, may grow while it runs; None is the zones of the lab, by theirs.
    """

    def __init__(
        self,
        lab: Lab,
        zone: Zone,
        address: IPv4Address | IPv6Address,
        *,
        interval: int = INTERVAL,
        program: str = "carpool.lab.client",
        names: Mapping[int, str] | None = None,
    ) -> None:
        self.address = address
        if names is None:
            names = {known.number: known.name for known in lab.zones.values()}
        self._names = names
        self._file = os.memfd_create("answers")
        self._offset = 0
        self._answers: list[Answer] = []
        arguments = [str(address), str(interval), str(self._file)]
        try:
            self._child = start_program(zone, program, arguments, keep=[self._file])
        except OSError:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answers(self) -> Sequence[Answer]:
        """Return all answers until now, in the order they came."""
        while self._file >= 0:
            records = os.pread(self._file, _READ_RECORDS * RECORD.size, self._offset)
            whole = len(records) - len(records) % RECORD.size
            if not whole:
                break
            self._offset += whole
            for sent, received, number, stalled in RECORD.iter_unpack(records[:whole]):
                zone = self._names.get(number, "?")
                self._answers.append(Answer(sent, received, zone, stalled))
        return self._answers

    def close(self) -> None:
        """End the client; its answers stay. Twice is harmless."""
        if self._file >= 0:
            self._child.kill()
            self._child.wait(_STOP_SECONDS)
            self.answers()
            os.close(self._file)
            self._file = -1


def start_echo(zone: Zone) -> subprocess.Popen[bytes]:
    """Start in a zone the program that answers probes, on all addresses it has or will have."""
    return start_program(zone, "carpool.lab.echo", [str(zone.number)])


def start_program(
    zone: Zone, module: str, arguments: Sequence[str], *, keep: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a module of carpool in a zone with the Python that runs this."""
    return zone.start([sys.executable, "-P", "-m", module, *arguments], keep=keep)


def outages(answers: Sequence[Answer], *, at_least: int) -> list[Outage]:
    """Return the stretches of `at_least` ns without an answer, in order.

    One that has not ended is not among them: nothing tells it from a client that was stopped.
    """
    return [
        Outage(last.received, first.received, last.zone, first.zone, first.stalled)
        for last, first in pairwise(answers)
        if first.received - last.received >= at_least
    ]


def longest(answers: Sequence[Answer], *, since: int) -> Outage | None:
    """Return the stretch that the client waited longest in and that ended after `since` (ns)."""
    ended = (gap for gap in outages(answers, at_least=0) if gap.end > since)
    return max(ended, key=lambda gap: gap.waited, default=None)


def tenures(answers: Sequence[Answer]) -> list[Tenure]:
    """Return who answered, and when: A, B, A says that two had the address, in turn or at once."""
    found: list[Tenure] = []
    for answer in answers:
        if found and found[-1].zone == answer.zone:
            known = found[-1]
            found[-1] = Tenure(known.zone, known.first, answer.received, known.count + 1)
        else:
            found.append(Tenure(answer.zone, answer.received, answer.received, 1))
    return found
