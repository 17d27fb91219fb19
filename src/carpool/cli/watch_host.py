"""What ``carpool watch`` shows without an interface: the groups of this host's daemons."""

import argparse
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from carpool.cli.daemon_text import daemon_line, notes
from carpool.cli.daemons import BRISKLY, ask_each, directories
from carpool.node.client import AskError, NotRunningError, RefusedError, find
from carpool.node.follower import Follower
from carpool.watch.host import Host, Key
from carpool.watch.host_table import heading, row, summary
from carpool.watch.page import Row
from carpool.watch.screen import Line
from carpool.watch.table import Names

_EVENTS_SHOWN = 6


class HostView:
    """Asks the daemons, and makes a page of what they say."""

    def __init__(self, options: argparse.Namespace, names: Names) -> None:
        self.keys: dict[str, Key] = {}
        """Node and group of each label of a row."""
        self._options = options
        self._names = names
        self._host = Host(time.monotonic_ns())
        self._answers: dict[str, Mapping[str, Any]] = {}
        self._followed: dict[str, threading.Thread] = {}
        self._arrived: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._latest: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=_EVENTS_SHOWN)

    def frame(self, columns: int) -> tuple[str, str, list[Row], list[Line]]:
        """Ask, and return title, heading, rows and foot, for so many columns."""
        answers, problems, _ = ask_each("status", self._options, BRISKLY)
        self._follow({answer["node"] for answer in answers})
        return self.compose(answers, problems, time.monotonic_ns(), columns)

    def happened(self, node: str, event: Mapping[str, Any]) -> None:
        """Take note of an event, of whatever thread."""
        if "seq" in event:  # else it tells of events that are lost
            self._arrived.append((node, event))

    def compose(
        self, answers: list[dict[str, Any]], problems: list[str], now: int, columns: int
    ) -> tuple[str, str, list[Row], list[Line]]:
        """Return the same, of these answers."""
        host = self._host
        while self._arrived:
            node, event = self._arrived.popleft()
            host.happened(node, event)
            self._latest.append((node, event))
        for answer in answers:
            self._answers[answer["node"]] = answer
            host.take(answer, now)
        host.answered(answer["node"] for answer in answers)
        host.advance(now)
        several = len(self._answers) > 1
        groups = host.wrong_first()
        labels = [f"{node}:{name}" if several else name for node, name in (g.key for g in groups)]
        # A label that has been shown goes on meaning the same: somebody may be asked about it.
        self.keys |= {label: group.key for label, group in zip(labels, groups, strict=True)}
        rows = [
            Row(
                row(group, label, now, columns - 1, self._names),
                "bad" if group.is_wrong else "",
                label,
                group.key,
            )
            for label, group in zip(labels, groups, strict=True)
        ]
        for label, group in zip(labels, groups, strict=True):
            addresses = ", ".join(group.told["addresses"])
            text = f"{label}: {group.told['state']}: {group.told['why']}; {addresses}"
            rows.append(Row(text, "dim", key=(group.key, "why")))
        for node, known in self._answers.items():
            rows.append(Row(daemon_line(known), "dim"))
            rows += [Row(f"{node}: {note}" if several else note, "dim") for note in notes(known)]
        foot = [Line(problem, "bad") for problem in problems[1:]]
        for node, event in self._latest:
            text = f"{node}: {event['text']}" if several else event["text"]
            foot.append(Line(f"{event['time'][11:19]}Z {text}"[:columns]))
        clock = time.strftime("%H:%M:%SZ", time.gmtime())
        said = problems[0] if problems else summary(groups)
        return f"this host, {clock}: {said}", f" {heading(columns - 1)}", rows, foot

    def _follow(self, nodes: set[str]) -> None:
        """Read the events of these in threads of their own: a daemon may freeze at any time."""
        if nodes <= self._followed.keys():
            return
        with suppress(NotRunningError, AskError):
            for node, path in find(directories(self._options), self._options.node).items():
                if node in nodes and node not in self._followed:
                    read = threading.Thread(
                        target=self._read, args=(node, Follower(path)), daemon=True
                    )
                    self._followed[node] = read
                    read.start()

    def _read(self, node: str, follower: Follower) -> None:
        try:
            for event in follower.follow():
                self.happened(node, event)
        except RefusedError:
            pass  # It is of before there were events: the rest is shown.
        except (NotRunningError, AskError):
            self._followed.pop(node, None)  # Try again.
