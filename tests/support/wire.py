"""What is on the wire, as a zone that listens sees it, stamped by the kernel."""

import ctypes
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from carpool.carp.packet import parse_ipv4, parse_ipv6
from carpool.carp.wire import Advertisement, Rejection, decode
from carpool.lab.zone import Zone

_ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_SO_ATTACH_FILTER = 26
_TIMESPEC = struct.Struct("@qq")
_BUFFER_BYTES = 8 << 20
_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD


@dataclass(frozen=True, slots=True)
class Frame:
    """One Ethernet frame and the instant (monotonic ns) at which it arrived."""

    when: int
    data: bytes

    @property
    def mac(self) -> bytes:
        """Who sent it."""
        return self.data[6:12]

    @property
    def ethertype(self) -> int:
        return int.from_bytes(self.data[12:14])


@dataclass(frozen=True, slots=True)
class Advert:
    """A frame that is an advertisement, taken apart."""

    when: int
    mac: bytes
    source: bytes
    advertisement: Advertisement

    @property
    def strength(self) -> tuple[int, int]:
        """Its advbase and advskew: by them one tells a farewell from a claim."""
        return self.advertisement.advbase, self.advertisement.advskew


@dataclass(frozen=True, slots=True)
class Announcement:
    """A gratuitous ARP or an unsolicited neighbour advertisement."""

    when: int
    mac: bytes
    address: bytes


class Capture:
    """Every frame that reaches a zone's interface from now on. A context manager.

    Open it well before what is to be timed: the kernel begins to stamp frames a little later, and
    one without a stamp gets that of its reading.
    """

    def __init__(self, zone: Zone, *, deaf_to: bytes | None = None) -> None:
        """Begin; `deaf_to` is the hardware address of a zone not to be listened to."""
        with zone.namespace.entered():
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL)
            )
        with suppress(PermissionError):  # not the machine's root
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if deaf_to is not None:
            _ignore(self._socket, deaf_to)
        self._socket.bind(("net0", _ETH_P_ALL))
        self._frames: list[Frame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def frames(self) -> list[Frame]:
        """Return everything that has arrived so far."""
        to_monotonic = _to_monotonic()
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(65536, 64)
            except BlockingIOError:
                return self._frames
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            when = seconds * 1_000_000_000 + nanoseconds + to_monotonic
            self._frames.append(Frame(when, data))

    def adverts(self, mac: bytes | None = None) -> list[Advert]:
        """Return the advertisements so far: all, or those that came from `mac`."""
        found = (_advert(frame) for frame in self.frames() if mac in (None, frame.mac))
        return [advert for advert in found if advert is not None]

    def announcements(self, address: bytes) -> list[Announcement]:
        """Return the gratuitous ARPs or neighbour advertisements for `address` (packed) so far."""
        told = _gratuitous_arp if len(address) == 4 else _neighbour_advertisement
        return [
            Announcement(frame.when, frame.mac, address)
            for frame in self.frames()
            if told(frame) == address
        ]

    def write_pcap(self, path: Path) -> None:
        """Write what has arrived so far to a file that tcpdump and tshark read."""
        with path.open("wb") as file:
            # Microseconds, Ethernet: pcap-savefile(5).
            file.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for frame in self.frames():
                seconds, rest = divmod(frame.when, 1_000_000_000)
                size = len(frame.data)
                file.write(struct.pack("=IIII", seconds, rest // 1000, size, size) + frame.data)


def _to_monotonic() -> int:
    """Return what to add (ns) to a stamp of the kernel, which goes by the wall clock.

    Between two clocks read in turn one may wait for a processor: so the closest of some pairs.
    """
    pairs = []
    for _ in range(5):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        pairs.append((after - before, before - wall))
    return min(pairs)[1]


def _ignore(listener: socket.socket, mac: bytes) -> None:
    """Let the kernel drop what `mac` sent: a classic BPF program, linux/filter.h."""
    instructions = (
        (0x20, 0, 0, 8),  # load the last four bytes of the source
        (0x15, 0, 1, int.from_bytes(mac[2:])),  # equal: next, else: skip one
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFF),  # take
    )
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    memory = ctypes.create_string_buffer(program)
    request = struct.pack("@HP", len(instructions), ctypes.addressof(memory))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, request)


def _advert(frame: Frame) -> Advert | None:
    parse = {_IPV4: parse_ipv4, _IPV6: parse_ipv6}.get(frame.ethertype)
    datagram = parse(frame.data[14:]) if parse else Rejection.PROTOCOL
    if isinstance(datagram, Rejection):
        return None
    advertisement = decode(datagram.payload)
    if isinstance(advertisement, Rejection):
        return None
    return Advert(frame.when, frame.mac, datagram.source, advertisement)


def _gratuitous_arp(frame: Frame) -> bytes | None:
    sender, target = frame.data[28:32], frame.data[38:42]
    return sender if frame.ethertype == _ARP and sender == target else None


def is_arp_reply(frame: Frame, address: bytes) -> bool:
    """Tell whether a frame answers the question who has an IPv4 address."""
    operation, sender = frame.data[20:22], frame.data[28:32]
    return frame.ethertype == _ARP and operation == b"\0\2" and sender == address


def _neighbour_advertisement(frame: Frame) -> bytes | None:
    unsolicited = frame.data[54:55] == b"\x88" and not frame.data[58] & 0x40
    is_one = frame.ethertype == _IPV6 and frame.data[20] == 58 and unsolicited
    return frame.data[62:78] if is_one else None
