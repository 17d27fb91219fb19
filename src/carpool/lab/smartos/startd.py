"""Asking a zone's first process about its services, and telling it: one JSON object each way."""

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from carpool.lab.smartos.places import SEEN_CONFIG
from carpool.lab.smartos.stage import CommandError

NAME: Final = "startd"
_BYTES: Final = 65536
_BACKLOG: Final = 32


def serve(
    watch: Callable[[int, Callable[[], None]], None],
    answer: Callable[[Mapping[str, Any]], object],
) -> None:
    """Answer requests that come to this zone from now on; `watch` is the event loop's.

    A CommandError or OSError of `answer` goes to who has asked.
    """
    listener = socket.socket(socket.AF_UNIX)
    path = SEEN_CONFIG / NAME
    path.unlink(missing_ok=True)
    listener.bind(str(path))
    listener.listen(_BACKLOG)

    def take() -> None:
        caller, _ = listener.accept()
        with caller:
            try:
                reply = {"answer": answer(json.loads(_read(caller)))}
            except (CommandError, OSError) as error:
                reply = {"error": str(error)}
            caller.sendall(json.dumps(reply).encode())

    watch(listener.fileno(), take)


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


def _read(peer: socket.socket) -> str:
    data = bytearray()
    while more := peer.recv(_BYTES):
        data += more
    return data.decode()
