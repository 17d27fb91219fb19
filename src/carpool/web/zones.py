"""Daemons in zones, asked over SSH by `carpool` inside the zone, as `zlogin` gets there."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

from carpool.deploy import shell
from carpool.deploy.errors import DeployError, SilentError
from carpool.deploy.ssh import Access, Network
from carpool.smartos.places import ZONE, python
from carpool.web.commands import CommandSource, until_input_ends
from carpool.web.sources import SourceError

if TYPE_CHECKING:
    from carpool.cluster.model import Node
    from carpool.deploy.ssh import Output

_PATIENCE: Final = 10.0  # s for an answer
_MOST_AT_ONCE: Final = 4


class Talk(Protocol):
    """A command that goes on, on the far side."""

    def lines(self) -> Iterator[str]:
        """Yield what it prints. Raises DeployError."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Remote(Protocol):
    """A global zone, as `carpool.deploy.ssh.SshRemote` is one."""

    def run(self, script: str, data: bytes = b"", *, patience: float = ...) -> Output:
        """Run a script in sh. Raises DeployError; SilentError if nothing comes of it."""
        ...

    def start(self, script: str) -> Talk:
        """Start a script in sh. Raises DeployError."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class Hypervisor:
    """The connection to one global zone, made when it is needed, and again when it was cut."""

    def __init__(self, name: str, connect: Callable[[str], Remote]) -> None:
        self.name = name
        self._connect = connect
        self._remote: Remote | None = None
        self._lock = Lock()
        self.questions = BoundedSemaphore(_MOST_AT_ONCE)
        """Taken by who asks: sshd_config(5) allows ten sessions on a connection."""
        self.followers = BoundedSemaphore(_MOST_AT_ONCE)
        """Taken by who follows events."""

    def remote(self) -> Remote:
        """Return the connection. Raises DeployError."""
        with self._lock:
            if self._remote is None:
                self._remote = self._connect(self.name)
            return self._remote

    def answers(self, remote: Remote) -> bool:
        """Tell whether a connection still carries anything."""
        try:
            with self.questions:
                return remote.run("exit 0", patience=_PATIENCE).code == 0
        except DeployError:
            return False

    def drop(self, remote: Remote) -> None:
        """Let the next who asks make another connection in the place of this one."""
        with self._lock:
            if self._remote is remote:
                self._remote = None
        with suppress(OSError, EOFError):
            remote.close()

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            remote, self._remote = self._remote, None
        if remote is not None:
            remote.close()


class ZoneSource(CommandSource):
    """The daemon in one zone."""

    def __init__(self, node: Node, hypervisor: Hypervisor) -> None:
        assert node.uuid is not None
        super().__init__(node.name, f"zone {node.uuid} of {hypervisor.name}")
        self._uuid = node.uuid
        self._program = [python(node.zone), "-IS", ZONE.archive]
        self._hypervisor = hypervisor

    def follow(self) -> Iterator[Mapping[str, Any] | None]:
        """Yield its events; see Source."""
        if not self._hypervisor.followers.acquire(blocking=False):
            raise SourceError("the events of enough zones come over this connection")
        try:
            yield from super().follow()
        finally:
            self._hypervisor.followers.release()

    def _lines(self, *words: str) -> Iterator[str]:
        remote = self._remote()
        session: Talk | None = None
        try:
            session = remote.start(self._while_we_listen(*words))
            yield from session.lines()
        except DeployError as error:
            self._hypervisor.drop(remote)
            raise SourceError(error.problem.message) from None
        finally:
            if session is not None:
                session.close()

    def close(self) -> None:
        """Hang up, for all zones of the hypervisor."""
        self._hypervisor.close()

    def _run(self, *words: str) -> Output:
        remote = self._remote()
        try:
            with self._hypervisor.questions:
                return remote.run(self._script(*words), patience=_PATIENCE)
        except DeployError as error:
            # A zone that hangs is no reason to cut off the others of its hypervisor.
            if not isinstance(error, SilentError) or not self._hypervisor.answers(remote):
                self._hypervisor.drop(remote)
            raise SourceError(error.problem.message) from None

    def _remote(self) -> Remote:
        try:
            return self._hypervisor.remote()
        except DeployError as error:
            raise SourceError(f"{error.problem.host}: {error.problem.message}") from None

    def _script(self, *words: str) -> str:
        inside = shlex.quote(self._command(*words))
        return f"{shell.ENVIRONMENT}exec zlogin {self._uuid} {inside} </dev/null"

    def _while_we_listen(self, *words: str) -> str:
        inside = until_input_ends(self._command(*words))
        return f"{shell.ENVIRONMENT}exec zlogin {self._uuid} {shlex.quote(inside)}"

    def _command(self, command: str, *words: str) -> str:
        return shlex.join([*self._program, command, "--node", self.node, *words])


def zone_sources(nodes: Iterable[Node], access: Access) -> Sequence[ZoneSource]:
    """Return the sources of these nodes, which are zones. Raises DeployError without pyinfra."""
    listed = list(nodes)
    names = dict.fromkeys(node.hypervisor for node in listed if node.hypervisor)
    network = Network(access)
    network.prepare(names)
    hypervisors = {name: Hypervisor(name, network.connect) for name in names}
    return [ZoneSource(node, hypervisors[node.hypervisor]) for node in listed if node.hypervisor]
