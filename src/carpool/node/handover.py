"""What a daemon leaves to the program that replaces it in its process: `carpool restart`.

It lies in a file without a name, whose descriptor an environment variable tells. It has no secrets:
the successor reads the cluster file and the passwords itself.
"""

import json
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from carpool.carp.auth import Address
from carpool.carp.memory import Memory
from carpool.node.settings import GroupSettings

VERSION = 4
"""Of what is handed over: a program that knows only an older one does not take over."""
OLDEST = 1
"""The first that this program can go on from."""

TRY = "--try"
"""The option of `carpool run` that makes it say what it would run, and end."""

HELD_BACK = {
    *(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP),
    *(signal.SIGUSR1, signal.SIGUSR2),
}
"""Signals that must not kill the new program before it listens to them; it lets them in."""

_VARIABLE = "CARPOOL_HANDOVER"
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class GroupState:
    """What a group was when its daemon was replaced."""

    name: str
    identity: str
    addresses: tuple[str, ...]
    memory: Memory
    since: int
    """Nanoseconds of the loop's clock, which goes on."""
    why: str
    demotions: Mapping[str, int]
    services: tuple[str, ...] = ()
    """Those that it had started."""
    known_services: tuple[str, ...] | None = None
    """All that it has, running or not; None from a program that does not tell."""


@dataclass(frozen=True, slots=True)
class Handover:
    """What a daemon was when it was replaced. Descriptors and children are its process's."""

    node: str
    run_directory: str
    listener: int
    lock: int
    restarts: int
    """How often the program of this process has been replaced, this time included."""
    maintenance: Mapping[str, Any]
    groups: tuple[GroupState, ...]
    outputs: tuple[tuple[str, int], ...] = ()
    """Pipes that scripts have left open in the background: what the log calls them, descriptor."""
    children: tuple[int, ...] = ()
    """Processes that have nothing more to say, and end by themselves."""
    paces: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of the groups of the fast profile that this machine cannot hold the interval of."""
    events: Mapping[str, Any] = field(default_factory=dict)
    """What has happened lately."""
    notices: Mapping[str, Any] = field(default_factory=dict)
    """What notifiers have not told yet."""
    lines: Sequence[str] = ()
    """What waits for a log server."""
    version: int = VERSION
    pid: int = field(default_factory=os.getpid)

    def state_of(self, settings: GroupSettings) -> GroupState | None:
        """Return what a group was, None if it is new, or another one by that name."""
        wanted = settings.name, identity(settings)
        return next((one for one in self.groups if (one.name, one.identity) == wanted), None)

    def addresses(self) -> set[Address]:
        """Return every address that may be on this host because of its groups."""
        return {ip_interface(text).ip for group in self.groups for text in group.addresses}

    def send(self) -> None:
        """Leave it to the program that this process is about to become. Raises OSError."""
        fd = self._open()
        try:
            # Not the events, which asdict would copy one by one.
            events = {"events": self.events, "notices": self.notices}
            told = {**asdict(replace(self, events={}, notices={})), **events}
            content = memoryview(json.dumps(told).encode())
            while content:
                content = content[os.write(fd, content) :]
            inherited = (self.listener, self.lock, *(reader for _, reader in self.outputs))
            for descriptor in (fd, *inherited):
                os.set_inheritable(descriptor, True)
        except OSError:
            os.close(fd)
            raise
        os.environ[_VARIABLE] = str(fd)

    def _open(self) -> int:
        """Return a file without a name, in memory where that can be: a disk may be full."""
        if hasattr(os, "memfd_create"):
            with suppress(OSError):
                return os.memfd_create("carpool-handover")
        path = Path(self.run_directory) / f"{self.node}.handover"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        path.unlink()
        return fd

    def take_back(self) -> None:
        """Undo `send`: the program could not be replaced."""
        os.close(int(os.environ.pop(_VARIABLE)))
        for descriptor in (self.listener, self.lock, *(reader for _, reader in self.outputs)):
            os.set_inheritable(descriptor, False)


def receive() -> Handover | None:
    """Return what was left to this process, None if nothing was, or it makes no sense."""
    told = os.environ.pop(_VARIABLE, "")
    if not told.isdecimal():
        return None
    try:
        content = os.pread(int(told), _MOST_BYTES, 0)
        os.close(int(told))
        document = json.loads(content)
        if not OLDEST <= document["version"] <= VERSION or document["pid"] != os.getpid():
            return None
        groups = tuple(
            GroupState(**{**group, "memory": Memory(**group["memory"])})
            for group in document["groups"]
        )
        outputs = tuple((label, fd) for label, fd in document["outputs"])
        received = Handover(**{**document, "groups": groups, "outputs": outputs})
        for fd in (received.listener, received.lock, *(reader for _, reader in outputs)):
            os.set_inheritable(fd, False)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return received


def identity(settings: GroupSettings) -> str:
    """Return in words what makes a group the same one after a restart.

    Where that differs it is another group: the former one leaves, and this one begins as BACKUP.
    """
    addresses = ", ".join(sorted(map(str, settings.addresses)))
    return (
        f"vhid {settings.carp.vhid} on {settings.interface} to {settings.multicast}: {addresses}"
        f"{'' if settings.manage_addresses else ' by scripts'}"
    )


def identities(groups: Iterable[GroupSettings]) -> dict[str, str]:
    """Return the identity of each group by its name."""
    return {group.name: identity(group) for group in groups}
