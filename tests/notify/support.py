"""Jobs for the child, and a run of it as the daemon runs it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import Any

from carpool.node.notify.delivery import command
from carpool.notify.job import Job, Notice

EVENT: dict[str, Any] = {
    "seq": 12,
    "time": "2026-01-02T03:04:05.678Z",
    "node": "web2",
    "group": "www",
    "kind": "state",
    "level": "warning",
    "text": "www: Switching to state: MASTER - no master heard for 3.078 s",
    "details": {
        "from": "BACKUP",
        "to": "MASTER",
        "cause": "no master heard for 3.078 s",
        "master": "192.168.0.201",
        "vhid": 42,
        "interface": "net0",
        "addresses": ["192.168.0.200/24"],
        "transition": 2,
    },
}
NOW = {"state": "MASTER", "why": "", "demotion": 0, "demotions": []}


def notice(more: int = 0, now: dict[str, Any] | None = None, **changes: Any) -> Notice:
    """Return the event that web2 is master of www, with these changes."""
    event = {**EVENT, **changes}
    event["details"] = {**EVENT["details"], **changes.get("details", {})}
    return Notice(event, more, NOW if now is None else now)


def job(
    type_: str, *notices: Notice, secret: str | None = None, timeout: float = 30, **keys: Any
) -> Job:
    """Return a job of node web2."""
    names = {"192.168.0.201": "web1", "192.168.0.202": "web2"}
    told = notices or (notice(),)
    return Job(type_, "web2", "web2.example.com", names, keys, secret, timeout, told)


def run(wanted: Job) -> tuple[int, str]:
    """Let a child do it. Return its exit code and what it said."""
    done = subprocess.run(
        command(wanted), input=wanted.to_json(), capture_output=True, timeout=90, check=False
    )
    assert done.stderr == b""
    said = done.stdout.decode()
    assert said.endswith("\n")
    assert said.count("\n") == 1
    if wanted.secret:
        assert wanted.secret not in said
        assert wanted.secret not in " ".join(command(wanted))
    return done.returncode, said.strip()


__all__ = ["EVENT", "NOW", "job", "notice", "replace", "run"]
