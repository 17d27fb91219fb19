"""What a daemon says of itself, made up: a real one's has the same keys (`test_daemon_control`)."""

from typing import Any


def peer(address: str = "10.0.0.9", **keys: object) -> dict[str, Any]:
    """Return a node that was heard."""
    return {
        "address": address,
        "advbase": 1,
        "advskew": 20,
        "demotion": 0,
        "interval": 1.078125,
        "heard_seconds": 0.42,
        **keys,
    }


def group(name: str, state: str, **keys: object) -> dict[str, Any]:
    """Return a group in that state for two hours."""
    return {
        "group": name,
        "vhid": 42,
        "interface": "net0",
        "multicast": "224.0.0.18",
        "addresses": ["10.0.0.100/16"],
        "sources": ["10.0.0.7"],
        "state": state,
        "state_seconds": 7384.0,
        "why": "started",
        "transitions": 1,
        "advbase": 1,
        "advskew": 0,
        "interval": 1.0,
        "master_down_time": 3.0,
        "demotion": 0,
        "demotions": {},
        "preempt": False,
        "seeking_seconds": 0.0,
        "master": None,
        "peers": [],
        "rejected": {},
        "script": None,
        "services_problem": None,
        **keys,
    }


def check(name: str, health: str, problem: str | None = None, **keys: object) -> dict[str, Any]:
    """Return a health check."""
    return {
        "check": name,
        "health": health,
        "health_seconds": 200.0,
        "problem": problem,
        "groups": ["www"],
        **keys,
    }


def document(*groups: dict[str, Any], **keys: object) -> dict[str, Any]:
    """Return the status of a daemon."""
    return {
        "node": "web1",
        "program": "1.0",
        "pid": 123,
        "restarts": 0,
        "uptime_seconds": 42.04,
        "log_lines_lost": 0,
        "groups": list(groups),
        "checks": [],
        "interfaces": [],
        "punctuality": None,
        **keys,
    }
