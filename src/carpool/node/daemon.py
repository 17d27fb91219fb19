"""The daemon on one Linux host: any number of VIP groups in one process and one thread."""

import secrets
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from carpool.carp.auth import Address
from carpool.carp.timing import SECOND
from carpool.netlink.messages import AddressGone, AddressInfo, LinkGone, LinkInfo
from carpool.netlink.monitor import Overrun, RouteMonitor
from carpool.netlink.route import NetlinkError, Route
from carpool.node.addresses.kernel import KernelAddresses
from carpool.node.group import Group
from carpool.node.log import Log
from carpool.node.loop import Loop
from carpool.node.segment import Segment, own_sources
from carpool.node.settings import GroupSettings

_FLUSH_LOG_EVERY = 60 * SECOND
_PRIVILEGES = (
    "carpool needs the capabilities CAP_NET_RAW (advertisements) and CAP_NET_ADMIN (addresses), "
    "and has not got them; start it as root, or give it these two"
)


class CannotRunError(Exception):
    """The daemon cannot start on this host; the text says why and how to mend it."""


class Daemon:
    """Opens everything a node needs, runs it, and takes it down again.

    ``open`` raises CannotRunError and leaves the host as it was; ``run`` returns when the daemon
    was told to stop; ``close`` must follow in any case.
    """

    def __init__(self, settings: Sequence[GroupSettings], loop: Loop, log: Log) -> None:
        self._settings = settings
        self._loop = loop
        self._log = log
        self._groups: list[Group] = []
        self._segments: dict[tuple[str, bytes], Segment] = {}
        self._carrier: dict[str, bool] = {}
        self._vips: set[Address] = {address.ip for group in settings for address in group.addresses}
        self._stopping = False
        self._resources: list[Callable[[], None]] = []

    def open(self) -> None:
        """Open sockets on every interface. Raises CannotRunError; nothing on the host changes."""
        try:
            self._route = Route()
            self._resources.append(self._route.close)
            self._monitor = RouteMonitor()
            self._resources.append(self._monitor.close)
            self._open_segments()
        except PermissionError as error:
            raise CannotRunError(_PRIVILEGES) from error
        except OSError as error:
            raise CannotRunError(str(error)) from error
        if any(group.manage_addresses for group in self._settings) and not _may_change_addresses():
            raise CannotRunError(_PRIVILEGES)
        self._loop.watch(self._monitor, self._on_route_events)

    def run(self) -> None:
        """Serve until told to stop, then give up the addresses, bow out and wait for scripts."""
        self._sweep()
        for group in self._groups:
            group.start(carrier=self._carrier[group.settings.interface])
        self._loop.call_at(self._loop.now() + _FLUSH_LOG_EVERY, self._flush_log)
        self._loop.run()

    def close(self) -> None:
        """Close every socket."""
        for segment in self._segments.values():
            segment.close()
        while self._resources:
            self._resources.pop()()

    # Commands, from signals or (some day) a control socket.

    def handle_signals(self, stop_on: Sequence[int]) -> None:
        """Stop cleanly on the signals `stop_on`; SIGUSR1 logs the state, SIGUSR2 yields."""
        for signum in stop_on:
            self._loop.on_signal(signum, self.stop)
        self._loop.on_signal(signal.SIGUSR1, self.log_status)
        self._loop.on_signal(signal.SIGUSR2, self.yield_mastership)

    def stop(self) -> None:
        """Leave cleanly; told a second time, without waiting for scripts."""
        if self._stopping:
            self._loop.stop()
            return
        self._stopping = True
        for group in self._groups:
            group.stop()
        self._leave_if_settled()

    def yield_mastership(self) -> None:
        """Let other nodes take over every group that is master here."""
        for group in self._groups:
            group.yield_mastership()

    def log_status(self) -> None:
        """Log a line for each group."""
        for group in self._groups:
            self._log.info(group.status_line())

    def _leave_if_settled(self) -> None:
        if self._stopping and all(group.is_settled for group in self._groups):
            self._loop.stop()

    # Opening.

    def _open_segments(self) -> None:
        addresses = KernelAddresses(self._route)
        links = {link.name: link for link in self._route.links()}
        for settings in self._settings:
            info = links.get(settings.interface)
            if info is None:
                there = ", ".join(sorted(links))
                raise CannotRunError(
                    f"there is no interface {settings.interface} on this host; it has: {there}"
                )
            self._carrier[info.name] = info.carrier
            self._add_group(settings, addresses)
        for segment in self._segments.values():
            segment.open(links[segment.interface])
        self._refresh_sources()

    def _add_group(self, settings: GroupSettings, addresses: KernelAddresses) -> None:
        group = Group(
            settings,
            loop=self._loop,
            log=self._log,
            addresses=addresses,
            counter=secrets.randbits(64),
            settled=self._leave_if_settled,
        )
        key = (settings.interface, settings.multicast.packed)
        segment = self._segments.get(key)
        if segment is None:
            segment = self._segments[key] = Segment(*key, loop=self._loop, log=self._log)
        segment.add(group)
        self._groups.append(group)

    def _sweep(self) -> None:
        """Take off what a killed daemon left: until the election says so, we hold nothing."""
        managed = [
            address.ip
            for group in self._settings
            if group.manage_addresses
            for address in group.addresses
        ]
        if not managed:
            return
        try:
            for stale in KernelAddresses(self._route).sweep(managed):
                self._log.warning(f"removed {stale}, left behind by an earlier run")
        except NetlinkError as error:
            self._log.error(f"{error}; two nodes may hold it now")

    # The host changes under us.

    def _on_route_events(self) -> None:
        stale_sources = False
        for event in self._monitor.read():
            match event:
                case LinkInfo():
                    self._on_link(event)
                case LinkGone():
                    self._on_link_gone(event)
                case AddressInfo() | AddressGone():
                    info = event.address if isinstance(event, AddressGone) else event
                    stale_sources |= info.interface.ip not in self._vips
                case Overrun():
                    for link in self._route.links():
                        self._on_link(link)
                    stale_sources = True
        if stale_sources:
            self._refresh_sources()

    def _on_link(self, info: LinkInfo) -> None:
        changed = self._carrier.get(info.name) != info.carrier
        self._carrier[info.name] = info.carrier
        for segment in self._segments.values():
            if segment.interface != info.name:
                continue
            reopened = segment.link is None and self._reopen(segment, info)
            if segment.link is None:
                continue
            segment.link.mac = info.mac
            if changed or reopened:
                self._log.notice(f"{info.name}: link {'up' if info.carrier else 'down'}")
                for group in segment.groups:
                    group.link_changed(carrier=info.carrier)

    def _on_link_gone(self, event: LinkGone) -> None:
        for segment in self._segments.values():
            if segment.link is not None and segment.link.index == event.index:
                self._log.error(f"{segment.interface}: the interface has gone")
                self._carrier.pop(segment.interface, None)
                segment.close()
                for group in segment.groups:
                    group.link_gone()

    def _reopen(self, segment: Segment, info: LinkInfo) -> bool:
        """Open a segment on an interface that has come back. Tell whether that worked."""
        try:
            segment.open(info)
        except OSError as error:
            # An interface that is still being set up says so again when it is.
            self._log.error(f"{info.name}: {error}", key=f"reopen {info.name}")
            return False
        self._refresh_sources()
        return True

    def _refresh_sources(self) -> None:
        """Find the addresses to advertise from; they may come, go and change at any time."""
        try:
            found = self._route.addresses()
        except NetlinkError as error:
            self._log.error(str(error), key="addresses")
            return
        for segment in self._segments.values():
            if segment.link is None:
                continue
            here = [info for info in found if info.index == segment.link.index]
            for group in segment.groups:
                sources = own_sources(here, group.settings.sources, self._vips)
                group.use_sources(sources)

    def _flush_log(self) -> None:
        self._log.flush()
        self._loop.call_at(self._loop.now() + _FLUSH_LOG_EVERY, self._flush_log)


def _may_change_addresses() -> bool:
    """Tell whether CAP_NET_ADMIN (bit 12, linux/capability.h) is in effect for this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) & 1 << 12)
    return True


def default_interface() -> str:
    """Return the first interface that is up and no loopback. Raises CannotRunError for none."""
    try:
        with Route() as route:
            usable = [link for link in route.links() if link.up and link.name != "lo"]
    except NetlinkError as error:
        raise CannotRunError(str(error)) from error
    if not usable:
        raise CannotRunError("this host has no network interface that is up; name one")
    return min(usable, key=lambda link: (not link.carrier, link.index)).name
