"""rtnetlink messages as bytes: headers, attributes, links and addresses. Pure functions.

A netlink datagram is a row of messages, each a 16-byte header and a body; a body is a fixed struct
and a row of attributes (length, type, value), every part padded to 4 bytes. All numbers are in the
byte order of the host. Sources: netlink(7), rtnetlink(7), RFC 3549, linux/if_link.h,
linux/if_addr.h, linux/veth.h.

Decoders never raise. What does not fit is left out: the kernel adds attributes with every release,
and a reader of events must outlive any of them.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from socket import AF_INET, AF_INET6, AF_UNSPEC
from typing import Final

NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
RTM_GETADDR: Final = 22

NLM_F_REQUEST: Final = 0x1
NLM_F_ACK: Final = 0x4
NLM_F_DUMP_INTR: Final = 0x10
NLM_F_DUMP: Final = 0x300
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400

IFF_UP: Final = 0x1
IFF_RUNNING: Final = 0x40
IFF_LOWER_UP: Final = 0x10000
IFA_F_NODAD: Final = 0x02
IFA_F_TENTATIVE: Final = 0x40
IFA_F_PERMANENT: Final = 0x80

# IF_OPER_* of linux/if.h.
OPER_UNKNOWN: Final = 0
OPER_UP: Final = 6

_IFLA_ADDRESS: Final = 1
IFLA_IFNAME: Final = 3
_IFLA_MTU: Final = 4
_IFLA_MASTER: Final = 10
_IFLA_OPERSTATE: Final = 16
_IFLA_LINKINFO: Final = 18
_IFLA_NET_NS_FD: Final = 28
_IFLA_INFO_KIND: Final = 1
_IFLA_INFO_DATA: Final = 2
_IFLA_BR_FORWARD_DELAY: Final = 1
_IFLA_BR_STP_STATE: Final = 5
_IFLA_BR_MCAST_SNOOPING: Final = 23
_VETH_INFO_PEER: Final = 1

_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_IFA_CACHEINFO: Final = 6
_IFA_FLAGS: Final = 8

_NLMSGERR_ATTR_MSG: Final = 1
_ATTRIBUTE_TYPE: Final = 0x3FFF  # without the "nested" and "network byte order" bits
_NESTED: Final = 0x8000

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_IFINFOMSG: Final = struct.Struct("=BxHiII")  # family, hardware type, index, flags, change mask
_IFADDRMSG: Final = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_CACHEINFO: Final = struct.Struct("=IIII")  # preferred, valid (seconds), created, updated
_U32: Final = struct.Struct("=I")
_S32: Final = struct.Struct("=i")


@dataclass(frozen=True, slots=True)
class Message:
    """One netlink message: its header's fields and its body."""

    kind: int
    flags: int
    sequence: int
    body: bytes


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """A network interface as the kernel sees it now.

    `up` is the administrator's wish (IFF_UP). `carrier` is whether it can pass traffic: cable in
    and operational (IFF_LOWER_UP and IFF_RUNNING; ucarp looks at IFF_RUNNING). `mac` is empty where
    there is none, `mtu` is in bytes. `operstate` is RFC 2863's: OPER_UP when the kernel has seen to
    everything that a new carrier asks for; many drivers leave it at OPER_UNKNOWN for ever.
    """

    index: int
    name: str
    mac: bytes
    up: bool
    carrier: bool
    mtu: int
    operstate: int


@dataclass(frozen=True, slots=True)
class AddressInfo:
    """An address on the interface `index`; `flags` are 32 bits of IFA_F_*, `scope` RT_SCOPE_*."""

    index: int
    interface: IPv4Interface | IPv6Interface
    flags: int
    scope: int


@dataclass(frozen=True, slots=True)
class LinkGone:
    """Event: the interface `index` is no more (removed, or moved to another namespace)."""

    index: int


@dataclass(frozen=True, slots=True)
class AddressGone:
    """Event: an address was taken off its interface, with what was known of it."""

    address: AddressInfo


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kernel's answer to a request: `errno` 0 is yes; `reason` is a sentence, often empty."""

    errno: int
    reason: str


def encode_message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """Return the message with its header, padded to 4 bytes; NLM_F_REQUEST is added to `flags`."""
    length = _HEADER.size + len(body)
    return _pad(_HEADER.pack(length, kind, flags | NLM_F_REQUEST, sequence, 0) + body)


def decode_messages(datagram: bytes) -> Iterator[Message]:
    """Yield the messages of a datagram up to the first whose length cannot be true."""
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size or offset + length > len(datagram):
            return
        yield Message(kind, flags, sequence, datagram[offset + _HEADER.size : offset + length])
        offset += _aligned(length)


def encode_attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded to 4 bytes."""
    return _pad(_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value)


def decode_attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return type -> value up to the first attribute whose length cannot be true; the last wins."""
    found = {}
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind & _ATTRIBUTE_TYPE] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(length)
    return found


def decode_ack(body: bytes) -> Verdict | None:
    """Return what an NLMSG_ERROR (or NLMSG_DONE) says; None if it is too short to say anything.

    The kernel echoes the header of the request (NETLINK_CAP_ACK leaves the rest out), then, with
    NETLINK_EXT_ACK, attributes, of which one is a sentence for people.
    """
    if len(body) < _S32.size:
        return None
    (negative,) = _S32.unpack_from(body)
    said = decode_attributes(body, _S32.size + _HEADER.size).get(_NLMSGERR_ATTR_MSG, b"")
    return Verdict(-negative, said.rstrip(b"\0").decode(errors="replace"))


def decode_link(body: bytes) -> LinkInfo | None:
    """Return the link of an RTM_NEWLINK; None if malformed.

    None also for what a bridge says of its ports (family AF_BRIDGE): a port that leaves its bridge
    is announced as an RTM_DELLINK of that family while the interface lives on.
    """
    if len(body) < _IFINFOMSG.size:
        return None
    family, _, index, flags, _ = _IFINFOMSG.unpack_from(body)
    attributes = decode_attributes(body, _IFINFOMSG.size)
    name = attributes.get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="surrogateescape")
    if family != AF_UNSPEC or not name:
        return None
    return LinkInfo(
        index=index,
        name=name,
        mac=attributes.get(_IFLA_ADDRESS, b""),
        up=bool(flags & IFF_UP),
        carrier=bool(flags & IFF_LOWER_UP and flags & IFF_RUNNING),
        mtu=_u32(attributes.get(_IFLA_MTU), 0),
        operstate=int.from_bytes(attributes.get(_IFLA_OPERSTATE, b"")[:1]),
    )


def decode_address(body: bytes) -> AddressInfo | None:
    """Return the address of an RTM_NEWADDR or RTM_DELADDR; None if malformed or neither IP."""
    if len(body) < _IFADDRMSG.size:
        return None
    family, prefix, flags, scope, index = _IFADDRMSG.unpack_from(body)
    attributes = decode_attributes(body, _IFADDRMSG.size)
    # IFA_ADDRESS is the far end where there is one; the address of this host is then IFA_LOCAL.
    packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS, b"")
    interface: IPv4Interface | IPv6Interface
    if family == AF_INET and len(packed) == 4 and prefix <= 32:
        interface = IPv4Interface((packed, prefix))
    elif family == AF_INET6 and len(packed) == 16 and prefix <= 128:
        interface = IPv6Interface((packed, prefix))
    else:
        return None
    return AddressInfo(index, interface, _u32(attributes.get(_IFA_FLAGS), flags), scope)


def decode_event(message: Message) -> LinkInfo | LinkGone | AddressInfo | AddressGone | None:
    """Return what a message of the link and address groups says; None for anything else."""
    if message.kind in (RTM_NEWLINK, RTM_DELLINK):
        link = decode_link(message.body)
        return LinkGone(link.index) if link and message.kind == RTM_DELLINK else link
    if message.kind in (RTM_NEWADDR, RTM_DELADDR):
        address = decode_address(message.body)
        return AddressGone(address) if address and message.kind == RTM_DELADDR else address
    return None


def dump_body() -> bytes:
    """Return the body that asks for all links or all addresses of every family."""
    return _link_body()


def named_link_body(name: str) -> bytes:
    """Return the body of an RTM_GETLINK for one interface."""
    return _link_body() + _name(name)


def address_body(
    index: int, interface: IPv4Interface | IPv6Interface, valid_seconds: int | None
) -> bytes:
    """Return the body that adds or deletes an address.

    IPv6 goes on without duplicate address detection: it would hold a VIP back for a second or more,
    and the election has already settled who holds it. `valid_seconds` (1 to 2**32 - 2; None: for
    ever) is both the preferred and the valid lifetime, after which the kernel itself takes it off.
    """
    family, flags = (AF_INET, 0) if interface.version == 4 else (AF_INET6, IFA_F_NODAD)
    body = _IFADDRMSG.pack(family, interface.network.prefixlen, flags, 0, index)
    body += encode_attribute(_IFA_LOCAL, interface.packed)
    body += encode_attribute(_IFA_ADDRESS, interface.packed)
    if valid_seconds is not None:
        body += encode_attribute(
            _IFA_CACHEINFO, _CACHEINFO.pack(valid_seconds, valid_seconds, 0, 0)
        )
    return body


def bridge_body(name: str) -> bytes:
    """Return the body that makes a bridge which forwards at once: no spanning tree, no snooping."""
    data = encode_attribute(_IFLA_BR_FORWARD_DELAY, _U32.pack(0))
    data += encode_attribute(_IFLA_BR_STP_STATE, _U32.pack(0))
    data += encode_attribute(_IFLA_BR_MCAST_SNOOPING, b"\0")
    return _link_body() + _name(name) + _linkinfo(b"bridge", data)


def veth_body(name: str, peer: str, peer_netns_fd: int | None) -> bytes:
    """Return the body that makes a pair of linked ports, the peer perhaps in another namespace."""
    far_end = _link_body() + _name(peer)
    if peer_netns_fd is not None:
        far_end += encode_attribute(_IFLA_NET_NS_FD, _U32.pack(peer_netns_fd))
    data = encode_attribute(_VETH_INFO_PEER | _NESTED, far_end)
    return _link_body() + _name(name) + _linkinfo(b"veth", data)


def link_body(
    index: int,
    *,
    up: bool | None = None,
    master: int | None = None,
    mac: bytes | None = None,
    netns_fd: int | None = None,
) -> bytes:
    """Return the body that changes or deletes an interface; None leaves a thing as it is."""
    body = _IFINFOMSG.pack(
        AF_UNSPEC, 0, index, IFF_UP if up else 0, IFF_UP if up is not None else 0
    )
    if mac is not None:
        body += encode_attribute(_IFLA_ADDRESS, mac)
    if master is not None:
        body += encode_attribute(_IFLA_MASTER, _U32.pack(master))
    if netns_fd is not None:
        body += encode_attribute(_IFLA_NET_NS_FD, _U32.pack(netns_fd))
    return body


def _link_body() -> bytes:
    return link_body(0)


def _name(name: str) -> bytes:
    return encode_attribute(IFLA_IFNAME, name.encode(errors="surrogateescape") + b"\0")


def _linkinfo(kind: bytes, data: bytes) -> bytes:
    kind_and_data = encode_attribute(_IFLA_INFO_KIND, kind)
    kind_and_data += encode_attribute(_IFLA_INFO_DATA | _NESTED, data)
    return encode_attribute(_IFLA_LINKINFO | _NESTED, kind_and_data)


def _u32(value: bytes | None, default: int) -> int:
    if value is None or len(value) != _U32.size:
        return default
    return int(_U32.unpack(value)[0])


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _pad(data: bytes) -> bytes:
    return data + bytes(_aligned(len(data)) - len(data))
