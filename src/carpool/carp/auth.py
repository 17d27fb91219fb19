"""Who may speak for a virtual host: HMAC-SHA1 over the vhid, its addresses and a counter.

Key: the password, at most 20 bytes, padded with zeros (which HMAC does by itself).
Message: 0x02 0x01 vhid, every IPv4 address ascending, every IPv6 address ascending, and the
8 counter bytes. advbase, advskew and the demotion byte are *not* covered, in any CARP.

Source: OpenBSD ``carp_hmac_prepare``; held against captures of ucarp and NetBSD.

Not the standard `hmac`, but RFC 2104 on two hashes that have taken in the key: whoever floods a
network with forgeries pays us for each, and this way half as much.
"""

import hashlib
from collections.abc import Iterable
from hmac import compare_digest
from ipaddress import IPv4Address, IPv6Address

from carpool.carp.wire import Advertisement

KEY_SIZE = 20
"""Bytes of password that CARP takes; ucarp takes 19."""

_BLOCK_SIZE = 64  # of SHA-1
_INNER_PAD, _OUTER_PAD = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
"""What RFC 2104 makes of each byte of a key."""

Address = IPv4Address | IPv6Address


class Authenticator:
    """Signs and verifies the advertisements of one virtual host."""

    def __init__(
        self,
        password: bytes,
        vhid: int,
        addresses: Iterable[Address],
        accepted: Iterable[bytes] = (),
    ) -> None:
        """Prepare the keyed hashes once: `password` signs, and so may the peers with `accepted`.

        Each must be 1 to 20 bytes: `ValueError` otherwise.
        """
        passwords = (password, *accepted)
        if not all(0 < len(one) <= KEY_SIZE for one in passwords):
            raise ValueError(f"a CARP password has 1 to {KEY_SIZE} bytes")
        everything = set(addresses)
        self._signer, *self._others = (_Prepared(one, vhid, everything) for one in passwords)
        # OpenBSD signs without link-local addresses and accepts both forms. So do we accept both.
        routable = {address for address in everything if not _is_link_local_v6(address)}
        if routable != everything:
            self._others += [_Prepared(one, vhid, routable) for one in passwords]

    def digest(self, counter: int) -> bytes:
        """Return the 20-byte digest that goes with the 64-bit `counter`."""
        return self._signer.digest(counter.to_bytes(8))

    def verify(self, advertisement: Advertisement) -> bool:
        """Tell whether whoever sent this knows our password and our set of addresses."""
        return self.fits(advertisement.counter.to_bytes(8), advertisement.digest)

    def fits(self, counter: bytes, digest: bytes) -> bool:
        """Tell whether a `digest` of 20 bytes is that of the 8 bytes of a `counter`."""
        if compare_digest(self._signer.digest(counter), digest):
            return True
        # Not any(), whose generator costs more than it saves: the time of a flood goes here.
        others = self._others
        return bool(others) and True in [
            compare_digest(one.digest(counter), digest) for one in others
        ]


class _Prepared:
    """The digest of everything but the counter, waiting for a counter."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, password: bytes, vhid: int, addresses: set[Address]) -> None:
        key = password.ljust(_BLOCK_SIZE, b"\0")
        # The protocol says SHA-1, which a FIPS build of OpenSSL has for such uses alone.
        inner = hashlib.sha1(key.translate(_INNER_PAD), usedforsecurity=False)
        outer = hashlib.sha1(key.translate(_OUTER_PAD), usedforsecurity=False)
        inner.update(bytes((2, 1, vhid)))
        for address in sorted(addresses, key=lambda address: (address.version, address.packed)):
            inner.update(address.packed)
        self._inner, self._outer = inner.copy, outer.copy

    def digest(self, counter: bytes) -> bytes:
        inner, outer = self._inner(), self._outer()
        inner.update(counter)
        outer.update(inner.digest())
        return outer.digest()


def _is_link_local_v6(address: Address) -> bool:
    return address.version == 6 and address.is_link_local
