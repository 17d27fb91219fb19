"""Asking a zone's first process about its services, and telling it: one JSON object each way."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from carpool.lab.smartos.places import SEEN_CONFIG
from carpool.lab.smartos.stage import CommandError

NAME: Final = "startd"
_BYTES: Final = 65536
_BACKLOG: Final = 32


def listen() -> socket.socket:
    """Return the socket of this zone that requests come to."""
    listener = socket.socket(socket.AF_UNIX)
    path = SEEN_CONFIG / NAME
    path.unlink(missing_ok=True)
    listener.bind(str(path))
    listener.listen(_BACKLOG)
    return listener


def ask(request: Mapping[str, Any], config: Path = SEEN_CONFIG) -> Any:
    """Return the answer of the zone whose config directory that is.

    Raises CommandError for a refusal, OSError if there is nobody to ask.
    """
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(config / NAME))
        asking.sendall(json.dumps(request).encode())
        asking.shutdown(socket.SHUT_WR)
        answer = json.loads(_read(asking) or "{}")
    if "error" in answer:
        raise CommandError(answer["error"])
    return answer.get("answer")


def receive(caller: socket.socket) -> dict[str, Any]:
    """Return the request of a caller."""
    request: dict[str, Any] = json.loads(_read(caller))
    return request


def reply(caller: socket.socket, answer: Any) -> None:
    """Answer a caller."""
    caller.sendall(json.dumps({"answer": answer}).encode())


def refuse(caller: socket.socket, why: str) -> None:
    """Make the caller raise CommandError."""
    caller.sendall(json.dumps({"error": why}).encode())


def _read(peer: socket.socket) -> str:
    data = bytearray()
    while more := peer.recv(_BYTES):
        data += more
    return data.decode()
