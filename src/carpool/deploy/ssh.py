"""The way to a global zone: SSH, with pyinfra's connections.

pyinfra finds its way by the user's ssh_config, agent, keys and jump hosts, and holds host keys
against known_hosts. Commands go over channels of our own on its connections, for three reasons:
its ``run_shell_command`` takes only lines of text on standard input, and a program and a password
must not be in an argument; it cannot keep a command running while others run, and a lock must
last as long as its connection; and from a connection that is cut it returns as from a command
that fails.
"""

from __future__ import annotations

import logging
import re
import shlex
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from socket import gaierror
from typing import TYPE_CHECKING, Any, Protocol

from carpool.deploy.errors import DeployError, SilentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STEP = "connect"
CONNECT_TIMEOUT = 10
"""Seconds for a TCP connection, and for SSH's greeting."""
PATIENCE = 120
"""Seconds without a word from a command until it is given up."""
MOST_OUTPUT = 16 << 20
"""Bytes of output that a command may print."""

_MOST_SESSIONS = 8  # at once; sshd_config(5) allows 10 on a connection, and a lock is one
_LONGEST_REASON = 400  # characters
_CHUNK = 65536
_LONGEST_LINE = 1 << 20  # bytes
_KEEPALIVE = 15  # seconds; unanswered ones make the kernel notice that a path is dead
_CUT = "see whether the host is up, then run the command again: what is done is not done twice"
_ADDRESS = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """What it said at the end, on one line."""
        lines = [line.strip() for line in (self.out + "\n" + self.err).splitlines()]
        said = [line for line in lines if line]
        if not said:
            return f"exit code {self.code}"
        # vmadm explains itself in JSON, of many lines.
        text = " ".join(said) if said[-1] in ("}", "]") else said[-1]
        return text if len(text) <= _LONGEST_REASON else f"... {text[-_LONGEST_REASON:]}"


class Session(Protocol):
    """A command that keeps running on the far side until it is closed."""

    def first_lines(self, last: Iterable[str]) -> list[str]:
        """Return the lines up to the first that is one of ``last``, or to the end."""
        ...

    def close(self) -> None:
        """End the command's standard input, and wait a moment for it to end."""
        ...


class Remote(Protocol):
    """A global zone that commands can be sent to, from any thread."""

    name: str

    def run(self, script: str, data: bytes = b"", *, patience: float = PATIENCE) -> Output:
        """Run a script in sh, ``data`` its standard input.

        ``patience`` is how many seconds it may be silent. Raises SilentError if it is for longer,
        another DeployError if the connection is cut; neither if the script fails.
        """
        ...

    def start(self, script: str) -> Session:
        """Start a script in sh, and let it run. Raises DeployError."""
        ...

    def close(self) -> None:
        """Hang up, also under the feet of a thread that waits for an answer."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """How to get in; what is None is as ssh_config and the agent have it."""

    identity: Path | None = None
    known_hosts: Path | None = None
    ssh_config: Path | None = None

    def words(self) -> list[str]:
        """Return what says the same to the program ssh."""
        words = []
        if self.identity is not None:
            words += ["-i", str(self.identity)]
        if self.known_hosts is not None:
            words += ["-o", f'UserKnownHostsFile="{self.known_hosts}"']
        if self.ssh_config is not None:
            words += ["-F", str(self.ssh_config)]
        return words


@dataclass(slots=True)
class Network:
    """Opens connections. Importing pyinfra takes half a second: only who connects waits for it."""

    access: Access = field(default_factory=Access)
    _state: Any = None

    def prepare(self, hypervisors: Iterable[str]) -> None:
        """Get ready for these. Raises DeployError if pyinfra is not installed."""
        try:
            pyinfra: Any = import_module("pyinfra.api")
        except ImportError as error:
            raise DeployError(
                "this machine",
                STEP,
                f"pyinfra is not installed ({error.name} is missing)",
                "run in a checkout of carpool: pip install '.[deploy]'",
            ) from None
        # Without a handler they would print tracebacks; what they have to say is in our errors.
        for name in ("pyinfra", "paramiko"):
            logging.getLogger(name).addHandler(logging.NullHandler())
            logging.getLogger(name).propagate = False
        hosts = [(hypervisor, self._data(hypervisor)) for hypervisor in hypervisors]
        # With PARALLEL set it does not warn about descriptors: the pool is not used.
        config = pyinfra.Config(CONNECT_TIMEOUT=CONNECT_TIMEOUT, PARALLEL=1)
        self._state = pyinfra.State(pyinfra.Inventory((hosts, {})), config)

    def _data(self, hypervisor: str) -> dict[str, Any]:
        found = _ADDRESS.fullmatch(hypervisor)
        assert found is not None, "the cluster file was checked"
        data: dict[str, Any] = {
            "ssh_hostname": found["six"] or found["host"],
            "ssh_user": found["user"],
            "ssh_port": found["port"] and int(found["port"]),
            # pyinfra's default takes the key of a host that it has never seen.
            "ssh_strict_host_key_checking": "yes",
            "ssh_paramiko_connect_kwargs": {
                "banner_timeout": CONNECT_TIMEOUT,
                "auth_timeout": CONNECT_TIMEOUT,
            },
            "ssh_key": self.access.identity and str(self.access.identity),
            "ssh_known_hosts_file": self.access.known_hosts and str(self.access.known_hosts),
            "ssh_config_file": self.access.ssh_config and str(self.access.ssh_config),
        }
        return {name: value for name, value in data.items() if value is not None}

    def connect(self, hypervisor: str) -> SshRemote:
        """Connect to one of the hypervisors, also again; from any thread. Raises DeployError."""
        host = self._state.inventory.get_host(hypervisor)
        try:
            # pyinfra takes a host for connected until it is told otherwise.
            if host.connected and not _is_open(host):
                host.disconnect()
            host.connect(show_errors=False, raise_exceptions=True)
        except _errors() as error:
            raise _refused(hypervisor, error) from None
        transport = host.connector.client.get_transport()
        transport.set_keepalive(_KEEPALIVE)
        return SshRemote(hypervisor, transport)


def _is_open(host: Any) -> bool:
    transport = host.connector.client.get_transport()
    return transport is not None and bool(transport.is_active())


def _errors() -> tuple[type[Exception], ...]:
    """Return what pyinfra, paramiko and sockets raise."""
    exceptions: Any = import_module("pyinfra.api.exceptions")
    return (
        exceptions.PyinfraError,
        import_module("paramiko").SSHException,
        OSError,
        EOFError,
        OverflowError,
    )


def _refused(host: str, error: Exception) -> DeployError:
    """Return what a failed connection means, and the mend."""
    paramiko: Any = import_module("paramiko")
    cause = error.__context__ or error
    text = str(cause) or type(cause).__name__
    name = host.rpartition("@")[2]
    match cause:
        case paramiko.BadHostKeyException():
            message = "its host key is not the one in known_hosts: it may be somebody else's host"
            mend = f"if it was installed anew, run: ssh-keygen -R {shlex.quote(name)}"
        case paramiko.AuthenticationException():
            message = "it takes none of your keys"
            mend = "put your public key into its authorized_keys, or name the key: --identity FILE"
        case paramiko.SSHException() if "known_hosts" in text:
            message = "its host key is unknown"
            mend = f"compare its fingerprint, and accept it once with: ssh {shlex.quote(host)}"
        case gaierror():
            message, mend = "there is no host of that name", "mend the name, or the resolver"
        case TimeoutError():
            message = f"no answer within {CONNECT_TIMEOUT} s"
            mend = "see whether the host is up and this machine may reach its SSH port"
        case OSError():
            message = f"cannot connect: {cause.strerror or text}"
            mend = "see whether the host is up and runs an SSH server"
        case _:
            message = f"SSH fails: {text[:200]}"
            mend = f"try: ssh {shlex.quote(host)}"
    return DeployError(host, STEP, message, mend)


class SshRemote:
    """A global zone over SSH."""

    def __init__(self, name: str, transport: Any) -> None:
        self.name = name
        self._transport = transport
        self._turn = threading.BoundedSemaphore(_MOST_SESSIONS)

    def run(self, script: str, data: bytes = b"", *, patience: float = PATIENCE) -> Output:
        """Run a script in sh, ``data`` its standard input; see Remote."""
        with self._turn, self._open(script, patience) as channel:
            try:
                # What ends before it has read everything says why itself.
                with suppress(OSError):
                    channel.sendall(data)
                    channel.shutdown_write()
                out = _read(channel.recv)
                err = _read(channel.recv_stderr)
                code = channel.recv_exit_status()
            except TimeoutError:
                raise SilentError(
                    self.name, "run", f"no answer for {patience:.0f} s", _CUT
                ) from None
            except (OSError, EOFError) as error:
                raise self._cut(error) from None
        if code == -1:
            raise self._cut(None)
        return Output(code, out, err)

    def start(self, script: str) -> SshSession:
        """Start a script in sh, and let it run; see Remote."""
        return SshSession(self.name, self._open(script, PATIENCE))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def _open(self, script: str, patience: float) -> Any:
        try:
            channel = self._transport.open_session(timeout=CONNECT_TIMEOUT)
            channel.settimeout(patience)
            channel.exec_command(f"exec sh -c {shlex.quote(script)}")
        except _errors() as error:
            raise self._cut(error) from None
        return channel

    def _cut(self, error: Exception | None) -> DeployError:
        why = f" ({error})" if error and str(error) else ""
        return DeployError(self.name, "run", f"the connection is cut{why}", _CUT)


class SshSession:
    """A command that keeps running on its channel."""

    def __init__(self, name: str, channel: Any) -> None:
        self._name = name
        self._channel = channel

    def first_lines(self, last: Iterable[str]) -> list[str]:
        """Return the lines up to the first that is one of ``last``, or to the end."""
        text = b""
        ends = set(last)
        while True:
            lines = text.decode(errors="replace").split("\n")
            for number, line in enumerate(lines[:-1]):
                if line in ends:
                    return lines[: number + 1]
            more = self._channel.recv(4096)
            if not more:
                return [line for line in lines if line]
            text += more

    def lines(self) -> Iterator[str]:
        """Yield the lines, as they come, to the end. Raises DeployError if it is cut."""
        self._channel.settimeout(None)
        rest = b""
        try:
            while more := self._channel.recv(_CHUNK):
                *whole, rest = (rest + more).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    break
                yield from (line.decode(errors="replace") for line in whole)
        except (OSError, EOFError) as error:
            raise DeployError(self._name, "run", f"the connection is cut ({error})", _CUT) from None

    def close(self) -> None:
        """End the command's standard input, and wait a moment for it to end."""
        with suppress(OSError, EOFError):
            self._channel.settimeout(5)
            self._channel.shutdown_write()
            while self._channel.recv(4096):
                pass
        self._channel.close()


def _read(receive: Any) -> str:
    parts: list[bytes] = []
    size = 0
    while size < MOST_OUTPUT and (part := receive(65536)):
        parts.append(part)
        size += len(part)
    return b"".join(parts).decode(errors="replace")
