"""Tells systemd how the daemon is, and that it lives: sd_notify(3), without its library.

A service with Type=notify is up when it says READY=1; with WatchdogSec= it is killed, and started
again, when it has been silent for so long. It speaks from the loop alone: one that is stuck does
not feed the watchdog. Over `carpool restart` the process stays, and so does all this.
"""

import os
import socket
import time
from collections.abc import Mapping

from carpool.carp.election import State
from carpool.carp.timing import SECOND
from carpool.node.daemon import Daemon
from carpool.node.events import Events, Kept
from carpool.node.loop import Loop

SOCKET = "NOTIFY_SOCKET"
_MOST_NAMED = 4
_AGAIN = SECOND // 10
_GATHER = SECOND // 5
"""From a change of state to the status that tells it (ns): many groups move together."""


class ServiceManager:
    """The one that has started us, where it listens: see `find`."""

    def __init__(self, address: str, watchdog: int, loop: Loop) -> None:
        """Speak to a socket at `address`; be fed every `watchdog` ns, 0 for never."""
        self._address = address
        self._period = watchdog // 2
        self._loop = loop
        self._daemon: Daemon | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ready = loop.call_at(loop.now(), self._tell_ready)
        self._ready.cancel()
        self._feed = loop.call_at(loop.now(), self._feed_watchdog)
        self._feed.cancel()
        self._status = loop.call_at(loop.now(), self._tell_status)
        self._status.cancel()

    def tell_of(self, daemon: Daemon, events: Events) -> None:
        """Tell how a daemon is, from the first round of its loop on."""
        self._daemon = daemon
        daemon.on_stop.append(self._tell_stopping)
        events.subscribe(self._on_event)
        self._ready.reschedule(self._loop.now())

    def close(self) -> None:
        """Say no more."""
        for timer in (self._ready, self._feed, self._status):
            timer.cancel()
        self._socket.close()

    def _on_event(self, event: Kept) -> None:
        if event.kind in ("state", "resumed") and self._status.when is None:
            self._status.reschedule(self._loop.now() + _GATHER)
        phase = event.details.get("phase") if event.kind == "daemon" else None
        if phase == "replacing":
            # Its clock is systemd's, which reads CLOCK_MONOTONIC.
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._say("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=restarting")
            self._feed_watchdog()
        elif phase == "failed":
            self._tell_ready()

    def _tell_ready(self) -> None:
        if not self._say("READY=1", f"STATUS={self._text()}"):
            self._ready.reschedule(self._loop.now() + _AGAIN)  # Else it would wait, and kill us.
        self._feed_watchdog()

    def _tell_stopping(self) -> None:
        self._say("STOPPING=1", "STATUS=stopping")

    def _tell_status(self) -> None:
        self._say(f"STATUS={self._text()}")

    def _feed_watchdog(self) -> None:
        if self._period:
            fed = self._say("WATCHDOG=1")
            wait = self._period if fed else min(_AGAIN, self._period)
            self._feed.reschedule(self._loop.now() + wait)

    def _text(self) -> str:
        groups = [] if self._daemon is None else list(self._daemon.groups)
        if len(groups) <= _MOST_NAMED:
            return ", ".join(f"{one.settings.name} {one.virtual_host.state}" for one in groups)
        masters = sum(one.virtual_host.state is State.MASTER for one in groups)
        return f"master of {masters} of {len(groups)} groups"

    def _say(self, *lines: str) -> bool:
        """Return whether there was room for it."""
        try:
            self._socket.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except BlockingIOError:
            return False
        except OSError:
            pass  # It is not there just now, or does not listen: never wait for it.
        return True


def find(loop: Loop, environment: Mapping[str, str] = os.environ) -> ServiceManager | None:
    """Return the service manager that has started us, None if none wants to be told."""
    path = environment.get(SOCKET, "")
    if not path.startswith(("/", "@")):
        return None
    address = f"\0{path[1:]}" if path.startswith("@") else path
    return ServiceManager(address, _watchdog(environment), loop)


def _watchdog(environment: Mapping[str, str]) -> int:
    """Return how long we may be silent (ns), 0 for as long as we like: sd_watchdog_enabled(3)."""
    told, whom = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not told.isdecimal() or whom not in ("", str(os.getpid())):
        return 0
    return int(told) * 1000
