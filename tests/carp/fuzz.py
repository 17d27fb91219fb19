"""Millions of mutated frames against the receive path: ``fuzz.py --frames 5000000 --seed 1``.

Each frame goes, as in the daemon, through the IP parser, the receiver and a virtual host. What
comes out is held against an oracle that is written for clearness and shares no code with the
core: a frame is accepted if and only if it is an advertisement that someone with the key signed.
It may differ from that in what CARP leaves unsigned (advbase, advskew, demotion, and IP fields).
A finding is printed with its frame in hex, and the exit status is 1.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

from carpool.carp.counters import Counters, Replay
from carpool.carp.packet import Datagram, ipv4_packet, ipv6_packet, parse_ipv4, parse_ipv6
from carpool.carp.receiver import Receiver
from carpool.carp.settings import Settings
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Advertisement, Rejection

GROUP = {4: ip_address("224.0.0.18").packed, 6: ip_address("ff02::12").packed}
OWN = {4: ip_address("192.0.2.10").packed, 6: ip_address("2001:db8::10").packed}
PEER = {4: ip_address("192.0.2.20").packed, 6: ip_address("2001:db8::20").packed}
VIPS = {
    1: ("192.0.2.100",),
    42: ("192.0.2.101", "192.0.2.102", "2001:db8::100"),
    255: ("2001:db8::200", "fe80::200"),
}
REMEMBERING = 42
"""The vhid that refuses replays; the others are there to accept again and again."""
STEP = 1_000_000
"""Nanoseconds from one frame to the next."""

PROGRESS_EVERY = 200_000


class FuzzError(Exception):
    """The core and the oracle disagree, or the core raised."""

    def __init__(self, frame: bytes, what: str) -> None:
        super().__init__(f"{what}\nframe: {frame.hex()}")


class World:
    """Three virtual hosts behind one receiver, and valid frames from a peer that knows the keys."""

    def __init__(self, rng: random.Random) -> None:
        self.receiver = Receiver()
        self.now = 0
        self.corpus: list[bytes] = []
        self.signed: set[tuple[int, bytes]] = set()
        """(vhid, counter and digest) of everything that someone with the key has said."""
        self.heard: set[bytes] = set()
        """The counters that were accepted."""
        self.hosts = [self._make(vhid, vips, rng) for vhid, vips in VIPS.items()]

    def _make(self, vhid: int, vips: tuple[str, ...], rng: random.Random) -> VirtualHost:
        addresses = tuple(map(ip_address, vips))
        settings = Settings(vhid, addresses, b"secret", 1, 100, preempt=True)
        counters = Counters(Replay.WINDOW if vhid == REMEMBERING else Replay.OFF)
        host = VirtualHost(settings, sources=OWN, counters=counters)
        host.start(0)
        carried_out(host)
        self.receiver.add(host)
        for said in ((1, 0), (1, 100), (1, 200), (0, 1), (0, 0), (5, 0), (255, 255)):
            counter = rng.getrandbits(64)
            digest = host._authenticator.digest(counter)
            payload = Advertisement(vhid, *said, counter, digest).encode()
            self.signed.add((vhid, payload[8:]))
            self.corpus += [ipv4_packet(PEER[4], payload), ipv6_packet(PEER[6], payload)]
        return host

    def rejections(self) -> Counter[Rejection]:
        return sum((host.rejections for host in self.hosts), self.receiver.rejections)

    def visible(self) -> list[tuple[str, int | None, bytes | None]]:
        return [(host.state, host.timer(), host.master) for host in self.hosts]

    def try_one(self, frame: bytes, family: int) -> VirtualHost | Rejection:
        """Receive a frame on the socket of `family`. Raise FuzzError if anything is wrong."""
        self.now += STEP
        before = self.visible()
        try:
            parsed = parse_ipv4(frame) if family == 4 else parse_ipv6(frame)
            result = self.receiver.receive(parsed, self.now)
        except Exception as error:
            raise FuzzError(frame, f"raised {error!r}") from error
        if isinstance(result, VirtualHost) != self.is_valid(frame, family):
            raise FuzzError(frame, f"result is {result!r}")
        if isinstance(parsed, Datagram) and isinstance(result, VirtualHost):
            self.heard.add(parsed.payload[8:16])
        if isinstance(result, Rejection):
            if self.visible() != before or any(host.next_effect() for host in self.hosts):
                raise FuzzError(frame, f"rejected ({result}), and yet something changed")
        else:
            carried_out(result)
        return result

    def is_valid(self, frame: bytes, family: int) -> bool:
        """Tell whether the core has to accept this: the oracle."""
        carp = carp_in(frame, family)
        return (
            carp is not None
            and (carp[1], carp[8:]) in self.signed
            and (carp[1] != REMEMBERING or carp[8:16] not in self.heard)
            and sums_up(carp)
        )


def carp_in(frame: bytes, family: int) -> bytes | None:
    """Return the 36 bytes of what has the form of an advertisement to us from somebody else."""
    if family == 4:
        header = (frame[0] & 15) * 4 if frame else 0
        total = int.from_bytes(frame[2:4])
        at = 12
        fine = (
            20 <= header <= total <= len(frame)
            and frame[0] >> 4 == 4
            and frame[8:10] == b"\xff\x70"  # TTL and protocol
            and frame[6] & 0x3F == 0 == frame[7]
            and sums_up(frame[:header])
        )
    else:
        header, total, at = 40, 40 + int.from_bytes(frame[4:6]), 8
        fine = 40 <= total <= len(frame) and frame[0] >> 4 == 6 and frame[6:8] == b"\x70\xff"
    size = len(GROUP[family])
    source, group = frame[at : at + size], frame[at + size : at + 2 * size]
    carp = frame[header:total][:36]
    fine = fine and group == GROUP[family] and source != OWN[family]
    return carp if fine and len(carp) == 36 and carp[0] == 0x21 and carp[3] == 7 else None


def carried_out(host: VirtualHost) -> None:
    while host.next_effect():
        pass


def sums_up(data: bytes) -> bool:
    """RFC 1071, word by word."""
    total = sum(data[::2]) * 256 + sum(data[1::2])
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def filled_in(frame: bytearray, start: int, end: int, at: int) -> None:
    """Put the right checksum over start:end into the two bytes at `at`, if they are there."""
    if at + 2 <= len(frame):
        frame[at : at + 2] = b"\0\0"
        total = sum(frame[start:end:2]) * 256 + sum(frame[start + 1 : end : 2])
        frame[at : at + 2] = (-total % 0xFFFF or 0xFFFF).to_bytes(2)


# Mutations. Each changes the frame where it is.


def flip_a_bit(frame: bytearray, rng: random.Random, _: World) -> None:
    if frame:
        bit = rng.randrange(len(frame) * 8)
        frame[bit >> 3] ^= 1 << (bit & 7)


def set_a_byte(frame: bytearray, rng: random.Random, _: World) -> None:
    if frame:
        frame[rng.randrange(len(frame))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def cut(frame: bytearray, rng: random.Random, _: World) -> None:
    del frame[rng.randrange(len(frame) + 1) :]


def extend(frame: bytearray, rng: random.Random, _: World) -> None:
    frame += rng.randbytes(rng.randrange(1, 64))


def insert(frame: bytearray, rng: random.Random, _: World) -> None:
    at = rng.randrange(len(frame) + 1)
    frame[at:at] = rng.randbytes(rng.randrange(1, 8))


def splice(frame: bytearray, rng: random.Random, world: World) -> None:
    """Go on as another valid frame does from some offset on."""
    at = rng.randrange(len(frame) + 1)
    frame[at:] = rng.choice(world.corpus)[at:]


def noise(frame: bytearray, rng: random.Random, _: World) -> None:
    frame[:] = rng.randbytes(rng.randrange(128))


def ip_field(frame: bytearray, rng: random.Random, _: World) -> None:
    """Change a header field of IP; the checksum is mended later."""
    if len(frame) >= 20:
        frame[rng.randrange(20)] = rng.randrange(256)


def carp_field(frame: bytearray, rng: random.Random, _: World) -> None:
    """Change one of the first 8 bytes of the advert, or of the counter."""
    start = len(frame) - 36
    if start >= 0:
        frame[start + rng.randrange(16)] = rng.randrange(256)


def from_ourselves(frame: bytearray, _: random.Random, __: World) -> None:
    at, own = (12, OWN[4]) if frame and frame[0] >> 4 == 4 else (8, OWN[6])
    frame[at : at + len(own)] = own


def swap_payload(frame: bytearray, rng: random.Random, world: World) -> None:
    """Put another advert behind this header."""
    frame[-36:] = rng.choice(world.corpus)[-36:]


Mutation = Callable[[bytearray, random.Random, World], None]
MUTATIONS: tuple[Mutation, ...] = (
    *(flip_a_bit, set_a_byte, cut, extend, insert, splice, noise, ip_field, ip_field),
    *(carp_field, carp_field, carp_field, from_ourselves, swap_payload),
)


def mutated(rng: random.Random, world: World) -> bytes:
    """Return a valid frame after one to three mutations, half the time with good checksums."""
    frame = bytearray(rng.choice(world.corpus))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(frame, rng, world)
    if frame and rng.random() < 0.6:
        start = (frame[0] & 15) * 4 if frame[0] >> 4 == 4 else 40
        filled_in(frame, start, min(start + 36, len(frame)), start + 6)
        if frame[0] >> 4 == 4:
            filled_in(frame, 0, start, 10)
    return bytes(frame)


def fuzz(frames: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> Counter[str]:
    """Try that many frames; return how often each result came. Raises FuzzError."""
    rng = random.Random(seed)
    world = World(rng)
    accepted = 0
    for count in range(1, frames + 1):
        frame = mutated(rng, world)
        looks_like = frame[0] >> 4 if frame else 0
        family = 6 if looks_like == 6 or (looks_like != 4 and count & 1) else 4
        accepted += isinstance(world.try_one(frame, family), VirtualHost)
        if count % 16 == 0:
            for host in world.hosts:
                host.handle_timer(world.now)
                carried_out(host)
        if count % PROGRESS_EVERY == 0:
            progress(count)
    rejections = world.rejections()
    if rejections.total() + accepted != frames:
        raise FuzzError(b"", f"{frames} frames, but {rejections.total()} + {accepted} counted")
    return Counter({"accepted": accepted} | {str(name): n for name, n in rejections.items()})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--frames", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()

    def progress(count: int) -> None:
        speed = count / (time.monotonic() - started)
        sys.stdout.write(f"\r{count:,} of {arguments.frames:,} frames, {speed:,.0f} a second ")
        sys.stdout.flush()

    try:
        results = fuzz(arguments.frames, arguments.seed, progress)
    except FuzzError as finding:
        sys.stdout.write(f"\nseed {arguments.seed}: {finding}\n")
        return 1
    progress(arguments.frames)
    sys.stdout.write("\n")
    for name, count in results.most_common():
        sys.stdout.write(f"{count:12,}  {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
