"""What a unit file says of a service, as far as a stand-in for systemd needs to know.

Sources: systemd.unit(5), systemd.service(5), systemd.kill(5).
"""

import re
import shlex
from collections.abc import Mapping
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path("/etc/systemd/system")
WANTS: Final = FOLDER / "multi-user.target.wants"
"""Links to the units that are started at boot: this is what `enabled` means."""

STATES: Final = Path("/var/lib")

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ESCAPED: Final = re.compile(r"([%$])\1")
_START_LIMIT: Final = 5
_START_LIMIT_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 90.0
_RESTART_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Unit:
    """A service. `command` is for sh; a unit that runs `once` is up when that has ended well.

    It is started at most `start_limit` times in `start_limit_seconds`, if that is not 0.
    """

    name: str
    command: str
    once: bool = False
    restart: str = "no"
    restart_seconds: float = _RESTART_SECONDS
    not_after: frozenset[int] = frozenset()
    """The exit codes after which it is not restarted."""
    stop_seconds: float = _STOP_SECONDS
    kill_all: bool = True
    """Whether all its processes are asked to stop, not its first one alone."""
    start_limit: int = _START_LIMIT
    start_limit_seconds: float = _START_LIMIT_SECONDS
    wanted: bool = False
    """Whether it can be enabled."""
    state_directory: str = ""
    """Its own directory below STATES, which is made when it starts."""

    @property
    def environment(self) -> tuple[tuple[str, str], ...]:
        """What its processes get."""
        if not self.state_directory:
            return (("PATH", _PATH),)
        return (("PATH", _PATH), ("STATE_DIRECTORY", str(STATES / self.state_directory)))


def full_name(name: str) -> str:
    """Return the name with its kind: carpool.service."""
    return name if name.endswith(".service") else f"{name}.service"


def read(name: str, text: str) -> Unit:
    """Read a unit file. Raises ValueError, which says what systemd would."""
    parser = RawConfigParser(delimiters=("=",), comment_prefixes=("#", ";"), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except Error as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from None
    unit, service, install = (
        dict(parser.items(section)) if parser.has_section(section) else {}
        for section in ("Unit", "Service", "Install")
    )
    if not service.get("ExecStart"):
        raise ValueError(f"{name}: Service has no ExecStart=. Refusing.")
    return Unit(
        name,
        _command(service["ExecStart"]),
        once=service.get("Type") == "oneshot",
        restart=service.get("Restart", "no"),
        restart_seconds=_seconds(service, "RestartSec", _RESTART_SECONDS),
        not_after=frozenset(map(int, service.get("RestartPreventExitStatus", "").split())),
        stop_seconds=_seconds(service, "TimeoutStopSec", _STOP_SECONDS),
        kill_all=service.get("KillMode", "control-group") == "control-group",
        start_limit=int(unit.get("StartLimitBurst", _START_LIMIT)),
        start_limit_seconds=_seconds(unit, "StartLimitIntervalSec", _START_LIMIT_SECONDS),
        wanted="WantedBy" in install,
        state_directory=service.get("StateDirectory", ""),
    )


def _command(line: str) -> str:
    """Return a command line of ExecStart= for sh: its variables and specifiers are not known."""
    words = [_ESCAPED.sub(r"\1", word) for word in shlex.split(line)]
    if not words[0].startswith("/"):
        raise ValueError(f"Neither a valid executable name nor an absolute path: {words[0]}")
    return shlex.join(words)


def _seconds(section: Mapping[str, str], key: str, default: float) -> float:
    return float(section.get(key, default))
