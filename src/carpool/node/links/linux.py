"""Frames in and out on Linux: raw IP sockets, and a packet socket for what needs a frame."""

import socket
from collections.abc import Collection, Iterable, Iterator

from carpool.carp.frames import Claim
from carpool.node.links.claims import ClaimListener
from carpool.node.links.filters import attach, vhid_filter
from carpool.node.links.link import RawLink
from carpool.node.links.rawip import RawIPv4, RawIPv6


class LinuxLink(RawLink):
    """The sockets of one interface.

    Raises OSError where the host refuses; the caller knows what it was doing.
    """

    def __init__(
        self, interface: str, index: int, mac: bytes, group: bytes, families: Iterable[int]
    ) -> None:
        """Open what `families` (of 4 and 6) need on interface number `index`."""
        super().__init__(interface, index, mac, group)
        self._claims: ClaimListener | None = None
        # Protocol 0: it sends, and nothing ever arrives at it.
        self._packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._packet.bind((interface, 0))
            for family in families:
                self._raw[family] = (
                    RawIPv4(interface, index, group) if family == 4 else RawIPv6(index, interface)
                )
        except OSError:
            self.close()
            raise

    def only_hear(
        self,
        vhids: Collection[int],
        *,
        sample: bool = False,
        muted: Collection[bytes] = (),
    ) -> bool:
        """Let the kernel turn away what is for none of `vhids`. Raises OSError.

        To `sample` is to let only a few through of what does not have the form of CARP, and a few
        of what comes from the IPv4 addresses `muted`. Tell whether the system can.
        """
        for family, raw in self._raw.items():
            attach(raw.socket, vhid_filter(vhids, family, sample=sample, muted=muted))
        return True

    def send_frame(self, frame: bytes) -> None:
        """Send an Ethernet frame. Raises OSError."""
        self._packet.send(frame)

    def watch_claims(self, families: Collection[int]) -> list[socket.socket]:
        """Be ready to hear who else claims addresses of `families`. Raises OSError."""
        self._claims = ClaimListener(self.interface, families)
        return self._claims.sockets

    def only_claims_of(self, addresses: Collection[bytes]) -> None:
        """Hear from now on who else claims `addresses`. Raises OSError."""
        if self._claims is not None:
            self._claims.only(addresses)

    def claims(self) -> Iterator[Claim]:
        """Yield what claims have arrived, within a budget."""
        return self._claims.receive() if self._claims is not None else iter(())

    def close(self) -> None:
        """Close the sockets."""
        self._packet.close()
        if self._claims is not None:
            self._claims.close()
        super().close()
