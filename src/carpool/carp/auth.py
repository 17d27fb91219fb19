"""Who may speak for a virtual host: HMAC-SHA1 over the vhid, its addresses and a counter.

Key: the password, at most 20 bytes, padded with zeros (which HMAC does by itself).
Message: 0x02 0x01 vhid, every IPv4 address ascending, every IPv6 address ascending, and the
8 counter bytes. advbase, advskew and the demotion byte are *not* covered, in any CARP.

Source: OpenBSD ``carp_hmac_prepare``; held against captures of ucarp and NetBSD.
"""

import hmac
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from carpool.carp.wire import Advertisement

KEY_SIZE = 20
"""Bytes of password that CARP takes; ucarp takes 19."""

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
        self._accepted = [_prepare(one, vhid, everything) for one in passwords]
        self._signer = self._accepted[0]
        # OpenBSD signs without link-local addresses and accepts both forms. So do we accept both.
        routable = {address for address in everything if not _is_link_local_v6(address)}
        if routable != everything:
            self._accepted += [_prepare(one, vhid, routable) for one in passwords]

    def digest(self, counter: int) -> bytes:
        """Return the 20-byte digest that goes with the 64-bit `counter`."""
        return _finish(self._signer, counter)

    def verify(self, advertisement: Advertisement) -> bool:
        """Tell whether whoever sent this knows our password and our set of addresses."""
        return any(
            hmac.compare_digest(_finish(prepared, advertisement.counter), advertisement.digest)
            for prepared in self._accepted
        )


def _prepare(password: bytes, vhid: int, addresses: set[Address]) -> hmac.HMAC:
    prepared = hmac.new(password, bytes((2, 1, vhid)), "sha1")
    for address in sorted(addresses, key=lambda address: (address.version, address.packed)):
        prepared.update(address.packed)
    return prepared


def _finish(prepared: hmac.HMAC, counter: int) -> bytes:
    keyed = prepared.copy()
    keyed.update(counter.to_bytes(8))
    return keyed.digest()


def _is_link_local_v6(address: Address) -> bool:
    return address.version == 6 and address.is_link_local
