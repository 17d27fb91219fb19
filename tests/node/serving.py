"""A control socket, and the clients of its tests."""

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.waiting import PATIENCE, turn, turn_until
from tests.support.written import Written

from carpool.node.control import (
    Control,
    Reply,
    RequestError,
    Stream,
)
from carpool.node.events import Events
from carpool.node.following import Following, Lines
from carpool.node.http_page import Page
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.rundir import Claim, socket_path

MS = 1_000_000


class Served:
    """A control socket on a loop, and a handler that does what its tests need."""

    def __init__(self, claimed: Claim, loop: Loop) -> None:
        self.loop = loop
        self.log = Written()
        self.path = socket_path(claimed.directory, claimed.node)
        self.handled: list[str] = []
        self.waiting: list[Reply] = []
        self.events = Events(Log(), epoch="e")
        self.lines = Lines("left", "e")
        self.pages: dict[str, Page] = {}
        log = Log(self.log, level=Level.DEBUG)
        self.control = Control(claimed.listener, loop, log, self._do, self.pages)

    def _do(self, command: str, request: Mapping[str, Any], reply: Reply) -> Stream | None:
        self.handled.append(command)
        match command:
            case "later":
                self.waiting.append(reply)
            case "no":
                raise RequestError("no; say yes")
            case "events":
                return Following(
                    self.events,
                    self.lines,
                    after=request.get("since"),
                    epoch=request.get("epoch"),
                    groups=None,
                    follow=request.get("follow", False),
                )
            case _:
                reply({"ok": True, "echo": request.get("text", "")})
        return None

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.connect(str(self.path))
        made.setblocking(False)
        return made

    def connect_all(self, number: int) -> list[socket.socket]:
        clients = []
        for _ in range(number):
            clients.append(self.connect())
            self.run(MS)
        return clients

    def run(self, ns: int = 5 * MS) -> None:
        """Run the loop for so long and a few rounds; with 0, for one round."""
        turn(self.loop, ns, 8 if ns else 0)

    def until(self, condition: Callable[[], object]) -> None:
        """Run until it holds: on a busy machine a few milliseconds may be a single round."""
        turn_until(self.loop, condition)

    def until_hung_up(self, client: socket.socket) -> None:
        self.until(lambda: self.hung_up(client))

    def answers(self, client: socket.socket, number: int = 1) -> list[dict[str, Any]]:
        data = b""
        deadline = self.loop.now() + int(PATIENCE * 1000) * MS
        while data.count(b"\n") < number:
            assert self.loop.now() < deadline, f"no answer, only {data!r}"
            self.run(MS)
            try:
                got = client.recv(1 << 20)
            except BlockingIOError:
                continue
            assert got, f"it hung up after {data!r}"
            data += got
        return [json.loads(line) for line in data.splitlines()]

    def says(self, client: socket.socket, text: bytes) -> dict[str, Any]:
        client.send(text)
        return self.answers(client)[0]

    def hung_up(self, client: socket.socket) -> bool:
        self.run()
        try:
            return client.recv(1 << 20) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


def line(command: str, version: object = 1, **more: object) -> bytes:
    return json.dumps({"version": version, "command": command, **more}).encode() + b"\n"
