"""What a global zone and the zones in it are: what the answer to the question means."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from carpool.deploy.errors import DeployError
from carpool.deploy.question import FIRST_BOOT, KNOWN_SERVICES, OWN_SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from carpool.deploy.targets import Address, Target

STEP = "look"
ABSENT = "absent"
ONLINE = "online"

_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")

_FROM_SYSTEMD = {
    "active": ONLINE,
    "inactive": "disabled",
    "failed": "maintenance",
    "activating": "offline",
    "deactivating": "offline",
}
_BOOT = {"running": ONLINE, "degraded": ONLINE, "maintenance": "maintenance"}


@dataclass(frozen=True, slots=True)
class FileState:
    """A file that is there: its mode as ls(1) writes it, and its SHA-256 in hexadecimal."""

    mode: str
    digest: str


@dataclass(frozen=True, slots=True)
class Inside:
    """What a running zone looks like from within.

    ``service`` is the state of carpool's service in SMF's words ("online", "maintenance", with a
    "*" behind it while it changes, "absent" if there is none), ``boot`` that of the first-boot
    script, ``services`` those of the others. ``addresses`` are those that are up and in use.
    """

    files: Mapping[str, FileState]
    service: str
    boot: str
    services: Mapping[str, str]
    addresses: frozenset[Address]


@dataclass(frozen=True, slots=True)
class Observed:
    """What one node is. ``vm`` is what `vmadm get` says, None if there is no such zone.

    ``inside`` is None if one cannot look: the zone does not run, or ``why_not`` says why.
    """

    node: str
    image: bool
    missing_tags: tuple[str, ...]
    vm: Mapping[str, Any] | None = field(repr=False)
    inside: Inside | None
    why_not: str = ""

    @property
    def state(self) -> str:
        """The state of the zone in vmadm's words, "absent" if there is none."""
        return ABSENT if self.vm is None else str(self.vm.get("state", "unknown"))


def answer(host: str, targets: Sequence[Target], text: str) -> dict[str, Observed]:
    """Return what the hypervisor answered, by the nodes' names. Raises DeployError."""
    sections = list(_sections(text))
    if not sections or sections[-1].head != ["end"]:
        raise DeployError(
            host,
            STEP,
            "the answer breaks off" if text else "there is no answer",
            "see whether the host is well, and run the command again",
        )
    found: dict[str, Observed] = {}
    image = True
    tags: list[str] = []
    zone = _Section([], [])
    for section in sections:
        match section.head:
            case ["no-image"]:
                image = False
            case ["no-tag", tag]:
                tags.append(tag)
            case ["zone", *_]:
                zone = section
            case ["inside", uuid]:
                target = next(one for one in targets if one.uuid == uuid)
                vm = _vm(host, target, zone)
                inside, why = _read_inside(section.lines)
                if vm is None:
                    inside, why = None, ""
                found[target.node] = Observed(target.node, image, tuple(tags), vm, inside, why)
                image, tags = True, []
    return found


@dataclass(frozen=True, slots=True)
class _Section:
    head: list[str]
    lines: list[str]


def _sections(text: str) -> Iterator[_Section]:
    section = None
    for line in text.split("\n"):
        if line.startswith("== "):
            if section is not None:
                yield section
            section = _Section(line[3:].split(), [])
        elif section is not None and line.startswith("| "):
            section.lines.append(line[2:])
    if section is not None:
        yield section


def _vm(host: str, target: Target, section: _Section) -> Mapping[str, Any] | None:
    text = "\n".join(section.lines)
    if section.head[2:] == ["0"]:
        try:
            vm = json.loads(text)
        except ValueError:
            vm = None
        if isinstance(vm, dict):
            return vm
        raise DeployError(
            host,
            STEP,
            "vmadm get prints no JSON object",
            "is this a SmartOS global zone?",
            target.node,
        )
    if "no such zone" in text.lower():
        return None
    said = section.lines[-1].strip() if text.strip() else f"exit code {' '.join(section.head[2:])}"
    mend = "name a SmartOS global zone, and a user that may run vmadm there: root"
    raise DeployError(host, STEP, f"vmadm get fails: {said[:200]}", mend, target.node)


def _read_inside(lines: Sequence[str]) -> tuple[Inside | None, str]:
    parts: dict[str, list[str]] = {}
    part: list[str] = []
    for line in lines:
        if line.startswith("% "):
            part = parts[line[2:]] = []
        else:
            part.append(line.rstrip())
    rest = [line.strip() for line in part if line.strip()]
    ended = "end 0" in parts
    if not ended or "net" not in parts:
        return None, (rest[-1][:200] if rest else "it ends without an answer")
    files = _read_files(parts)
    if files is None:
        return None, "ls or digest fails there"
    states = _read_states(parts)
    return (
        Inside(
            files,
            next((states[name] for name in OWN_SERVICES if name in states), ABSENT),
            states.get(FIRST_BOOT, ABSENT),
            {name: state for name, state in states.items() if name not in KNOWN_SERVICES},
            addresses_up(parts["net"]),
        ),
        "",
    )


def _read_files(parts: Mapping[str, list[str]]) -> dict[str, FileState] | None:
    """Return the files that are there; None if the lists do not fit together."""
    paths = parts.get("files", [])
    digests = [_DIGEST.findall(line) for line in parts.get("digests", [])]
    modes = [line[:10] for line in parts.get("modes", [])]
    if not len(paths) == len(digests) == len(modes) or not all(digests):
        return None
    return {
        path: FileState(mode, found[-1])
        for path, mode, found in zip(paths, modes, digests, strict=True)
    }


def _read_states(parts: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the states of services, those that do not exist as absent."""
    states: dict[str, str] = {}
    for line in parts.get("services", []):  # of SMF: STATE FMRI
        state, _, name = line.partition(" ")
        states[name.strip()] = state
    for name, lines in parts.items():
        kind, _, service = name.partition(" ")
        if kind == "service":
            states[service] = lines[0].strip() if lines else ABSENT
        elif name == "boot":  # of systemd as a whole: systemctl(1), is-system-running
            states[FIRST_BOOT] = _BOOT.get("".join(lines).strip(), ABSENT)
        elif kind == "unit":
            shown = dict(line.split("=", 1) for line in lines if "=" in line)
            loaded = shown.get("LoadState") == "loaded"
            active = shown.get("ActiveState", "")
            states[service] = _FROM_SYSTEMD.get(active, active) if loaded else ABSENT
    return states


def addresses_up(lines: Sequence[str]) -> frozenset[Address]:
    """Return the addresses in the output of illumos's ``ifconfig -a`` that are up and unique.

    An address that another host has as well is flagged DUPLICATE and not used: ifconfig(8).
    """
    found: set[Address] = set()
    usable = False
    for line in lines:
        words = line.split()
        if not line.startswith(("\t", " ")) and "flags=" in line:
            flags = line.partition("<")[2].partition(">")[0].split(",")
            usable = "UP" in flags and "DUPLICATE" not in flags
        elif usable and len(words) > 1 and words[0] in ("inet", "inet6"):
            try:
                found.add(ip_address(words[1].partition("/")[0]))
            except ValueError:
                continue
    return frozenset(found)
