"""The virtual addresses of one group on this host: put on, kept for as long as it rules, taken off.

Every advertisement gives them a new term, with the kernel and with the guard, so that they go by
themselves when the daemon no longer advertises: see `carpool.node.lease`.
"""

from collections import deque
from collections.abc import Callable

from carpool.carp.auth import Address
from carpool.carp.timing import SECOND
from carpool.node.guard import Lease
from carpool.node.host import Done, Host, HostError, Interface
from carpool.node.lease import (
    FAST_LIFETIME,
    RENEW_EVERY,
    guarded_time,
    kernel_lifetime,
)
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.settings import GroupSettings

_KERNEL_EARLINESS = SECOND // 20
"""Linux counts an address as run out 20 ms before its time."""
_PAUSE = SECOND
"""From one time that somebody else's work is undone to the next."""
_QUARREL = 5
"""So many times within `_QUARREL_TIME` are a quarrel with a program, not an accident."""
_QUARREL_TIME = 60 * SECOND
_QUARREL_PAUSE = 10 * SECOND


class Holding:
    """Addresses that the daemon itself manages. Made without an interface: `use_interface`."""

    def __init__(
        self,
        settings: GroupSettings,
        lease: Lease,
        *,
        host: Host,
        loop: Loop,
        log: Log,
        restored: Done,
    ) -> None:
        """Make a holding of nothing.

        `restored` is called whenever addresses that had gone are on again, or cannot be put on, or
        are taken off so often that another node had better hold them.
        """
        self._interface: Interface | None = None
        self._settings = settings
        self._fast = settings.carp.fast
        self._label = f"{settings.name}: " if settings.name else ""
        self._host = host
        self._loop = loop
        self._log = log
        self._lease = lease
        self._restored = restored
        self._held = False
        self._gone: set[Address] = set()
        self._interval = 0
        self._lifetime = 0
        self._guarded_time = 0
        self._advertised_at = 0
        self._renewed_at = 0
        self._told_interval = 0
        self._renewal: Callable[[], None] | None = None
        """Renews what is here; None until it is known what that is."""
        self._ran_out_at = -SECOND
        self._restores: deque[int] = deque([-_QUARREL_TIME], _QUARREL)
        self._timer = loop.call_at(loop.now(), self._restore)
        self._timer.cancel()

    def use_interface(self, interface: Interface | None) -> None:
        """Hold the addresses there from now on; None while there is no interface."""
        self._interface = interface
        self._renewal = None
        self._lease.let_renew(0)

    def put_on(self, interval: int, done: Done) -> None:
        """Put the addresses on for a term; the next advertisement is an `interval` (ns) away."""
        self._held = True
        if self._interface is None:
            done(None)
        else:
            self._add(self._interface, interval, done)

    def take_off(self, done: Done) -> None:
        """Take the addresses off; also those that are not on."""
        self._held = False
        self._lease.let_renew(0)
        self._forget_losses()

        def ended(problem: str | None) -> None:
            if problem is None:
                self._lease.end()
            done(problem)

        if self._interface is None:
            ended(None)
        else:
            self._host.remove_addresses(self._interface, self._settings.addresses, ended)

    def ready(self, interval: int) -> bool:
        """Tell whether an advertisement may be sent: put the addresses on again if they ran out."""
        now = self._loop.now()
        if not self._held or self._interface is None or not self._has_run_out(now):
            return self._held
        self._log.happened(
            "address",
            Level.WARNING,
            f"{self._label}the daemon was held up for {(now - self._advertised_at) / SECOND:.3g} s "
            "and its addresses ran out; putting them on again",
            group=self._settings.name,
            key=f"late {self._settings.name}",
            details={"change": "ran out"},
        )
        self._ran_out_at = now
        self._forget_losses()
        problems: list[str] = []

        def ended(problem: str | None) -> None:
            problems.extend(filter(None, [problem]))
            self._restored(problem)

        self._add(self._interface, interval, ended)
        return not problems

    def advertised(self, interval: int) -> None:
        """Give the addresses a new term; the next advertisement is an `interval` (ns) away."""
        now = self._loop.now()
        if not self._held or self._interface is None:
            return
        told = self._lifetime
        self._begin_term(now, interval)
        if self._fast and interval == self._told_interval:
            return  # The guard does it: we have no time for that.
        self._told_interval = interval
        # A node that is demoted advertises more slowly: what the kernel was told may be too short.
        if now - self._renewed_at >= RENEW_EVERY or self._lifetime > told:
            if self._renewal is None:
                here = [one for one in self._settings.addresses if one.ip not in self._gone]
                self._renewal = self._host.renewal(self._interface, here, self._lifetime)
            self._renewal()
            self._renewed_at = now

    def lost(self, address: Address) -> None:
        """Put back what somebody has taken off.

        At once, but only once per second. It may be an administrator, a network manager, or Linux
        itself, which removes with the first address of a subnet all others of it.
        """
        if not self._held:
            return
        self._gone.add(address)
        self._lease.let_renew(0)
        self._renewal = None
        pause = _QUARREL_PAUSE if self._quarrels(self._loop.now()) else _PAUSE
        self._timer.reschedule(max(self._loop.now(), self._restores[-1] + pause))

    def _add(self, interface: Interface, interval: int, done: Done) -> None:
        self._begin_term(self._loop.now(), interval)
        self._renewed_at = self._advertised_at
        addresses = self._settings.addresses
        self._host.add_addresses(interface, addresses, done, lifetime=self._lifetime)
        self._let_renew()

    def _let_renew(self) -> None:
        if self._fast and self._interface is not None and self._held:
            self._lease.let_renew(self._interface.index)

    def _begin_term(self, now: int, interval: int) -> None:
        if interval != self._interval:
            self._interval = interval
            patience = self._settings.shortest_patience
            self._lifetime = kernel_lifetime(patience, interval)
            if self._fast:
                self._lifetime = FAST_LIFETIME
            self._renewal = None
            self._guarded_time = guarded_time(patience, interval)
        self._advertised_at = now
        self._lease.renew(now + self._guarded_time)

    def _has_run_out(self, now: int) -> bool:
        if now - self._advertised_at >= self._guarded_time:
            return True
        kept = self._lifetime * SECOND - _KERNEL_EARLINESS
        return now - self._renewed_at >= kept and not self._fast

    def _forget_losses(self) -> None:
        if self._gone:
            self._gone.clear()
            self._renewal = None
        self._timer.cancel()

    def _quarrels(self, now: int) -> bool:
        many = len(self._restores) == _QUARREL
        return many and now - self._restores[0] < _QUARREL_TIME

    def _restore(self) -> None:
        settings, now = self._settings, self._loop.now()
        self._forget_losses()
        if not self._held or self._interface is None:
            return
        try:
            present = self._host.present()
        except HostError as error:
            self._log.error(f"{self._label}{error}", key=f"restore {settings.name}")
            return
        missing = [address for address in settings.addresses if address.ip not in present]
        if not missing:
            self._let_renew()
            return
        self._restores.append(now)
        names = ", ".join(map(str, missing))
        if now - self._ran_out_at < SECOND:
            self._tell_loss("ran out", f"{names}: ran out, putting it back")
        elif self._quarrels(now):
            self._restored(
                f"{names}: taken off {settings.interface} by somebody else again and again; tell "
                "whatever manages the network to leave it alone"
            )
            return
        else:
            self._tell_loss(
                "taken off by somebody else",
                f"{names}: taken off {settings.interface} by somebody else, putting it back",
            )
        self._host.add_addresses(self._interface, missing, self._restored, lifetime=self._lifetime)
        self._let_renew()

    def _tell_loss(self, change: str, text: str) -> None:
        self._log.happened(
            "address",
            Level.WARNING,
            f"{self._label}{text}",
            group=self._settings.name,
            key=f"restore {self._settings.name}",
            details={"change": change},
        )
