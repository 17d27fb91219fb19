"""The receive path under any row of frames, events and pauses, held against an oracle.

An input is a byte that chooses a virtual host, and a row of records: what happens first (1 byte),
how much time passes (1 byte), the length of a frame (1 byte), the frame. A frame begins with its IP
header; of some, as told, the kernel keeps that header, as it does behind a raw IPv6 socket.

The oracle shares no code with the core: it parses, signs and remembers by itself.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from tests.carp.fuzz import GROUP, OWN, FuzzError, carp_in, sums_up

from carpool.carp.counters import LEAP, Counters, Replay
from carpool.carp.effects import AddAddresses, Advertise, RemoveAddresses
from carpool.carp.election import NEVER_MASTER, State
from carpool.carp.packet import Datagram, parse_ipv4, parse_ipv6
from carpool.carp.receiver import Receiver
from carpool.carp.settings import Settings
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Rejection

MS = 1_000_000
STEPS = (0, 1, 20, 250, 1000, 1500, 3000, 100_000)
"""Milliseconds that pass before a frame; 1,000 is an advertisement interval, 3,000 a patience."""

AS_IPV4, AS_IPV6, AS_RAW_IPV6 = 0, 1, 2
READINGS = 3
EVENTS = 8
HEADER = 3

_TAG = 0x4350 << 48
_SEQUENCE_ENDS = _TAG + (1 << 48) - (1 << 39)
_OF_A_REPLAY = {Rejection.REPLAY, Rejection.CONSTANT}
_OF_A_COUNTER = _OF_A_REPLAY | {Rejection.UNSEQUENCED}


@dataclass(frozen=True)
class Role:
    """How a virtual host is set up, and the key of its peers."""

    settings: Settings
    mode: Replay

    @property
    def vhid(self) -> int:
        """The number in its advertisements."""
        return self.settings.vhid

    def digest(self, counter: bytes, *, short: bool = False) -> bytes:
        """Sign, as a peer would; `short`: as OpenBSD, without link-local addresses."""
        signed = bytes((2, 1, self.vhid))
        for address in self.settings.addresses:  # which ascend
            if not (short and address.packed.startswith(b"\xfe\x80")):
                signed += address.packed
        return hmac.digest(self.settings.password.ljust(20, b"\0"), signed + counter, "sha1")


def _role(mode: Replay, vhid: int, password: bytes, *addresses: str, skew: int, base: int) -> Role:
    where = tuple(map(ip_address, addresses))
    return Role(Settings(vhid, where, password, base, skew, preempt=mode is not Replay.OFF), mode)


ROLES = (
    # With the keys of captures in ../carp/vectors.json, so that those fit.
    _role(Replay.WINDOW, 42, b"love", "192.0.2.100", base=1, skew=100),
    _role(Replay.OFF, 101, b"changeme", "192.168.0.200", base=1, skew=0),
    _role(Replay.STRICT, 7, b"key", "192.0.2.1", "2001:db8::1", "fe80::1", base=0, skew=50),
)
BY_VHID = {role.vhid: role for role in ROLES}


@dataclass(frozen=True)
class Record:
    """One step of an input."""

    reading: int
    event: int
    step: int
    frame: bytes

    def encode(self) -> bytes:
        """Return the bytes that `records` reads as this."""
        head = (self.reading | self.event << 2, self.step, len(self.frame))
        return bytes(head) + self.frame


def records(data: bytes) -> Iterator[Record]:
    """Read what follows the first byte; every row of bytes is something."""
    at = 1
    while at + HEADER <= len(data):
        what, step, length = data[at : at + HEADER]
        frame = data[at + HEADER : at + HEADER + length]
        yield Record((what & 3) % READINGS, what >> 2 & 7, step % len(STEPS), frame)
        at += HEADER + length


def try_input(data: bytes) -> list[Rejection | None]:
    """Go through an input, in a world of its own. Raises FuzzError if anything is wrong.

    Return what came of its frames; None for one that was accepted.
    """
    if not data:
        return []
    world = World(ROLES[data[0] % len(ROLES)])
    for record in records(data):
        world.take(record)
    return world.results


class World:
    """A virtual host behind its receiver."""

    def __init__(self, role: Role) -> None:
        self.now = 0
        self.role = role
        self.host = VirtualHost(role.settings, sources=OWN, counters=Counters(role.mode))
        self.receiver = Receiver()
        self.receiver.add(self.host)
        self.results: list[Rejection | None] = []
        self.holds = False
        self.known: set[int] = set()
        """Counters of all that was accepted or sent."""
        self.sent = 0
        """The highest counter that was sent."""
        self.host.start(0)
        self._carry_out(b"")

    def take(self, record: Record) -> None:
        """Let one record happen, and check all that must hold."""
        self.now += STEPS[record.step] * MS
        try:
            self._happen(record.event)
            self._carry_out(record.frame)
            parsed = _read(record)
            if parsed is not None:
                self._receive(record, parsed)
        except FuzzError:
            raise
        except Exception as error:
            raise FuzzError(record.frame, f"raised {error!r}") from error

    def _happen(self, event: int) -> None:
        host = self.host
        match event:
            case 1 | 2 | 3:
                host.handle_timer(self.now)
            case 4:
                host.link_lost(self.now)
            case 5:
                host.link_back(self.now)
            case 6:
                demotion = {0: 10, 10: NEVER_MASTER, NEVER_MASTER: 0}[host.demotion]
                host.set_demotion(demotion, self.now)
            case 7:
                host.yield_mastership(self.now)

    def _receive(self, record: Record, parsed: Datagram | Rejection) -> None:
        frame, before, count = record.frame, self._visible(), self._counted()
        expected = self._expected(record)
        result = self.receiver.receive(parsed, self.now)
        self.results.append(result if isinstance(result, Rejection) else None)
        if isinstance(result, Rejection):
            if self._counted() != count + 1:
                raise FuzzError(frame, f"rejected ({result}), and not counted once")
            if self._visible() != before or self.host.next_effect() is not None:
                raise FuzzError(frame, f"rejected ({result}), and yet something changed")
            if result not in expected if expected else result in _OF_A_COUNTER:
                raise FuzzError(frame, f"rejected ({result}), expected {expected}")
            return
        if None not in expected or self._counted() != count:
            raise FuzzError(frame, f"accepted, expected {expected}")
        assert isinstance(parsed, Datagram)
        self.known.add(int.from_bytes(parsed.payload[8:16]))
        self._carry_out(frame)

    def _expected(self, record: Record) -> set[Rejection | None]:
        """Return what may come of a frame: None is to be accepted; empty: rejected for its form."""
        carp = _advertisement(record)
        if carp is None or carp[1] != self.role.vhid or not sums_up(carp):
            return set()
        digests = (self.role.digest(carp[8:16], short=short) for short in (False, True))
        if self.host.state is State.INIT or carp[16:] not in digests:
            return set()
        return self._expected_of(int.from_bytes(carp[8:16]))

    def _expected_of(self, counter: int) -> set[Rejection | None]:
        """Return what may come of a counter of somebody who has the key."""
        mode = self.role.mode
        if mode is Replay.OFF:
            return {None}
        if counter in self.known:
            return {*_OF_A_REPLAY}
        if not _TAG <= counter < _SEQUENCE_ENDS:
            return {None if mode is Replay.WINDOW else Rejection.UNSEQUENCED}
        highest = max((one for one in self.known if one < _SEQUENCE_ENDS), default=0)
        if self.sent and highest < counter <= self.sent + LEAP:
            return {None}
        return {None, *_OF_A_COUNTER}

    def _carry_out(self, frame: bytes) -> None:
        """Carry out what the virtual host asks; check that addresses follow the state."""
        while (effect := self.host.next_effect()) is not None:
            match effect:
                case AddAddresses():
                    self.holds = True
                case RemoveAddresses():
                    self.holds = False
                case Advertise():
                    counter = int.from_bytes(effect.payload[8:16])
                    if counter <= self.sent or counter in self.known:
                        raise FuzzError(frame, f"sent a counter again: {counter:#x}")
                    self.sent = counter
                    self.known.add(counter)
        if self.holds != (self.host.state is State.MASTER):
            raise FuzzError(frame, f"{self.host.state}, and holds: {self.holds}")

    def _visible(self) -> tuple[State, int | None, bytes | None]:
        return self.host.state, self.host.timer(), self.host.master

    def _counted(self) -> int:
        return self.receiver.rejections.total() + self.host.rejections.total()


def _read(record: Record) -> Datagram | Rejection | None:
    """Return what the socket or the parser makes of a frame; None where no kernel gives that."""
    frame = record.frame
    match record.reading:
        case 0:
            return parse_ipv4(frame)
        case 1:
            return parse_ipv6(frame)
    if len(frame) < 40:
        return None
    return Datagram(frame[8:24], frame[24:40], frame[7], frame[40:])


def _advertisement(record: Record) -> bytes | None:
    """Return the 36 bytes of an advertisement to us from somebody else, or None: the oracle's."""
    frame = record.frame
    if record.reading != AS_RAW_IPV6:
        return carp_in(frame, 4 if record.reading == AS_IPV4 else 6)
    carp = frame[40:76]
    fine = frame[7:8] == b"\xff" and frame[24:40] == GROUP[6] and frame[8:24] != OWN[6]
    return carp if fine and len(carp) == 36 and carp[0] == 0x21 and carp[3] == 7 else None
