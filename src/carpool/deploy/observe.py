"""What a global zone and the zones in it are: a script that asks, and what its answer means.

One script asks for all nodes of a hypervisor, so that hundreds of them cost one round trip each.
Sections of the answer begin with "== "; foreign text in it begins with "| ".
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from carpool.deploy import shell
from carpool.deploy.errors import DeployError
from carpool.smartos.places import FMRI

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from carpool.deploy.targets import Address, Target

STEP = "look"
ABSENT = "absent"
ONLINE = "online"

_HEAD = """\
say() { printf '%s\\n' "$*"; }
quote() { sed 's/^/| /'; }
"""

_LOOK = """\
look() {
    [ -f "$1" ] || return 0
    set -- "$1" $(ls -ln "$1")
    printf "file %s %s %s\\n" "$(printf %.10s "$2")" "$(digest_of "$1")" "$1"
}
"""

_SMF = """\
state() {
    printf "%s %s %s\\n" "$1" "$(svcs -H -o state "$2" 2>/dev/null | sed "s/ .*//;q")" "$2"
}
state boot svc:/smartdc/mdata:execute
ifconfig -a | sed "s/^/net /"
"""

_LX = """\
state() {
    if [ "$(systemctl show -p LoadState --value "$2")" = loaded ]
    then printf "%s %s %s\\n" "$1" "$(systemctl is-active "$2")" "$2"
    else printf "%s  %s\\n" "$1" "$2"
    fi
}
ifconfig=/native/usr/sbin/ifconfig
[ -x "$ifconfig" ] || ifconfig=ifconfig
"$ifconfig" -a | sed "s/^/net /"
"""

_FROM_SYSTEMD = {
    "active": ONLINE,
    "inactive": "disabled",
    "failed": "maintenance",
    "activating": "offline",
    "deactivating": "offline",
}


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


def service_name(brand: str) -> str:
    """Return what carpool's service is called in a zone of this brand."""
    return "carpool" if brand == "lx" else FMRI


def question(targets: Sequence[Target], *, full: bool = True) -> str:
    """Return the script, for sh of the global zone, that asks about these nodes of it.

    Without ``full`` it asks only what changes by itself: the services and the addresses.
    """
    lines = [shell.ENVIRONMENT + _HEAD]
    for target in targets:
        inside = shlex.quote(_inside(target, full=full))
        if full:
            image, tags = shlex.quote(target.image), target.nic_tags
            lines.append(
                f"if imgadm get {image} >/dev/null 2>&1 </dev/null; then say == image yes; "
                "else say == image no; fi"
            )
            lines += [
                f"nictagadm exists {tag} >/dev/null 2>&1 </dev/null || say == no-tag {tag}"
                for tag in map(shlex.quote, tags)
            ]
        lines += [
            f"answer=$(vmadm get {target.uuid} 2>/dev/null </dev/null); code=$?",
            f'[ "$code" = 0 ] || answer=$(vmadm get {target.uuid} 2>&1 >/dev/null </dev/null)',
            f"say == zone {target.uuid} $code",
            "printf '%s\\n' \"$answer\" | quote",
            f"say == inside {target.uuid}",
            f"{{ zlogin {target.uuid} {inside} 2>&1 </dev/null; echo end $?; }} | quote",
        ]
    lines.append("say == end")
    return "\n".join(lines) + "\n"


def _inside(target: Target, *, full: bool) -> str:
    lines = [shell.ENVIRONMENT]
    if full:
        lines.append(shell.DIGEST + _LOOK)
        lines += [f"look {shlex.quote(file.path)}" for file in target.files]
    lines.append(_LX if target.brand == "lx" else _SMF)
    lines.append(f"state service {service_name(target.brand)}")
    lines += [f"state other {shlex.quote(service)}" for service in target.services]
    return "\n".join(lines)


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
            case ["image", word]:
                image, tags = word == "yes", []
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
    files: dict[str, FileState] = {}
    states: dict[str, dict[str, str]] = {"service": {}, "boot": {}, "other": {}}
    net: list[str] = []
    rest: list[str] = []
    code = ""
    for line in lines:
        kind, _, value = line.partition(" ")
        if kind == "file" and len(words := value.split(" ", 2)) == 3:
            files[words[2]] = FileState(words[0], words[1])
        elif kind in states:
            state, _, name = value.partition(" ")
            states[kind][name.strip()] = _FROM_SYSTEMD.get(state, state) or ABSENT
        elif kind == "net":
            net.append(value)
        elif kind == "end":
            code = value
        else:
            rest.append(line)
    if code != "0" or not states["service"]:
        return None, (rest[-1].strip()[:200] if rest else f"zlogin ends with {code}")
    return (
        Inside(
            files,
            next(iter(states["service"].values())),
            next(iter(states["boot"].values()), ABSENT),
            states["other"],
            addresses_up(net),
        ),
        "",
    )


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
