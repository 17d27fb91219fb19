"""The form that `carpool manifest` fills in, for a manifest of any daemon.

One table, ITEMS, says everything about every answer; the command makes options of it, and asks
questions by it. `read` checks one answer, `build` makes the manifest of all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Any

from carpool.smartos import smf_values as smf
from carpool.smartos.manifest import (
    Context,
    Credential,
    Dependency,
    Dependent,
    Manifest,
    Method,
    Property,
    PropertyGroup,
)


class AnswerError(Exception):
    """An answer that cannot be used; the text says why and how to mend it."""


class Kind(Enum):
    """How many answers a question has."""

    ONE = "one"
    MANY = "many"
    YES_NO = "yes or no"


@dataclass(frozen=True, slots=True)
class Item:
    """One question: ``name`` is also its option. Without a default it may be left unanswered."""

    name: str
    question: str
    read: Callable[[str], Any]
    example: str = ""
    default: str | None = None
    kind: Kind = Kind.ONE
    required: bool = False


def _checked(check: Callable[[str], smf.Problem]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if problem := check(value):
            raise AnswerError(problem)
        return value

    return read


def _command(value: str) -> str:
    word = value.split(maxsplit=1)[0] if value.strip() else ""
    if word and not word.startswith(("/", ":", "%")):
        raise AnswerError(f"{word!r} is not an absolute path; begin the command with /")
    return _checked(smf.method)(value)


def _start(value: str) -> str:
    if value.startswith(":kill"):
        raise AnswerError("starting cannot be killing; write the command that starts the daemon")
    return _command(value)


def _file(value: str) -> str:
    if not value.startswith("/") or re.search(r"\s", value):
        raise AnswerError(f"{value!r} is not an absolute path without blanks; begin it with /")
    return _checked(smf.text)(value)


def _not_blank(value: str) -> str:
    if not value.strip():
        raise AnswerError("is empty; write a few words")
    return _checked(smf.text)(value)


def _seconds(value: str) -> int:
    return int(_checked(smf.timeout)(value))


def _version(value: str) -> int:
    return int(_checked(smf.version)(value))


def _ignore(value: str) -> str:
    if value not in ("core", "signal", "core,signal", "signal,core"):
        raise AnswerError(f"{value!r} is unknown; use core, signal or core,signal")
    return value


def _variable(value: str) -> tuple[str, str]:
    name, equals, content = value.partition("=")
    if not equals:
        raise AnswerError(f"{value!r} has no value; write for example LANG=C")
    return _checked(smf.environment_name)(name), _checked(smf.text)(content)


def _dependency(value: str) -> Dependency:
    fmri, words = _words(value, ("name", "grouping", "restart_on"))
    is_file = fmri.startswith(("file:", "/"))
    if fmri.startswith("/"):
        fmri = f"file://localhost{fmri}"
    _checked(smf.path_fmri if is_file else smf.service_fmri)(fmri)
    return Dependency(
        _checked(smf.instance_name)(words.get("name", _name_for(fmri))),
        (fmri,),
        _checked(smf.grouping)(words.get("grouping", "require_all")),  # type: ignore[arg-type]
        _checked(smf.restart_on)(words.get("restart_on", "none")),  # type: ignore[arg-type]
        "path" if is_file else "service",
    )


def _dependent(value: str) -> Dependent:
    fmri, words = _words(value, ("name", "grouping", "restart_on"))
    return Dependent(
        _checked(smf.instance_name)(words.get("name", "")) if "name" in words else "",
        _checked(smf.service_fmri)(fmri),
        _checked(smf.grouping)(words.get("grouping", "require_all")),  # type: ignore[arg-type]
        _checked(smf.restart_on)(words.get("restart_on", "none")),  # type: ignore[arg-type]
    )


def _words(value: str, known: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    first, *rest = value.split(",")
    words = {}
    for word in rest:
        name, equals, content = word.partition("=")
        if not equals or name not in known:
            raise AnswerError(f"{word!r} is unknown; add only {', '.join(f'{k}=' for k in known)}")
        words[name] = content
    return first, words


def _name_for(fmri: str) -> str:
    """Return a name for a dependency on the FMRI, such as ``network_ntp``."""
    path = re.sub(r"^(svc|file):(//localhost)?/+", "", fmri).partition(":")[0]
    bare = re.sub(r"[^A-Za-z0-9]+", "_", path).strip("_")
    return bare if bare[:1].isalpha() else f"on_{bare}"


def _property(value: str) -> tuple[str, str, str, str]:
    """Return group, name, type and value of ``GROUP/NAME=[TYPE:]VALUE``."""
    path, equals, content = value.partition("=")
    group, slash, name = path.partition("/")
    if not (equals and slash):
        raise AnswerError(f"{value!r} is no property; write for example config/port=count:80")
    kind, colon, rest = content.partition(":")
    if colon and kind in smf.PROPERTY_TYPES:
        content = rest
    else:
        meant = get_close_matches(kind, smf.PROPERTY_TYPES, 1, 0.75) if colon else []
        if meant:
            raise AnswerError(
                f"there is no type {kind!r}; did you mean {meant[0]}? For the text itself, write "
                f"astring:{content}"
            )
        kind = "astring"
    for part in (group, name):
        _checked(smf.instance_name)(part)
    if problem := smf.PROPERTY_TYPES[kind](content):
        raise AnswerError(problem)
    return group, name, kind, content


_YES_NO = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


def _yes_no(value: str) -> bool:
    if value.lower() not in _YES_NO:
        raise AnswerError(f"{value!r} is neither yes nor no")
    return _YES_NO[value.lower()]


ITEMS = (
    Item("category", "Category of the service", _checked(smf.name), "network", "site"),
    Item("name", "Name of the service", _checked(smf.name), "httpd", required=True),
    Item("service-version", "Version of the service", _version, "1", "1"),
    Item("common-name", "Name for people, of a few words", _not_blank, "Web server", required=True),
    Item("description", "Description, one sentence", _not_blank, "Serves pages."),
    Item("multi-instance", "Can it have several instances", _yes_no, "", "no", Kind.YES_NO),
    Item("instance", "Name of the instance", _checked(smf.instance_name), "default", "default"),
    Item("config-file", "Configuration file, without which it cannot start", _file, "/etc/d.conf"),
    Item(
        "start",
        "Command that starts it",
        _start,
        "/usr/sbin/d %{application/config_file}",
        required=True,
    ),
    Item("stop", "Command that stops it, or :kill, or :true", _command, ":kill"),
    Item("refresh", "Command that makes it read its configuration again", _command, ":kill -HUP"),
    Item("start-timeout", "Seconds it may take to start; 0 for no limit", _seconds, "60", "60"),
    Item("stop-timeout", "Seconds it may take to stop", _seconds, "60", "60"),
    Item("refresh-timeout", "Seconds it may take to refresh", _seconds, "60", "60"),
    Item("model", "Model: contract, wait or transient", _checked(smf.duration), "wait", "contract"),
    Item(
        "ignore-error", "What of its processes is no failure: core, signal", _ignore, "core,signal"
    ),
    Item("network", "Does it wait for the network", _yes_no, "", "yes", Kind.YES_NO),
    Item("filesystem", "Does it wait for the local file systems", _yes_no, "", "yes", Kind.YES_NO),
    Item(
        "depend",
        "Service or file that it waits for, FMRI[,name=N][,grouping=G][,restart_on=R]",
        _dependency,
        "svc:/network/ntp,grouping=optional_all",
        kind=Kind.MANY,
    ),
    Item(
        "dependent",
        "Service that waits for it, FMRI[,name=N][,grouping=G][,restart_on=R]",
        _dependent,
        "svc:/milestone/multi-user,grouping=optional_all",
        kind=Kind.MANY,
    ),
    Item("user", "User that it runs as", _checked(smf.user), "webservd"),
    Item("group", "Group that it runs as", _checked(smf.group), "webservd"),
    Item("privileges", "Privileges that it has", _checked(smf.privileges), "basic,net_privaddr"),
    Item("working-directory", "Directory that it starts in", _checked(smf.directory), "/var/tmp"),  # noqa: S108 - only an example
    Item("env", "Environment variable, NAME=VALUE", _variable, "LANG=C", kind=Kind.MANY),
    Item(
        "property",
        "Property, GROUP/NAME=[TYPE:]VALUE; given again, it has several values",
        _property,
        "config/port=count:80",
        kind=Kind.MANY,
    ),
    Item("enabled", "Is it to be enabled at once", _yes_no, "", "no", Kind.YES_NO),
)
"""The questions, in the order in which they are asked."""


def build(answers: Mapping[str, Any]) -> Manifest:
    """Return the manifest; ``answers`` has what the items' ``read`` returned, None for nothing.

    Raises AnswerError.
    """
    service = f"{answers['category']}/{answers['name']}"
    transient = answers["model"] == "transient"
    methods = [
        Method("start", answers["start"], answers["start-timeout"]),
        Method(
            "stop", answers["stop"] or (":true" if transient else ":kill"), answers["stop-timeout"]
        ),
    ]
    if answers["refresh"] is not None:
        methods.append(Method("refresh", answers["refresh"], answers["refresh-timeout"]))
    return Manifest(
        service=service,
        common_name=answers["common-name"],
        methods=tuple(methods),
        bundle=answers["name"],
        version=answers["service-version"],
        instance=answers["instance"] if answers["multi-instance"] else None,
        enabled=answers["enabled"],
        duration="child" if answers["model"] == "wait" else answers["model"],
        ignore_error=answers["ignore-error"],
        dependencies=_dependencies(answers),
        dependents=tuple(_named(found, service) for found in answers["dependent"]),
        context=_context(answers),
        property_groups=_property_groups(answers),
        description=answers["description"] or "",
    )


def _named(dependent: Dependent, service: str) -> Dependent:
    """Return the dependent with a name, which must be this service's own in the other one."""
    name = dependent.name or re.sub(r"[^A-Za-z0-9_-]", "_", service)
    return Dependent(name, dependent.fmri, dependent.grouping, dependent.restart_on)


def _dependencies(answers: Mapping[str, Any]) -> tuple[Dependency, ...]:
    found = []
    if answers["network"]:
        network = "svc:/milestone/network:default"
        found.append(Dependency("network", (network,), restart_on="error"))
    if answers["filesystem"]:
        found.append(Dependency("filesystem", ("svc:/system/filesystem/local:default",)))
    if answers["config-file"]:
        file = f"file://localhost{answers['config-file']}"
        found.append(Dependency("config_file", (file,), type="path"))
    return (*found, *answers["depend"])


def _context(answers: Mapping[str, Any]) -> Context:
    credential = None
    if any(answers[name] is not None for name in ("user", "group", "privileges")):
        credential = Credential(
            answers["user"] or "root", answers["group"], privileges=answers["privileges"]
        )
    return Context(credential, tuple(answers["env"]), answers["working-directory"])


def _property_groups(answers: Mapping[str, Any]) -> tuple[PropertyGroup, ...]:
    groups: dict[str, dict[str, tuple[str, list[str]]]] = {}
    if answers["config-file"]:
        groups["application"] = {"config_file": ("astring", [answers["config-file"]])}
    for group, name, kind, value in answers["property"]:
        known, values = groups.setdefault(group, {}).setdefault(name, (kind, []))
        if known != kind:
            raise AnswerError(f"property {group}/{name} is of type {known} and of type {kind}")
        values.append(value)
    return tuple(
        PropertyGroup(
            group,
            "application",
            tuple(Property(name, kind, tuple(values)) for name, (kind, values) in found.items()),
        )
        for group, found in groups.items()
    )
