"""The groups that share an interface and a multicast group: what arrives there finds its group."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

from carpool.carp.auth import Address
from carpool.carp.packet import Datagram
from carpool.carp.receiver import Receiver
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Rejection, decode
from carpool.carp.words import EXPLAINED
from carpool.node.conflicts import Conflicts
from carpool.node.floodgate import FloodGate
from carpool.node.forgers import Forgers
from carpool.node.group import Group
from carpool.node.host import Host, HostAddress, Interface, Link
from carpool.node.links.filters import FORGER_SAMPLE, SAMPLE
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.mismatch import Mismatch, Mismatches
from carpool.node.seeking import Search
from carpool.node.settings import GroupSettings

_LEVELS = {Rejection.CONSTANT: Level.ERROR}
"""Where a group may have two masters until it is mended."""


class Segment:
    """One interface and IPv4 multicast group, with its sockets while the interface exists."""

    def __init__(self, interface: str, group: bytes, *, host: Host, loop: Loop, log: Log) -> None:
        self._host = host
        self.interface = interface
        self.link: Link | None = None
        self._group = group
        self._loop = loop
        self._log = log
        self._receiver = Receiver(group)
        self._groups: dict[int, Group] = {}
        self.conflicts = Conflicts(loop=loop, log=log)
        self._search = Search(loop)
        self._gate = FloodGate(loop, on_change=self._on_gate)
        self._forgers = Forgers(loop, may_be_node=self._may_be_node, on_change=self._on_forgers)
        self._claim_sockets: list[socket.socket] = []
        self._mismatches = Mismatches()
        self._readable_at = 0
        self.all_settings: Sequence[GroupSettings] = ()
        """Of all groups of this node: what a peer may have confused."""

    def add(self, group: Group) -> None:
        """Let `group` hear this segment. A vhid can be there once: `ValueError`."""
        self._receiver.add(group.virtual_host)
        self._groups[group.settings.carp.vhid] = group
        self.conflicts.add(group)
        self._search.add(group)

    @property
    def groups(self) -> Iterable[Group]:
        """The groups, in the order in which they were added."""
        return self._groups.values()

    @property
    def rejections(self) -> Mapping[Rejection, int]:
        """How often what arrived concerned none of the groups, by reason."""
        return self._receiver.rejections

    @property
    def mismatches(self) -> Sequence[Mismatch]:
        """What was lately heard for our vhids from those who do not fit, and why not."""
        return self._mismatches.recent(self._loop.now())

    def open(self, interface: Interface) -> None:
        """Open the sockets on an interface that is there now. Raises OSError."""
        families = {
            address.version for group in self.groups for address in group.settings.addresses
        }
        link = self._host.open_link(interface, self._group, sorted(families))
        self._turn_away_others(link)
        for one in link.sockets():
            self._loop.watch(one, self._on_readable)
        self._use(link, interface)
        self._watch_claims(link)

    def close(self) -> None:
        """Close the sockets; the groups go on without."""
        if self.link is None:
            return
        for one in (*self.link.sockets(), *self._claim_sockets):
            self._loop.unwatch(one)
        self.link.close()
        self._claim_sockets = []
        self._use(None, None)

    def _use(self, link: Link | None, interface: Interface | None) -> None:
        self.link = link
        self.conflicts.use_link(link)
        for group in self.groups:
            group.use_link(link, interface)

    def _turn_away_others(self, link: Link) -> bool:
        try:
            return link.only_hear(
                self._groups, sample=self._gate.is_closed, muted=self._forgers.muted
            )
        except OSError as error:  # costs time, and nothing else
            self._log.info(
                f"{self.interface}: the kernel takes no socket filter ({error.strerror}); "
                "advertisements of other groups are read, too"
            )
            return False

    def _on_gate(self) -> None:
        turned_away = self.link is not None and self._turn_away_others(self.link)
        if turned_away and self._gate.is_closed:
            self._tell_flood(
                f"{self.interface}: a flood of packets that are no CARP advertisements; "
                f"looking at one in {SAMPLE} of them for a minute",
                key=f"{self.interface} flood",
            )

    def _on_forgers(self) -> None:
        turned_away = self.link is not None and self._turn_away_others(self.link)
        if turned_away and self._forgers.muted:
            sources = ", ".join(str(ip_address(source)) for source in self._forgers.muted)
            self._tell_flood(
                f"{self.interface}: a flood of forged advertisements from {sources}; looking at "
                f"one in {FORGER_SAMPLE} of them for a minute",
                key=f"{self.interface} forgers",
            )

    def _tell_flood(self, text: str, key: str) -> None:
        self._log.happened(
            "flood", Level.WARNING, text, key=key, details={"interface": self.interface}
        )

    def _may_be_node(self, source: bytes) -> bool:
        """Tell whether another node may advertise from `source`, or does."""
        return any(
            group.virtual_host.peers.of(source) is not None
            or not group.settings.neighbours  # Then anybody may be one.
            or any(source == neighbour.packed for neighbour in group.settings.neighbours)
            for group in self.groups
        )

    def _watch_claims(self, link: Link) -> None:
        try:
            self._claim_sockets = link.watch_claims(self.conflicts.families)
        except OSError as error:  # no reason not to serve
            self._log.error(
                f"cannot watch {self.interface} for strangers that use our addresses: "
                f"{error.strerror}"
            )
        for one in self._claim_sockets:
            self._loop.watch(one, self._on_claim)

    def _on_claim(self) -> None:
        if self.link is not None:
            self.conflicts.hear(self.link.claims())

    def _on_readable(self) -> None:
        if self.link is None:
            return
        now = self._readable_at = self._loop.now()
        for datagram in self.link.receive(self._has_done):
            outcome = self._receiver.receive(datagram, now)
            if isinstance(outcome, VirtualHost):
                if isinstance(datagram, Datagram):
                    self._forgers.hear(datagram.source)
                group = self._groups[outcome.settings.vhid]
                group.pump()
                if outcome.rival_heard_at == now:
                    self._search.found_rival(group)
            else:
                self._tell(outcome, datagram, now)
                self._gate.count(outcome, now)

    def _has_done(self, packet: bytes) -> bool:
        """Do with an IPv4 packet what there is to do, if that is quickly done. Tell whether."""
        source = packet[12:16]
        host = self._receiver.hears_again(packet, self._readable_at)
        if host is not None:
            self._forgers.hear(source)
            self._groups[host.settings.vhid].wait_again()
            return True
        return self._turns_away(packet, source)

    def _turns_away(self, packet: bytes, source: bytes) -> bool:
        """Tell whether nothing is to be said of an IPv4 packet but that it is one more forgery."""
        if self._mismatches.would_explain(source, self._readable_at):
            return False
        if not self._receiver.turns_away(packet):
            return False
        self._forgers.count(source, self._readable_at)
        return True

    def _tell(self, rejection: Rejection, datagram: Datagram | Rejection, now: int) -> None:
        explanation, source = EXPLAINED.get(rejection), ""
        if isinstance(datagram, Datagram):
            source = f" from {ip_address(datagram.source)}"
            if rejection is Rejection.AUTHENTICATION:
                explanation = self._explain(datagram, now)
                if explanation is None:
                    return
        level = _LEVELS.get(rejection, Level.DEBUG if explanation is None else Level.WARNING)
        self._log.happened(
            "mismatch",
            level,
            f"an advertisement{source} on {self.interface} was rejected: "
            f"{explanation or rejection.value}",
            key=f"{self.interface} {rejection}",
            details={
                "interface": self.interface,
                "rejection": rejection.value,
                "source": source.removeprefix(" from ") or None,
            },
        )

    def _explain(self, datagram: Datagram, now: int) -> str | None:
        """Say why the digest does not fit; None if that was said a moment ago."""
        advertisement = decode(datagram.payload)
        if isinstance(advertisement, Rejection):
            return None
        own = self._groups[advertisement.vhid].settings
        # Not sorted: there may be thousands, and most packets of a flood are not explained.
        others = (
            group
            for near in (True, False)
            for group in self.all_settings
            if group is not own and (group.interface == own.interface) is near
        )
        return self._mismatches.explain(advertisement, datagram.source, own, others, now)


def own_sources(found: Iterable[HostAddress], configured: Iterable[Address]) -> dict[int, bytes]:
    """Choose the address of each family to advertise from, packed.

    `found` are an interface's own, without the virtual ones. What is configured comes first for
    IPv4; for IPv6 a link-local address does, as in the kernels.
    """
    sources: dict[int, bytes] = {}
    for one in found:
        address = one.interface.ip
        if not one.usable:
            continue
        better = address.version == 6 and address.is_link_local
        if address.version not in sources or better:
            sources[address.version] = address.packed
    for address in configured:
        if address.version == 4 or 6 not in sources:
            sources[address.version] = address.packed
    return sources
