"""What illumos, the BSDs and macOS have in common: ifconfig, raw IP sockets, routing sockets.

The host is brought to what is wanted, whatever state it is in: what ``ifconfig`` lists is compared
with what was asked for, commands are run for the difference, and it is listed again. So every
change may be asked for twice, what a crash or an administrator left is no surprise, and what counts
is not what a command says but what there is.

Commands run one at a time beside the loop, each within a limit; only what the start of the daemon
needs, before it holds any address, is waited for.
"""

import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Interface
from typing import Self

from carpool.carp.auth import Address
from carpool.carp.timing import SECOND
from carpool.carp.wire import PROTOCOL
from carpool.node.commands import Commands, Result
from carpool.node.host import AnyInterface, Done, HostAddress, HostError, HostEvent, Interface
from carpool.node.hosts.ifconfig import Listed, Listing, parse
from carpool.node.hosts.routing import RoutingSocket
from carpool.node.hosts.snapshot import Snapshot
from carpool.node.links.posix import PosixLink
from carpool.node.log import Log
from carpool.node.loop import Loop

Argv = tuple[str, ...]

_IFCONFIG = "/sbin/ifconfig"
_ATTEMPTS = 3
"""To make a change, until it has failed; it has at once if a command hangs."""
_SHORT_POLL = SECOND
"""Between listings while something is not as wanted, or if nothing tells of changes."""
_LONG_POLL = 10 * SECOND
"""Between listings where a routing socket tells of changes, just in case."""
_WATCHFUL = 3 * SECOND
"""How long after a change duplicate address detection may still speak."""
_LONGEST_PAUSE = 30 * SECOND
"""Between attempts to bring up an address that another host has."""


class _Change:
    """Addresses that are to be on an interface, or not."""

    __slots__ = ("addresses", "attempts", "done", "interface", "mend_at", "mends", "problem")

    def __init__(
        self, interface: str, addresses: Sequence[AnyInterface], done: Done, *, present: bool
    ) -> None:
        self.interface = interface
        self.addresses = {address.ip: address if present else None for address in addresses}
        """What is wanted of each: to be there with this prefix, or None: to be gone."""
        self.done: Done | None = done
        """Until it has been called; from then on the addresses are only kept in use."""
        self.attempts = 0
        self.problem: str | None = None
        self.mends = 0
        self.mend_at = 0
        """When the next attempt may be made to bring up what another host has (ns)."""

    def overlaps(self, other: "_Change") -> bool:
        """Whether both are about one address."""
        same = self.interface == other.interface
        return same and not self.addresses.keys().isdisjoint(other.addresses)


@dataclass(slots=True)
class _Needs:
    """What is not as a change wants it: not there, still there, there but not in use."""

    absent: list[AnyInterface] = field(default_factory=list)
    left: list[Listed] = field(default_factory=list)
    broken: list[Listed] = field(default_factory=list)


class PortableHost(ABC):
    """A host that is configured by ``ifconfig``; a subclass knows how it is called there."""

    plain_sockets: bool
    """Whether Python may lack what ancillary data needs."""

    def __init__(
        self,
        loop: Loop,
        log: Log,
        *,
        routing: RoutingSocket | None,
        ifconfig: str = _IFCONFIG,
        commands: Commands | None = None,
    ) -> None:
        """Without a `routing` socket, changes are looked for every second."""
        self._loop = loop
        self._log = log
        self._routing = routing
        self._ifconfig = ifconfig
        self._commands = commands or Commands(loop)
        self._callback: Callable[[list[HostEvent]], None] | None = None
        self._snapshot: Snapshot | None = None
        self._changes: list[_Change] = []
        self._queue: deque[tuple[_Change | None, Argv]] = deque()
        self._stale = False
        self._watchful_until = 0
        self._links: list[PosixLink] = []
        self._tick = loop.call_at(loop.now(), self._look)
        self._tick.cancel()

    # What differs between the systems: arguments of ifconfig.

    @abstractmethod
    def list_arguments(self) -> Argv:
        """Return what makes it list every interface with every address."""

    @abstractmethod
    def add_arguments(
        self, interface: str, address: AnyInterface, others: Sequence[AnyInterface]
    ) -> Argv:
        """Return what puts `address` on an interface that has `others`."""

    @abstractmethod
    def remove_arguments(self, listed: Listed) -> Argv:
        """Return what takes an address off."""

    @abstractmethod
    def mend_arguments(self, listed: Listed) -> Sequence[Argv]:
        """Return what brings up an address that is down or a duplicate; nothing if it waits."""

    def list_command(self) -> Argv:
        """Return the command that lists everything."""
        return self._argv(self.list_arguments())

    def read_listing(self, output: str) -> Listing:
        """Read what that has printed. Never raises."""
        return parse(output)

    def undo_arguments(self, _arguments: Argv, _output: str) -> Argv:
        """Return what clears away what a command that failed has left, nothing if it left nothing.

        `_output` is all that it printed.
        """
        return ()

    @abstractmethod
    def missing_privileges(self, *, change_addresses: bool) -> str | None:
        """Return what this process may not do and how to mend it, or None."""

    # The host.

    def interfaces(self) -> list[Interface]:
        """Return every interface. Raises HostError."""
        return list(self._current().interfaces.values())

    def addresses(self) -> list[HostAddress]:
        """Return every address of every interface. Raises HostError."""
        return list(self._current().addresses.values())

    def present(self) -> Container[Address]:
        """Return every address there is, as of the last listing. Raises HostError."""
        return {one.interface.ip for one in self.addresses()}

    def watch(
        self, callback: Callable[[list[HostEvent]], None], _own: Collection[Address] = ()
    ) -> None:
        """Tell `callback` of every change to interfaces and addresses."""
        self._callback = callback
        if self._routing is not None:
            self._loop.watch(self._routing, self._on_routing_message)
        self._schedule_tick()

    def open_link(self, interface: Interface, group: bytes, families: Sequence[int]) -> PosixLink:
        """Open the sockets for an IPv4 multicast group and `families`. Raises OSError."""
        link = PosixLink(
            *(interface.name, interface.index, interface.mac, group, families),
            plain=self.plain_sockets,
        )
        try:
            link.use_addresses(self._ipv4_addresses(interface.name))
        except OSError:
            link.close()
            raise
        if link.no_bpf is not None:
            self._log.notice(
                f"{interface.name}: cannot open bpf ({link.no_bpf.strerror}): addresses are "
                "announced by the kernel alone, when they are put on",
                key=f"bpf {interface.name}",
            )
        self._links.append(link)
        return link

    def add_addresses(
        self,
        interface: Interface,
        addresses: Sequence[AnyInterface],
        done: Done,
        *,
        lifetime: int | None = None,  # noqa: ARG002 - these kernels have none
    ) -> None:
        """Put `addresses` on, also what is there already, and keep them in use.

        `done` is called when they are there, or cannot be; never if they are asked off before.
        """
        self._want(_Change(interface.name, addresses, done, present=True))

    def renewal(
        self, _interface: Interface, _addresses: Sequence[AnyInterface], _lifetime: int
    ) -> Callable[[], None]:
        """Return what does nothing: these kernels keep an address until the guard takes it off."""
        return lambda: None

    def remove_addresses(
        self, interface: Interface, addresses: Sequence[AnyInterface], done: Done
    ) -> None:
        """Take `addresses` off; also what is not there.

        `done` is called when they are gone, or cannot be; never if they are asked on before.
        """
        self._want(_Change(interface.name, addresses, done, present=False))

    def sweep(self, addresses: Iterable[Address]) -> list[AnyInterface]:
        """Take `addresses` off every interface, whatever their prefix. Raises HostError.

        Waits for it.
        """
        unwanted = set(addresses)
        found = self._list().find_all(unwanted)
        problems = [
            self._commands.run(self._argv(self.remove_arguments(one))).problem for one in found
        ]
        left = self._list().find_all(unwanted) if found else []
        if self._callback is not None:
            self._look()
        if left:
            reasons = [problem for problem in problems if problem is not None]
            raise HostError(reasons[0] if reasons else f"{left[0].address} stays on {left[0].unit}")
        return [one.address for one in found]

    def for_child(self, loop: Loop) -> Self:
        """Return a host that listens to no routing socket."""
        return type(self)(loop, self._log, routing=None, ifconfig=self._ifconfig)

    # Listing.

    def _argv(self, arguments: Argv) -> Argv:
        return (self._ifconfig, *arguments)

    def _current(self) -> Snapshot:
        if self._snapshot is None:
            self._snapshot = self._list()
        return self._snapshot

    def _list(self) -> Snapshot:
        """List everything, and wait for it."""
        result = self._commands.run(self.list_command())
        if result.problem is not None:
            raise HostError(result.problem)
        return Snapshot(self.read_listing(result.output))

    def _on_routing_message(self) -> None:
        if self._routing is not None and self._routing.changed():
            self._look()

    def _look(self) -> None:
        """List everything anew, soon."""
        self._stale = True
        self._schedule_tick()
        self._work()

    def _schedule_tick(self) -> None:
        now = self._loop.now()
        settled = now > self._watchful_until and all(one.mend_at < now for one in self._changes)
        pause = _LONG_POLL if self._routing is not None and settled else _SHORT_POLL
        self._tick.reschedule(now + pause)

    # Changing.

    def _want(self, change: _Change) -> None:
        """Make a change, in place of an earlier one of the same addresses."""
        replaced = [known for known in self._changes if known.overlaps(change)]
        self._changes = [known for known in self._changes if known not in replaced]
        self._changes.append(change)
        # The snapshot may be older than what was done for a change that has not ended.
        if self._snapshot is not None and all(known.done is None for known in replaced):
            self._proceed(change, self._needs(change, self._snapshot), self._snapshot)
        self._stale = True
        self._work()

    def _work(self) -> None:
        """Run the next command, if none runs: first changes, then the listing that checks them."""
        if self._commands.busy:
            return
        while self._queue:
            change, argv = self._queue.popleft()
            if change is None or change in self._changes:
                self._commands.start(argv, partial(self._ran, change, argv))
                return
        if self._stale:
            self._stale = False
            self._commands.start(self.list_command(), self._listed)

    def _ran(self, change: _Change | None, argv: Argv, result: Result) -> None:
        if change is not None and result.problem is not None:
            change.problem = result.problem
            change.attempts = _ATTEMPTS if result.hung else change.attempts
            if undo := self.undo_arguments(argv[1:], result.output):
                self._queue.appendleft((None, self._argv(undo)))
        self._stale = True
        self._watchful_until = self._loop.now() + _WATCHFUL
        self._schedule_tick()
        self._work()

    def _listed(self, result: Result) -> None:
        if result.problem is not None:
            self._log.error(f"{result.problem}; trying again", key="ifconfig")
            for change in [one for one in self._changes if one.done is not None]:
                self._finish(change, result.problem)
            self._work()
            return
        before, self._snapshot = self._snapshot, Snapshot(self.read_listing(result.output))
        self._tell_links()
        for change in list(self._changes):
            if change in self._changes:  # and not replaced by what the last one led to
                self._check(change, self._snapshot)
        events = self._snapshot.changes_since(before) if before is not None else []
        if events and self._callback is not None:
            self._callback(events)
        self._work()

    def _check(self, change: _Change, snapshot: Snapshot) -> None:
        """End a change that has been made, or has failed; else go on with it."""
        if any(queued is change for queued, _ in self._queue):
            return  # It was listed before its commands have run.
        needs = self._needs(change, snapshot)
        if not (needs.absent or needs.left or needs.broken):
            self._finish(change, None)
        elif (needs.absent or needs.left) and change.attempts >= _ATTEMPTS:
            self._finish(
                change,
                change.problem
                or f"{self._ifconfig.rpartition('/')[2]} succeeded, yet nothing has changed",
            )
        else:
            self._proceed(change, needs, snapshot)

    def _finish(self, change: _Change, problem: str | None) -> None:
        done, change.done = change.done, None
        if problem is not None or not any(change.addresses.values()):
            self._changes.remove(change)
        if done is not None:
            done(problem)

    def _needs(self, change: _Change, snapshot: Snapshot) -> _Needs:
        needs = _Needs()
        for ip, wanted in change.addresses.items():
            found = snapshot.find(change.interface, ip)
            if wanted is None:
                needs.left += [found] if found is not None else []
            elif found is None:
                needs.absent.append(wanted)
            elif self.mend_arguments(found):
                needs.broken.append(found)
        return needs

    def _proceed(self, change: _Change, needs: _Needs, snapshot: Snapshot) -> None:
        """Queue the commands for what is not as wanted."""
        commands: list[Argv] = []
        if change.done is not None:  # What goes later is the group's to put back: it is told.
            others = [one.address for one in snapshot.on(change.interface)]
            commands += [
                self.add_arguments(change.interface, address, others) for address in needs.absent
            ]
            commands += [self.remove_arguments(one) for one in needs.left]
            change.attempts += bool(commands)
        if needs.broken and self._loop.now() >= change.mend_at:
            commands += self._mend(change, needs.broken)
        self._queue += [(change, self._argv(arguments)) for arguments in commands]

    def _mend(self, change: _Change, broken: Sequence[Listed]) -> list[Argv]:
        pause = min(SECOND << change.mends, _LONGEST_PAUSE)
        change.mend_at = self._loop.now() + pause
        change.mends += 1
        for one in broken:
            why = "is a duplicate: another host answers for it" if one.duplicate else "is down"
            self._log.warning(f"{one.address.ip} on {one.unit} {why}; bringing it up again")
        return [argv for one in broken for argv in self.mend_arguments(one)]

    # Links.

    def _tell_links(self) -> None:
        """Let links that wait for an address, or have another one now, know."""
        self._links = [link for link in self._links if not link.closed]
        for link in self._links:
            try:
                link.use_addresses(self._ipv4_addresses(link.interface))
            except OSError as error:
                self._log.error(
                    f"{link.interface}: cannot listen: {error.strerror}",
                    key=f"listen {link.interface}",
                )

    def _ipv4_addresses(self, interface: str) -> list[IPv4Interface]:
        found = [one.address for one in self._current().on(interface)]
        return [address for address in found if isinstance(address, IPv4Interface)]


def may_open_raw_socket() -> bool:
    """Tell whether this process may open the sockets for advertisements, by trying."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL).close()
    except PermissionError:
        return False
    except OSError:
        return True  # Opening the link will say what is wrong.
    return True
