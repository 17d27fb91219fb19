"""systemctl and journalctl: the services of an lx zone."""

import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from carpool.lab.smartos import startd
from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.stage import CommandError
from carpool.lab.smartos.systemd import LOGS
from carpool.lab.smartos.units import FOLDER, WANTS, full_name

_NOT_ACTIVE: Final = 3
_NO_SUCH_UNIT: Final = 4
_UNSETTLED: Final = ("activating", "deactivating")


def main(words: Sequence[str]) -> int:
    """Run a subcommand."""
    options, operands = read.options(words, "qp:", ("now", "quiet", "no-pager"), anywhere=True)
    verb, *names = operands or [""]
    quiet = not {"-q", "--quiet"}.isdisjoint(options)
    match verb:
        case "daemon-reload":
            startd.ask({"do": "reload"})
        case "start" | "stop" | "restart":
            _change(verb, names)
        case "enable" | "disable":
            _enable(verb, names, quiet=quiet)
            if "--now" in options:
                _change("start" if verb == "enable" else "stop", names)
        case "is-active":
            states = [_state(name) or "inactive" for name in names]
            if not quiet:
                print("\n".join(states))
            return 0 if "active" in states else _NOT_ACTIVE
        case "is-system-running":
            print(state := _of_system())
            return 0 if state == "running" else 1
        case "show":
            for name in names:
                _show(name, [value for option, value in _pairs(words) if option == "-p"])
        case "status":
            return max(map(_tell, names), default=0)
        case _:
            raise CommandError(f"Unknown command verb '{verb}'.")
    return 0


def journal(words: Sequence[str]) -> int:
    """Print what was said by a unit, or about it."""
    options, _ = read.options(words, "u:n:", ("no-pager",), anywhere=True)
    log = LOGS / f"{full_name(options.get('-u', ''))}.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else ["-- No entries --"]
    print("\n".join(lines[-int(options.get("-n", len(lines))) :]))
    return 0


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    return [(word, words[at + 1]) for at, word in enumerate(words[:-1])]


def _change(verb: str, names: Sequence[str]) -> None:
    for name in names:
        if _loaded(name) is None:
            raise CommandError(f"Failed to {verb} {full_name(name)}: Unit not found.", 5)
        startd.ask({"do": verb, "unit": name})
    for name in names:
        # A service that waits for its restart is not waited for, one that still stops is.
        while _state(name) in (_UNSETTLED if verb == "restart" else _UNSETTLED[1:]):
            time.sleep(0.01)


def _enable(verb: str, names: Sequence[str], *, quiet: bool) -> None:
    for name in map(full_name, names):
        unit = _loaded(name)
        if unit is None:
            raise CommandError(f"Failed to {verb} unit: Unit file {name} does not exist.")
        link = WANTS / name
        if verb == "disable":
            link.unlink(missing_ok=True)
        elif unit["wanted"] and not link.is_symlink():
            WANTS.mkdir(parents=True, exist_ok=True)
            link.symlink_to(FOLDER / name)
            if not quiet:
                print(f"Created symlink {link} → {FOLDER / name}.", file=sys.stderr)


def _show(name: str, properties: Sequence[str]) -> None:
    unit = _loaded(name)
    known = {
        "Id": full_name(name),
        "LoadState": "not-found" if unit is None else "loaded",
        "ActiveState": "inactive" if unit is None else unit["state"],
    }
    for key in properties or known:
        if key in known:
            print(f"{key}={known[key]}")


def _tell(name: str) -> int:
    unit = _loaded(name)
    if unit is None:
        print(f"Unit {full_name(name)} could not be found.", file=sys.stderr)
        return _NO_SUCH_UNIT
    processes = startd.ask({"do": "list"})[full_name(name)]["processes"]
    print(f"{full_name(name)}\n     Active: {unit['state']}\n   Main PID: {processes[:1]}")
    return 0 if unit["state"] == "active" else _NOT_ACTIVE


def _of_system() -> str:
    states = [unit["state"] for unit in startd.ask({"do": "list"}).values()]
    if "activating" in states:
        return "starting"
    return "degraded" if "failed" in states else "running"


def _state(name: str) -> str:
    unit = _loaded(name)
    return "" if unit is None else str(unit["state"])


def _loaded(name: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = startd.ask({"do": "load", "unit": name})
    return found
