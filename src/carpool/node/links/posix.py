"""Frames in and out on illumos, the BSDs and macOS: raw IP sockets, and /dev/bpf where it is."""

from collections.abc import Iterable, Sequence
from errno import ENOTSUP
from ipaddress import IPv4Interface

from carpool.node.links.bpf import Bpf
from carpool.node.links.link import RawLink
from carpool.node.links.plain import PlainIPv4, PlainIPv6
from carpool.node.links.rawip import RawIPv6


class PosixLink(RawLink):
    """The sockets of one interface.

    Without /dev/bpf nothing is announced by us: the kernel announces an address when it is put on.
    Raises OSError where the host refuses; the caller knows what it was doing.
    """

    def __init__(
        self,
        interface: str,
        index: int,
        mac: bytes,
        group: bytes,
        families: Iterable[int],
        *,
        plain: bool,
    ) -> None:
        """Open what `families` (of 4 and 6) need on interface number `index`.

        With `plain`, no ancillary data is used for IPv6.
        """
        super().__init__(interface, index, mac, group)
        self.closed = False
        self.no_bpf: OSError | None = None
        """Why there is no /dev/bpf, if there is none."""
        self._ipv4: PlainIPv4 | None = None
        self._bpf: Bpf | None = None
        try:
            self._bpf = Bpf(interface)
        except OSError as error:
            self.no_bpf = error
        try:
            for family in families:
                if family == 4:
                    self._raw[4] = self._ipv4 = PlainIPv4(group)
                else:
                    self._raw[6] = PlainIPv6(index) if plain else RawIPv6(index)
        except OSError:
            self.close()
            raise

    def use_addresses(self, addresses: Sequence[IPv4Interface]) -> None:
        """Take note of the interface's IPv4 addresses. Raises OSError."""
        if self._ipv4 is not None:
            self._ipv4.use_addresses(addresses)

    def announce(self, address: bytes) -> None:
        """Tell the network that `address` lives here now, where we can. Raises OSError."""
        if self._bpf is not None and self.mac:
            super().announce(address)

    def probe(self, address: bytes) -> None:
        """Ask nothing: nobody here hears the answer."""

    def send_frame(self, frame: bytes) -> None:
        """Send an Ethernet frame. Raises OSError."""
        if self._bpf is None:
            raise OSError(ENOTSUP, f"this needs /dev/bpf ({self.no_bpf}); use the real MAC")
        self._bpf.send(frame)

    def close(self) -> None:
        """Close the sockets."""
        self.closed = True
        if self._bpf is not None:
            self._bpf.close()
            self._bpf = None
        super().close()
