"""What is said of an event: to a person at 3 a.m., and to Nagios."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carpool.notify.job import Job, Notice

MOST_PARAGRAPHS = 5
"""Of one mail; where there is more to tell, each event has a line."""

OK, WARNING, CRITICAL = 0, 1, 2
"""Nagios' return codes of a service."""
WORDS = ("OK", "WARNING", "CRITICAL")

_BY_LEVEL = {"error": CRITICAL, "warning": WARNING}


def subject(job: Job) -> str:
    """Return the subject of a mail."""
    first = job.notices[0]
    if len(job.notices) > 1:
        groups = sorted({notice.group or "" for notice in job.notices} - {""})
        states = [notice for notice in job.notices if _new_state(notice)]
        if len(groups) == 1 and not states:
            return f"[carpool] {groups[0]}: {len(job.notices)} events on {job.node}"
        if len(groups) == 1:
            return subject(replace(job, notices=(states[-1],)))
        masters = sum(_new_state(notice) == "MASTER" for notice in job.notices)
        became = f", master of {masters}" if masters else ""
        return f"[carpool] {len(groups)} groups changed on {job.node}{became}"
    if first.kind == "test":
        return f"[carpool] test from {job.node}"
    state = _new_state(first)
    if state == "MASTER":
        addresses = ", ".join(_bare(first))
        return f"[carpool] {first.group}: {job.node} is MASTER now ({addresses})"
    if state:
        return f"[carpool] {first.group}: {job.node} is {state} now"
    named = f"{first.group}: " if first.group else ""
    return f"[carpool] {named}{first.kind} on {job.node}"


def body(job: Job) -> str:
    """Return the text of a mail: for each event a paragraph, and then what to do next."""
    if len(job.notices) > MOST_PARAGRAPHS:
        parts = ["\n".join(f"{one.group or job.node}: {line(job, one)}" for one in job.notices)]
    else:
        parts = [paragraph(job, notice) for notice in job.notices]
    if any(notice.kind != "test" for notice in job.notices):
        parts.append(f"carpool status, on {job.node}, tells how it is now.")
    return "\n\n".join(parts) + "\n"


def paragraph(job: Job, notice: Notice) -> str:
    """Return an event in a few lines: who, of what, since when, why, and who was it before."""
    if notice.kind == "test":
        return (
            f"This is a test from node {job.node}, made with carpool notify --test.\n"
            "Nothing has happened to any address."
        )
    when = utc(str(notice.event.get("time", "")))
    state, details = _new_state(notice), notice.details
    if not state:
        lines = [f"{job.node}: {notice.text}", f"When:       {when}"]
    else:
        what = "holds the addresses of" if state == "MASTER" else "is not master of"
        lines = [
            f"{job.node} {what} group {notice.group}: it is {state} since {when}.",
            f"Addresses:  {', '.join(map(str, details.get('addresses', ())))}",
            f"Why:        {named(job, str(details.get('cause', '')))}",
            f"Before:     {_before(job, notice)}",
            f"Where:      {details.get('interface')}, vhid {details.get('vhid')}",
        ]
    present = (notice.now or {}).get("state")
    if state and present and present != state:
        lines.append(f"Meanwhile:  {job.node} is {present}")
    if demotions := (notice.now or {}).get("demotions"):
        lines.append(f"Demoted:    {'; '.join(map(str, demotions))}")
    if notice.more:
        lines.append(
            f"There were {notice.more} more changes of {notice.group or job.node} just before "
            "that are not told one by one."
        )
    return "\n".join(lines)


def line(job: Job, notice: Notice) -> str:
    """Return an event in one line, as a Nagios plugin would print it."""
    status = WORDS[nagios(notice)]
    if notice.kind == "test":
        return f"{status}: test from {job.node}, nothing has happened"
    state = _new_state(notice)
    if not state:
        return f"{status}: {notice.text}"
    addresses = ", ".join(_bare(notice))
    cause = named(job, str(notice.details.get("cause", "")))
    demoted = "; ".join(map(str, (notice.now or {}).get("demotions") or ()))
    tail = f", demoted: {demoted}" if demoted else ""
    return f"{status}: {job.node} is {state} of {addresses} - {cause}{tail}"


def nagios(notice: Notice) -> int:
    """Return Nagios' status of a group: by what it is now, and by what has happened to it."""
    present = notice.now or {}
    state = present.get("state") or _new_state(notice)
    worst = OK
    if notice.kind not in ("state", "demotion", "test"):
        level = notice.event.get("level")
        worst = _BY_LEVEL.get(str(level), OK)
    if notice.kind != "test":
        if state == "INIT":
            worst = CRITICAL
        if present.get("demotion"):
            worst = max(worst, WARNING)
    return worst


def utc(time: str) -> str:
    """Write an instant of the event for people: 2026-01-02 03:04:05 UTC."""
    day, _, rest = time.partition("T")
    return f"{day} {rest[:8]} UTC" if rest else time


def named(job: Job, text: str) -> str:
    """Put the names of nodes behind their addresses in a text."""
    words = text.split(" ")
    for index, word in enumerate(words):
        bare = word.strip(",;()")
        if bare in job.names:
            words[index] = word.replace(bare, f"{bare} [{job.names[bare]}]")
    return " ".join(words)


def _new_state(notice: Notice) -> str:
    return str(notice.details.get("to", "")) if notice.kind == "state" else ""


def _bare(notice: Notice) -> list[str]:
    return [str(one).partition("/")[0] for one in notice.details.get("addresses", ())]


def _before(job: Job, notice: Notice) -> str:
    """Return who was master, as far as this node knows."""
    state, before = _new_state(notice), notice.details.get("from")
    former = notice.event.get("before") or notice.details.get("master")
    if before == "MASTER":
        return f"{job.node} was master"
    if state == "MASTER" and former:
        return f"{named(job, str(former))} was master, {job.node} was {before}"
    return f"{job.node} was {before}"
