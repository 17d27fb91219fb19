"""What differs where a digest does not fit: tried out, for the doctor has time, unlike a daemon.

A digest covers the password, the vhid and the set of addresses. With the right password every
plausible set is tried: ours without some, with what the sender claims, and with any one address of
our networks more, or in the place of one.
"""

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import chain, combinations, islice

from carpool.carp.auth import Address, Authenticator
from carpool.carp.settings import Settings
from carpool.carp.wire import Advertisement
from carpool.doctor.faults import Fault
from carpool.doctor.observation import Interface

MOST_TRIES = 140_000
"""Half a second or so: any two addresses of one /16."""
_MOST_SUBSETS = 1024
_MOST_NEAR = 1 << 16
_NEAREST = 512
"""So many neighbouring addresses are tried before sets of a sender's own addresses."""
_FEW = 4

_Set = list[bytes]
_Difference = tuple[str, Sequence[bytes]]
"""What differs, with {} for addresses (packed): to be written out only if it fits."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What differs: a fault and how it shows, or None if nothing fits."""

    fault: Fault | None
    text: str


def guess(
    advertisement: Advertisement,
    own: Settings,
    others: Sequence[tuple[str, Settings]] = (),
    networks: Iterable[Interface] = (),
    claimed: Iterable[Address] = (),
    most: int = MOST_TRIES,
) -> Guess:
    """Say what differs from the group `own`, after `most` tries.

    `others` are further groups of ours by name, `networks` our virtual addresses with their
    prefixes, and `claimed` what the sender says it has.
    """
    tries = [_Try(one, advertisement) for one in (own.password, *own.accepted_passwords)]
    for addresses, (text, named) in islice(
        _sets(own.addresses, tuple(networks), tuple(claimed), others), most
    ):
        if addresses and any(one.fits(addresses) for one in tries):
            shown = text.format(", ".join(str(ip_address(one)) for one in named))
            return Guess(Fault.ADDRESSES, f"the password fits with {shown}")
    for name, other in others:
        if fits(advertisement, other):
            text = f"it is one of our group {name}, which has vhid {other.vhid} here"
            return Guess(Fault.VHID, text)
        if _fits(advertisement, other, own.addresses):
            text = f"it has our addresses and the password of our group {name}"
            return Guess(Fault.PASSWORD, text)
    return Guess(None, "no password and no set of addresses that we know fits")


def fits(advertisement: Advertisement, own: Settings) -> bool:
    """Tell whether password and addresses of a group fit, under the vhid of the advertisement."""
    return _fits(advertisement, own, own.addresses)


def _fits(advertisement: Advertisement, own: Settings, addresses: Iterable[Address]) -> bool:
    return Authenticator(
        own.password, advertisement.vhid, addresses, own.accepted_passwords
    ).verify(advertisement)


class _Try:
    """What an Authenticator does, of one password and for many sets of addresses."""

    def __init__(self, password: bytes, advertisement: Advertisement) -> None:
        # The protocol says SHA-1: see carpool.carp.auth.
        self._begun = hmac.new(password, bytes((2, 1, advertisement.vhid)), "sha1")
        self._counter = advertisement.counter.to_bytes(8)
        self._digest = advertisement.digest

    def fits(self, addresses: _Set) -> bool:
        """Tell whether the digest is that of these addresses, packed."""
        tried = self._begun.copy()
        ascending = sorted(addresses, key=_by_family)
        tried.update(b"".join(ascending) + self._counter)
        return hmac.compare_digest(tried.digest(), self._digest)


def _by_family(packed: bytes) -> tuple[int, bytes]:
    return len(packed), packed


def _sets(
    own: Sequence[Address],
    networks: Sequence[Interface],
    claimed: Sequence[Address],
    others: Sequence[tuple[str, Settings]],
) -> Iterator[tuple[_Set, _Difference]]:
    """Yield sets that somebody may have instead of ours, the likeliest first."""
    ours = sorted({one.packed for one in own})
    foreign = [one.packed for one in claimed if one.packed not in ours]
    for address in foreign:
        yield [*ours, address], ("{} besides ours, which it claims", [address])
    for name, other in others:
        theirs = [one.packed for one in other.addresses]
        yield list({*ours, *theirs}), (f"those of our group {name} besides", ())
        yield theirs, (f"those of our group {name} instead", ())
    yield from islice(_subsets(ours), _MOST_SUBSETS)
    near = chain.from_iterable(map(_near, networks))
    for address in islice(near, _NEAREST):
        if address not in ours:
            yield [*ours, address], ("{} besides ours", [address])
    for extra in range(2, min(len(foreign), _FEW) + 1):
        for several in combinations(foreign, extra):
            yield [*ours, *several], ("{} besides ours, which it claims", several)
    for address in near:
        if address not in ours:
            yield [*ours, address], ("{} besides ours", [address])
    for interface in networks:
        kept = [one for one in ours if one != interface.ip.packed]
        text = f"{{}} in the place of {interface.ip}"
        for address in _near(interface):
            if address not in kept:
                yield [*kept, address], (text, [address])


def _subsets(ours: _Set) -> Iterator[tuple[_Set, _Difference]]:
    for missing in range(1, len(ours)):
        for without in combinations(ours, missing):
            yield [one for one in ours if one not in without], ("{} missing", without)


def _near(interface: Interface) -> Iterator[bytes]:
    """Yield the addresses of its network, the nearest first, a bounded number."""
    own, network, size = int(interface.ip), interface.network, len(interface.ip.packed)
    low, high = int(network.network_address), int(network.broadcast_address)
    for distance in range(1, min(network.num_addresses, _MOST_NEAR)):
        for number in (own + distance, own - distance):
            if low <= number <= high:
                yield number.to_bytes(size)


def unpacked(addresses: Iterable[bytes]) -> list[Address]:
    """Return addresses that are packed as such, in order."""
    return [ip_address(one) for one in sorted(addresses)]
