"""What the page knows, as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carpool.web.merge import Picture
    from carpool.web.views import View

VERSION = 1
"""Within it keys may be added, and keep their meaning."""


def state(pictures: Sequence[Picture], views: Sequence[View], now: float) -> dict[str, Any]:
    """Return all groups and nodes; times are seconds since the epoch."""
    return {
        "version": VERSION,
        "time": now,
        "groups": [_group(one) for one in pictures],
        "nodes": [_node(one) for one in views],
    }


def _group(one: Picture) -> dict[str, Any]:
    return {
        "group": one.name,
        "vhid": one.vhid,
        "interface": one.interface,
        "addresses": list(one.addresses),
        "grade": one.grade.name.lower(),
        "holders": list(one.holders),
        "since": one.since,
        "findings": [{"grade": f.grade.name.lower(), "text": f.text} for f in one.findings],
        "nodes": [
            {
                "node": claim.node,
                "fresh": claim.fresh,
                "state": claim.said and claim.said.state,
                "since": claim.said and claim.said.since,
                "demotion": claim.said and claim.said.demotion,
                "master": claim.said and claim.said.master,
            }
            for claim in one.claims
        ],
    }


def _node(one: View) -> dict[str, Any]:
    return {
        "node": one.node,
        "place": one.place,
        "answered": one.answered,
        "error": one.error,
        "gone": one.gone,
        "program": one.program,
        "notes": list(one.notes),
    }
