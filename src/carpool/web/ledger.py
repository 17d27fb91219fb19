"""All that the page knows: each node's last word, the timeline, and what has happened.

Written by the threads that ask, read by the one that serves. Knows no clock: whoever calls says
what time it is, in seconds since the epoch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from carpool.web.merge import Picture, merge
from carpool.web.timeline import Stretch, Timeline
from carpool.web.views import DOWN, Said, View, plain, read

_SAME_CLOCK = 2.0  # s: who is that close keeps time; the rest is how long its news was under way
_MOST_NEWS = 500
_LONGEST_TEXT = 500  # characters of an event
_JITTER = 1.0  # s by which one start of a state may seem to move


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened, at `when` (s since the epoch)."""

    when: float
    node: str
    group: str | None
    level: str
    kind: str
    text: str


class Ledger:
    """What the page knows. All methods may be called from any thread."""

    def __init__(
        self,
        members: Mapping[str, Sequence[str]] | None = None,
        timeline: Timeline | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`members`: the nodes of each group, where a cluster file tells."""
        self.version = 0
        """Counts what has been noted."""
        self.on_change = on_change
        self._members = members
        self._views: dict[str, View] = {}
        self._news: deque[News] = deque(maxlen=_MOST_NEWS)
        self._timeline = timeline or Timeline()
        self._skews: dict[str, float] = {}
        self._lock = RLock()

    def expect(self, node: str, place: str) -> None:
        """Note that there is such a node, of which nothing is known yet."""
        with self._lock:
            self._views.setdefault(node, View(node, place, error="not asked yet"))
            self._changed()

    def answered(
        self, node: str, place: str, document: Mapping[str, Any], asked: float, now: float
    ) -> None:
        """Note a status that was asked for at `asked`. Raises ValueError if it is none."""
        view = read(document, place, node, asked, now)
        with self._lock:
            before = self._views.get(node)
            said = {name: _steady(one, before) for name, one in view.said.items()}
            self._views[node] = replace(view, said=said)
            if before is not None and before.error and before.answered:
                self._tell(now, node, None, "notice", "it answers again")
            for name, one in said.items():
                old = before.said.get(name) if before else None
                changes = one.transitions - old.transitions if old else 1
                if before and before.started and abs((view.started or 0) - before.started) > 1:
                    changes = 0  # another run of the daemon, which counts anew
                self._timeline.say(name, node, one.state, one.since, now, changes=changes)
            self._listen_to_others()
            self._timeline.prune(now)
            self._changed()

    def silent(
        self,
        node: str,
        place: str,
        error: str,
        now: float,
        *,
        gone: bool = False,
        lived_until: float = 0.0,
    ) -> None:
        """Note that a node could not be asked, and why.

        `gone`: no daemon runs there; it is known to have lived until then, and to have told of all
        changes.
        """
        with self._lock:
            before, error = self._views.get(node) or View(node, place), plain(error)
            if before.error != error:
                level = "warning" if before.answered else "info"
                self._tell(now, node, None, level, f"it cannot be asked: {error}")
            since = (before.gone_since or now) if gone else None
            self._views[node] = replace(before, error=error, gone=gone, gone_since=since)
            if since is not None:
                for name in before.said:
                    self._timeline.hold(name, node, lived_until)
                    self._timeline.say(name, node, DOWN, since, now, changes=0)
            self._listen_to_others()
            self._changed()

    def happened(
        self, node: str, event: Mapping[str, Any], now: float, *, live: bool = True
    ) -> None:
        """Note an event of a node, as `carpool events --json` tells it.

        `live`: it has happened just now, and not before we listened. What is no event is ignored.
        """
        try:
            told = datetime.fromisoformat(event["time"]).astimezone(UTC).timestamp()
            text, kind = plain(event["text"])[:_LONGEST_TEXT], plain(event["kind"])
            level, group = plain(event.get("level", "info")), event.get("group")
            group = None if group is None else plain(group)
        except (LookupError, ValueError, TypeError, OverflowError):
            return
        with self._lock:
            if live:
                self._skews[node] = min(self._skews.get(node, now - told), now - told)
            skew = self._skews.get(node, 0.0)
            when = told if abs(skew) < _SAME_CLOCK else told + skew
            when = max(0.0, min(now, when))  # a clock may have been centuries ahead
            self._news.append(News(when, node, group, level, kind, text))
            details = event.get("details")
            if kind == "state" and group is not None and isinstance(details, Mapping):
                before, after = details.get("from"), details.get("to")
                if isinstance(before, str) and isinstance(after, str):
                    self._timeline.change(group, node, before, after, when)
            self._changed()

    def done(self, node: str, group: str | None, text: str, now: float) -> None:
        """Note what was done from the page, and from where."""
        with self._lock:
            self._tell(now, node, group, "notice", text, kind="page")
            self._changed()

    # What the page asks for.

    @property
    def views(self) -> list[View]:
        """The last words of all nodes."""
        with self._lock:
            return list(self._views.values())

    def pictures(self) -> list[Picture]:
        """Return all groups as they are."""
        with self._lock:
            return merge(list(self._views.values()), self._members)

    def stretches(self, picture: Picture, start: float, end: float) -> list[Stretch]:
        """Return who held a group from `start` to `end` (s since the epoch)."""
        members = [claim.node for claim in picture.claims]
        alive = {claim.node for claim in picture.claims if claim.fresh or claim.gone}
        if picture.hearsay:
            alive.add(picture.hearsay)
        with self._lock:
            return self._timeline.stretches(picture.name, members, start, end, alive)

    def news(self, group: str | None = None, most: int = 50) -> list[News]:
        """Return what happened last, of all groups or of one and its nodes; the latest first."""
        with self._lock:
            chosen = [one for one in self._news if group is None or one.group in (group, None)]
        return sorted(chosen, key=lambda one: -one.when)[:most]

    def _tell(
        self, now: float, node: str, group: str | None, level: str, text: str, kind: str = "page"
    ) -> None:
        self._news.append(News(now, node, group, level, kind, plain(text)))

    def _listen_to_others(self) -> None:
        """Let what others hear of a silent master stand for its own word."""
        if all(view.speaks or view.gone for view in self._views.values()):
            return
        for picture in merge(list(self._views.values()), self._members):
            if picture.hearsay:
                heard = [one.said.master_heard for one in picture.claims if one.fresh and one.said]
                when = max((one for one in heard if one is not None), default=None)
                if when is not None:
                    self._timeline.hear(picture.name, picture.hearsay, when)

    def _changed(self) -> None:
        self.version += 1
        self.on_change()


def _steady(said: Said, before: View | None) -> Said:
    """Return it with the start of its state where it was, unless that is another one."""
    old = before.said.get(said.group) if before else None
    same = old is not None and (old.state, old.transitions) == (said.state, said.transitions)
    if old is not None and same and abs(old.since - said.since) < _JITTER:
        return replace(said, since=min(old.since, said.since))
    return said
