"""A webhook: each event as JSON in a POST of its own, signed or with a secret header if wanted."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from carpool.notify.post import Server

if TYPE_CHECKING:
    from carpool.notify.job import Job, Step

SIGNATURE = "X-Carpool-Signature"
"""sha256= and the HMAC-SHA256 of the body in hexadecimal digits, as GitHub's webhooks have it."""


def deliver(job: Job, step: Step) -> str:
    """Post all that is to be told, over one connection. Return who has taken it."""
    with Server(job, step) as server:
        for notice in job.notices:
            told = {**notice.event, "more": notice.more, "now": notice.now}
            body = json.dumps(told).encode()
            server.post(body, _headers(job, body))
    count = len(job.notices)
    return f"{server.name} has taken {'it' if count == 1 else f'{count} events'}"


def _headers(job: Job, body: bytes) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "carpool",
        **(job.keys.get("headers") or {}),
    }
    if job.secret and job.keys.get("secret_header"):
        headers[job.keys["secret_header"]] = job.secret
    elif job.secret:
        digest = hmac.new(job.secret.encode(), body, hashlib.sha256).hexdigest()
        headers[SIGNATURE] = f"sha256={digest}"
    return headers
