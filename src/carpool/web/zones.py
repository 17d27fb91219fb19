"""Daemons in zones, asked over SSH by `carpool` inside the zone, as `zlogin` gets there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

from carpool.deploy import shell
from carpool.deploy.errors import DeployError, SilentError
from carpool.deploy.ssh import Access, Network
from carpool.smartos.places import ZONE, python
from carpool.web.sources import RefusalError, SourceError

if TYPE_CHECKING:
    from carpool.cluster.model import Node
    from carpool.deploy.ssh import Output

_PATIENCE: Final = 10.0  # s for an answer
_MOST_AT_ONCE: Final = 4
_NOT_RUNNING: Final = 3  # carpool.cli.daemons.NOT_RUNNING
_REFUSED: Final = 1
_STATUS_CODES: Final = (0, 1, 5)  # all, none, some
_WORDS: Final = {"amount": "--by"}
# What a shell puts into the background reads nothing unless it is told to.
_UNTIL_INPUT_ENDS: Final = """\
exec 3<&0
@COMMAND@ &
child=$!
{ cat <&3 >/dev/null; kill $child; } &
wait $child
kill $!
"""


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


class ZoneSource:
    """The daemon in one zone."""

    pause = 3.0

    def __init__(self, node: Node, hypervisor: Hypervisor) -> None:
        assert node.uuid is not None
        self.node = node.name
        self.place = f"zone {node.uuid} of {hypervisor.name}"
        self._uuid = node.uuid
        self._program = [python(node.zone), "-IS", ZONE.archive]
        self._hypervisor = hypervisor
        self._session: Talk | None = None
        self._last: str | None = None

    def ask(self) -> Mapping[str, Any]:
        """Return its status; see Source."""
        code, out, reason = self._run("status", "--json")
        if code in _STATUS_CODES:
            with suppress(ValueError, LookupError, TypeError):
                (status,) = json.loads(out)["daemons"]
                if isinstance(status, dict):
                    return status
        raise SourceError(reason, gone=code == _NOT_RUNNING)

    def act(self, command: str, arguments: Mapping[str, Any]) -> None:
        """Tell it to do something; see Source."""
        words = [command]
        for key, value in arguments.items():
            if key == "on":
                words.append("on" if value else "off")
            elif key in _WORDS:
                words += [_WORDS[key], str(value)]
        code, _, reason = self._run(*words, *arguments["groups"])
        if code:
            raise (RefusalError if code == _REFUSED else SourceError)(reason)

    def follow(self) -> Iterator[Mapping[str, Any] | None]:
        """Yield its events; see Source."""
        if not self._hypervisor.followers.acquire(blocking=False):
            raise SourceError("the events of enough zones come over this connection")
        try:
            yield from self._follow()
        finally:
            self._hypervisor.followers.release()

    def _follow(self) -> Iterator[Mapping[str, Any] | None]:
        code, out, reason = self._run("events", "--json", *self._since())
        if code:
            raise SourceError(reason, gone=code == _NOT_RUNNING)
        yield from self._events(out.splitlines())
        yield None
        remote = self._remote()
        try:
            script = self._while_we_listen("events", "--follow", "--json", *self._since())
            self._session = session = remote.start(script)
            yield from self._events(session.lines())
        except DeployError as error:
            self._hypervisor.drop(remote)
            raise SourceError(error.problem.message) from None
        finally:
            if self._session is not None:
                self._session.close()
                self._session = None
        raise SourceError("the events have ended")

    def _since(self) -> list[str]:
        return [] if self._last is None else ["--since", self._last]

    def _events(self, lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        for line in lines:
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and "seq" in event:
                    self._last = f"{event.get('epoch', '')}/{event['seq']}".removeprefix("/")
                    yield event

    def close(self) -> None:
        """Hang up, for all zones of the hypervisor."""
        self._hypervisor.close()

    def _run(self, *words: str) -> tuple[int, str, str]:
        remote = self._remote()
        try:
            with self._hypervisor.questions:
                found = remote.run(self._script(*words), patience=_PATIENCE)
        except DeployError as error:
            # A zone that hangs is no reason to cut off the others of its hypervisor.
            if not isinstance(error, SilentError) or not self._hypervisor.answers(remote):
                self._hypervisor.drop(remote)
            raise SourceError(error.problem.message) from None
        return found.code, found.out, found.reason

    def _remote(self) -> Remote:
        try:
            return self._hypervisor.remote()
        except DeployError as error:
            raise SourceError(f"{error.problem.host}: {error.problem.message}") from None

    def _script(self, *words: str) -> str:
        inside = shlex.quote(self._command(*words))
        return f"{shell.ENVIRONMENT}exec zlogin {self._uuid} {inside} </dev/null"

    def _while_we_listen(self, *words: str) -> str:
        """Return a script that ends when its standard input does: when we hang up."""
        inside = _UNTIL_INPUT_ENDS.replace("@COMMAND@", self._command(*words))
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
