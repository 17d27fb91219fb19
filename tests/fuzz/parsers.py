"""What else reads bytes that others made: the kernel's messages, and requests on the socket.

Of both the oracle is short: they are read, or refused in the way that is documented; nothing else
is raised.
"""

import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_interface
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

from carpool.carp.election import State
from carpool.netlink import messages
from carpool.node.control import RequestError, _parse
from carpool.node.events import Events
from carpool.node.log import Level, Log
from carpool.node.maintenance import Maintenance
from carpool.node.recorder import Recorder
from carpool.node.steering import Steering


def try_netlink(data: bytes) -> None:
    """Read a datagram of rtnetlink, as an event and as an answer. It must not raise."""
    for message in messages.decode_messages(data):
        messages.decode_event(message)
        messages.decode_ack(message.body)


def netlink_seeds() -> Iterator[bytes]:
    """Yield messages as the kernel sends them."""
    link = messages.link_body(7, up=True, mac=bytes(6), master=3) + messages.encode_attribute(
        messages.IFLA_IFNAME, b"net0\0"
    )
    for kind in (messages.RTM_NEWLINK, messages.RTM_DELLINK):
        yield messages.encode_message(kind, 0, 1, link)
    for text in ("192.0.2.100/24", "2001:db8::100/64"):
        body = messages.address_body(7, ip_interface(text), 2)
        for kind in (messages.RTM_NEWADDR, messages.RTM_DELADDR):
            yield messages.encode_message(kind, 0, 1, body) * 2
    refusal = (-17 & 0xFFFFFFFF).to_bytes(4, "little") + bytes(16)
    yield messages.encode_message(
        messages.NLMSG_ERROR, 0, 1, refusal + messages.encode_attribute(1, b"it is there\0")
    )


class _Group:
    """As much of a group as a request can touch."""

    def __init__(self, name: str, state: State) -> None:
        self.settings = SimpleNamespace(name=name)
        self.virtual_host = SimpleNamespace(state=state)
        self.demotions: dict[str, int] = {}

    def demote(self, reason: str, amount: int) -> None:
        assert 0 <= amount <= 255
        self.demotions[reason] = amount

    be_demoted = demote

    def yield_mastership(self) -> None:
        self.virtual_host.state = State.BACKUP


class _Nobody:
    def write(self, level: Level, text: str) -> None:
        assert "\n" not in text


def try_control(data: bytes) -> None:
    """Work on a row of requests, one a line, as the control socket does."""
    groups = [_Group("www", State.MASTER), _Group("db", State.BACKUP)]
    log = Log(_Nobody(), level=Level.DEBUG)
    loop = cast(Any, SimpleNamespace(now=lambda: 0, call_at=lambda _when, _do: MagicMock()))
    steering = Steering(
        "web1",
        cast(Any, SimpleNamespace(groups=groups)),
        maintenance=Maintenance("web1", None, log),
        restart=cast(Any, SimpleNamespace(request=lambda reply, force: reply({"ok": force}))),
        recorder=Recorder("web1", None, len(groups), loop=loop, log=log),
        events=Events(log),
        loop=loop,
        log=log,
    )
    for line in data.split(b"\n"):
        answers: list[Mapping[str, Any]] = []
        try:
            request = _parse(line)
            if request["command"] == "status":
                continue  # That needs a whole daemon.
            stream = steering.handle(request["command"], request, answers.append)
            if stream is not None:
                answers.append(stream.head)
                assert stream.read().endswith(b"}\n") or not stream.ended
        except RequestError as error:
            answers.append({"ok": False, "error": str(error)})
        (answer,) = answers
        assert b"\n" not in json.dumps(answer).encode()


def control_seeds() -> Iterator[bytes]:
    """Yield each command as our own client sends it, and one of each mistake."""
    for said in (
        *({"command": "events", "since": 1, "epoch": "x", "follow": True}, {"command": "events"}),
        *({"command": "yield"}, {"command": "yield", "groups": ["www"]}),
        *({"command": "demote", "amount": 10}, {"command": "demote", "amount": 255}),
        *({"command": "promote", "groups": ["db", "db"]}, {"command": "nothing"}),
        *({"command": "maintenance", "on": True}, {"command": "restart", "force": True}),
        *({"command": "trace"}, {"command": "trace", "group": "www"}),
        *({"command": "yield", "groups": ["nobody"]}, {"command": "yield", "groups": [1]}),
    ):
        yield json.dumps({"version": 1, **said}).encode()
    yield b'{"version": 2, "command": "yield"}\n[]\n{}\n{"version": 1}'
