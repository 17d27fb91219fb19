"""Asking the kernel about links and addresses, and changing them.

Written on the standard library because the daemon must start at once and stay small: pyroute2 costs
130 ms and 24 MB at import. A socket speaks of the network namespace in which it was made, wherever
its process goes later.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import EADDRNOTAVAIL, ENODEV, EPROTO, ETIMEDOUT
from ipaddress import IPv4Interface, IPv6Interface
from typing import Final, Self, TypeVar

from carpool.netlink import messages
from carpool.netlink.messages import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLMSG_DONE,
    NLMSG_ERROR,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    AddressInfo,
    LinkInfo,
    Message,
    Verdict,
)

# linux/netlink.h; the socket module does not have them.
SOL_NETLINK: Final = 270
_NETLINK_CAP_ACK: Final = 10
_NETLINK_EXT_ACK: Final = 11

RECEIVE_BYTES: Final = 65536
_ANSWER_SECONDS: Final = 5.0
_DUMP_ATTEMPTS: Final = 5
_BATCH: Final = 50  # so that the acknowledgements of one send fit in a default receive buffer
_NAME_BYTES: Final = 15  # IFNAMSIZ less the NUL


class NetlinkError(OSError):
    """The kernel refused or did not answer; the text says the operation and the kernel's reason."""

    def __init__(self, operation: str, errno: int, reason: str = "") -> None:
        text = os.strerror(errno) + (f": {reason}" if reason else "")
        super().__init__(errno, f"{operation}: {text}")


@dataclass(frozen=True, slots=True)
class AddressChange:
    """One address to put on an interface or, with `delete`, to take off.

    `valid_seconds`: the kernel takes the address off after that time unless it is added again;
    None keeps it for ever. Without meaning for a deletion.
    """

    index: int
    interface: IPv4Interface | IPv6Interface
    valid_seconds: int | None = None
    delete: bool = False


_Thing = TypeVar("_Thing")


class Route:
    """Requests about links and addresses of the network namespace in which this object was made.

    Every method waits for the kernel's answer (microseconds; never longer than 5 s) and raises
    NetlinkError when it is a refusal. Changing anything needs CAP_NET_ADMIN. A context manager.
    """

    def __init__(self) -> None:
        self._socket = open_socket()
        self._socket.settimeout(_ANSWER_SECONDS)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; twice is harmless."""
        self._socket.close()

    def links(self) -> list[LinkInfo]:
        """Return every interface of the namespace."""
        return self._dump("list links", RTM_GETLINK, messages.decode_link)

    def link(self, name: str) -> LinkInfo | None:
        """Return the interface of that name, or None."""
        if not 0 < len(os.fsencode(name)) <= _NAME_BYTES:
            return None
        operation = f"look up interface {name}"
        verdict, answers = self._request(
            operation, RTM_GETLINK, 0, messages.named_link_body(name), RTM_NEWLINK
        )
        if verdict.errno == ENODEV:
            return None
        _accept(operation, verdict)
        return next((link for link in map(messages.decode_link, answers) if link), None)

    @property
    def port(self) -> int:
        """The netlink port whose changes these are."""
        port: int = self._socket.getsockname()[0]
        return port

    def addresses(self, index: int | None = None) -> list[AddressInfo]:
        """Return the IPv4 and IPv6 addresses of one interface, or of all."""
        found = self._dump("list addresses", RTM_GETADDR, messages.decode_address)
        return [address for address in found if index in (None, address.index)]

    def add_address(
        self,
        index: int,
        interface: IPv4Interface | IPv6Interface,
        *,
        valid_seconds: int | None = None,
    ) -> None:
        """Put an address on an interface, or renew its lifetime if it is there already.

        IPv6 is usable at once, without duplicate address detection. See AddressChange for
        `valid_seconds`.
        """
        change = AddressChange(index, interface, valid_seconds)
        (errno,) = self.change_addresses([change])
        if errno:
            raise NetlinkError(f"add address {interface} to interface {index}", errno)

    def delete_address(self, index: int, interface: IPv4Interface | IPv6Interface) -> bool:
        """Take an address off an interface; False if it was not there."""
        change = AddressChange(index, interface, delete=True)
        (errno,) = self.change_addresses([change])
        if errno == EADDRNOTAVAIL:
            return False
        if errno:
            raise NetlinkError(f"delete address {interface} from interface {index}", errno)
        return True

    def change_addresses(self, changes: Sequence[AddressChange]) -> list[int]:
        """Make many changes in order with few system calls; return an errno for each, 0 if done.

        One refusal does not stop the rest. Deleting what is not there is EADDRNOTAVAIL. Raises
        NetlinkError only if the kernel does not answer.

        Linux removes with the first IPv4 address of a subnet all later ones of that subnet, unless
        the sysctl promote_secondaries is on. A VIP with a prefix of /32 is in no one's subnet.
        """
        errnos: list[int] = []
        for start in range(0, len(changes), _BATCH):
            batch = changes[start : start + _BATCH]
            errnos += self._change_batch(batch)
        return errnos

    def add_bridge(self, name: str) -> LinkInfo:
        """Make a bridge, still down, that forwards at once: no spanning tree, no snooping."""
        operation = f"add bridge {name}"
        self._change_link(operation, NLM_F_CREATE | NLM_F_EXCL, messages.bridge_body(name))
        return self._made(operation, name)

    def add_veth(self, name: str, peer: str, *, peer_netns_fd: int | None = None) -> LinkInfo:
        """Make a pair of linked ports, both down, and return this end.

        `peer_netns_fd` is an open file of the network namespace that gets the peer; None: this one.
        """
        operation = f"add virtual Ethernet pair {name}, {peer}"
        body = messages.veth_body(name, peer, peer_netns_fd)
        self._change_link(operation, NLM_F_CREATE | NLM_F_EXCL, body)
        return self._made(operation, name)

    def set_link(
        self,
        index: int,
        *,
        up: bool | None = None,
        master: int | None = None,
        mac: bytes | None = None,
        netns_fd: int | None = None,
    ) -> None:
        """Change an interface; None leaves a thing as it is.

        `master` is the index of its bridge, 0 for none; `mac` is 6 bytes; `netns_fd` is an open
        file of the network namespace to move it to.
        """
        body = messages.link_body(index, up=up, master=master, mac=mac, netns_fd=netns_fd)
        self._change_link(f"change interface {index}", 0, body)

    def delete_link(self, index: int) -> bool:
        """Remove a virtual interface (with its peer, if a pair); False if it was not there."""
        operation = f"delete interface {index}"
        verdict, _ = self._request(operation, RTM_DELLINK, 0, messages.link_body(index))
        if verdict.errno == ENODEV:
            return False
        _accept(operation, verdict)
        return True

    def _change_link(self, operation: str, flags: int, body: bytes) -> None:
        verdict, _ = self._request(operation, RTM_NEWLINK, flags, body)
        _accept(operation, verdict)

    def _made(self, operation: str, name: str) -> LinkInfo:
        link = self.link(name)
        if link is None:
            raise NetlinkError(operation, ENODEV, "gone again as soon as it was made")
        return link

    def _change_batch(self, batch: Sequence[AddressChange]) -> list[int]:
        operation = f"change {len(batch)} addresses"
        request = bytearray()
        waiting: dict[int, int] = {}
        for position, change in enumerate(batch):
            sequence = self._next_sequence()
            waiting[sequence] = position
            kind, flags = (
                (RTM_DELADDR, 0) if change.delete else (RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE)
            )
            lifetime = None if change.delete else change.valid_seconds
            body = messages.address_body(change.index, change.interface, lifetime)
            request += messages.encode_message(kind, flags | NLM_F_ACK, sequence, body)
        errnos = [0] * len(batch)
        self._send(operation, request)
        for message in self._answers(operation):
            verdict = messages.decode_ack(message.body) if message.kind == NLMSG_ERROR else None
            if verdict is None or message.sequence not in waiting:
                continue
            errnos[waiting.pop(message.sequence)] = verdict.errno
            if not waiting:
                break
        return errnos

    def _request(
        self, operation: str, kind: int, flags: int, body: bytes, answer: int = 0
    ) -> tuple[Verdict, list[bytes]]:
        """Send one request; return the verdict and the bodies of kind `answer` before it."""
        sequence = self._next_sequence()
        self._send(operation, messages.encode_message(kind, flags | NLM_F_ACK, sequence, body))
        bodies: list[bytes] = []
        for message in self._answers(operation):
            if message.sequence != sequence:
                continue
            if message.kind == NLMSG_ERROR and (verdict := messages.decode_ack(message.body)):
                return verdict, bodies
            if message.kind == answer:
                bodies.append(message.body)
        raise AssertionError("the answers end by an exception only")

    def _dump(
        self, operation: str, kind: int, decode: Callable[[bytes], _Thing | None]
    ) -> list[_Thing]:
        """List all of a kind, again if it changed under the kernel's hands (NLM_F_DUMP_INTR)."""
        for _ in range(_DUMP_ATTEMPTS):
            things, whole = self._dump_once(operation, kind, decode)
            if whole:
                break
        return things

    def _dump_once(
        self, operation: str, kind: int, decode: Callable[[bytes], _Thing | None]
    ) -> tuple[list[_Thing], bool]:
        sequence = self._next_sequence()
        request = messages.encode_message(kind, NLM_F_DUMP, sequence, messages.dump_body())
        self._send(operation, request)
        things: list[_Thing] = []
        whole = True
        for message in self._answers(operation):
            if message.sequence != sequence:
                continue
            whole = whole and not message.flags & NLM_F_DUMP_INTR
            if message.kind in (NLMSG_DONE, NLMSG_ERROR):
                _accept(operation, messages.decode_ack(message.body))
                break
            thing = decode(message.body)
            if thing is not None:
                things.append(thing)
        return things, whole

    def _send(self, operation: str, request: bytes | bytearray) -> None:
        try:
            self._socket.send(request)
        except OSError as error:
            raise NetlinkError(operation, error.errno or EPROTO) from error

    def _answers(self, operation: str) -> Iterator[Message]:
        """Yield what the kernel says, without end; a silence of 5 s is a NetlinkError."""
        while True:
            try:
                datagram = self._socket.recv(RECEIVE_BYTES)
            except TimeoutError as error:
                raise NetlinkError(operation, ETIMEDOUT, "the kernel does not answer") from error
            except OSError as error:
                raise NetlinkError(operation, error.errno or EPROTO) from error
            yield from messages.decode_messages(datagram)

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return self._sequence


def open_socket() -> socket.socket:
    """Return a bound rtnetlink socket of the namespace the process is in now."""
    try:
        route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    except OSError as error:
        raise NetlinkError("open a netlink socket", error.errno or EPROTO) from error
    try:
        route.bind((0, 0))
    except OSError as error:
        route.close()
        raise NetlinkError("bind a netlink socket", error.errno or EPROTO) from error
    for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK):
        with suppress(OSError):  # kernels before 4.12: refusals then come without a sentence
            route.setsockopt(SOL_NETLINK, option, 1)
    return route


def _accept(operation: str, verdict: Verdict | None) -> None:
    if verdict is not None and verdict.errno:
        raise NetlinkError(operation, verdict.errno, verdict.reason)
