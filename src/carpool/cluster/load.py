"""Reading a cluster file, with every mistake in it found at once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from carpool.cluster.consistency import check
from carpool.cluster.draft import read_document
from carpool.cluster.findings import Finding, Rule
from carpool.cluster.model import Cluster, Group, Member, Node, Zone
from carpool.cluster.password import LONGEST_OF_UCARP, PasswordError, is_stream, read_password
from carpool.cluster.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    from carpool.cluster.draft import Draft, Values

_LARGEST = 8 << 20
_NAMESPACE = "77a26f74-7821-4040-bb18-356f430f5abb"  # of the UUIDs of zones; never to change
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A cluster, or None if there are errors; and all findings in the order of their lines."""

    cluster: Cluster | None
    findings: tuple[Finding, ...]


def load(path: Path, *, secrets: bool = True) -> Loaded:
    """Read the cluster file at ``path``, up to 8 MiB of TOML 1.0 in UTF-8.

    With ``secrets``, the password file of every group is tried as well, but for pipes, which can
    be read only once. Raises nothing for what a user can cause.
    """
    source = Source(path)
    document = _parse(source, path)
    if document is None:
        return Loaded(None, source.findings())
    draft = read_document(document, source)
    check(draft, source)
    directory = path.absolute().parent
    if secrets:
        _check_passwords(draft, directory, source)
    cluster = None if source.failed else _build(draft, path, directory)
    return Loaded(cluster, source.findings())


def _parse(source: Source, path: Path) -> dict[str, Any] | None:
    """Return the file's TOML document, None after reporting that there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        mend = "name a cluster file that this user may read"
        source.report(Rule.UNREADABLE, (), f"cannot be read: {reason}", mend)
        return None
    if len(data) > _LARGEST:
        message, mend = f"is larger than {_LARGEST} bytes", "name a cluster file"
        source.report(Rule.UNREADABLE, (), message, mend)
        return None
    try:
        text = data.decode("utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        source.report(Rule.NOT_UTF8, (), message, "save the file as UTF-8", line=line)
        return None
    try:
        document = tomllib.loads(text)
    except RecursionError:
        message, mend = "arrays or tables are nested too deeply", "nest them less"
        source.report(Rule.SYNTAX, (), message, mend)
        return None
    except ValueError as error:  # most are TOMLDecodeError; a number of 5,000 digits is not
        message, place = _syntax_error(str(error), text)
        unquoted = "Invalid value" in message
        mend = "put text in quotes" if unquoted else "see https://toml.io for the syntax"
        source.report(Rule.SYNTAX, (), message, mend, line=place)
        return None
    source.text = text
    return document


def _syntax_error(message: str, text: str) -> tuple[str, int | None]:
    """Split what tomllib says into the message and the line."""
    place = _TOML_PLACE.search(message)
    if place is None:
        return message, None
    at_end = text.rstrip("\n").count("\n") + 1
    return f"TOML: {message[: place.start()]}", int(place[1]) if place[1] else at_end


def _check_passwords(draft: Draft, directory: Path, source: Source) -> None:
    """Report password files that cannot be used; several groups may share one."""

    @cache
    def problem(path: Path) -> tuple[Rule, str, str] | None:
        try:
            # Reading a stream here would take the password from the one that needs it.
            if is_stream(path):
                return None
            length = len(read_password(path))
        except PasswordError as error:
            return error.rule, f"{path}: {error.message}", error.mend
        if length <= LONGEST_OF_UCARP:
            return None
        return (
            Rule.PASSWORD_TOO_LONG_FOR_UCARP,
            f"{path}: the password has {length} bytes",
            f"use at most {LONGEST_OF_UCARP} if ucarp is to be a peer",
        )

    for name, group in draft.groups.items():
        if "password_file" in group and (found := problem(directory / group["password_file"])):
            rule, message, mend = found
            source.report(rule, ("groups", name, "password_file"), message, mend)


def _build(draft: Draft, path: Path, directory: Path) -> Cluster:
    """Return the model of a draft that has no error."""
    nodes = tuple(_build_node(draft, name) for name in draft.nodes)
    groups = tuple(
        Group(
            name=name,
            vhid=values["vhid"],
            addresses=values["addresses"],
            password_file=directory / values["password_file"],
            advbase=values["advbase"],
            members=tuple(
                Member(*cast("tuple[str, str, int]", seat)) for seat in draft.seats[name]
            ),
            preempt=values["preempt"],
            dead_ratio=values["dead_ratio"],
            up=values["up"],
            down=values["down"],
            script_timeout=values["script_timeout"],
            source_mac=values["source_mac"],
            multicast=values["multicast"],
            ignore_link=values["ignore_link"],
        )
        for name, values in draft.groups.items()
    )
    return Cluster(path, draft.cluster["name"], nodes, groups)


def _build_node(draft: Draft, name: str) -> Node:
    values, zone = draft.nodes[name], draft.zones.get(name)
    return Node(
        name=name,
        addresses=values["address"],
        interface=values["interface"],
        weight=values["weight"],
        hostname=values["hostname"] or name,
        alias=values["alias"],
        hypervisor=values["hypervisor"],
        uuid=None if zone is None else values["uuid"] or zone_uuid(draft.cluster["name"], name),
        zone=None if zone is None else _build_zone(zone),
    )


def _build_zone(values: Values) -> Zone:
    python = "python3" if values["brand"] == "lx" else "python312"
    return Zone(
        **values
        | {
            "gateways": values["gateways"] or (),
            "resolvers": values["resolvers"] or (),
            "packages": (python,) if values["packages"] is None else values["packages"],
            "services": values["services"] or (),
        }
    )


def zone_uuid(cluster: str, node: str) -> str:
    """Return the UUID of the zone of ``node``: the same at every call (RFC 9562 section 5.5)."""
    from uuid import UUID, uuid5  # noqa: PLC0415 - a node that is no zone need not load it

    return str(uuid5(UUID(_NAMESPACE), f"{cluster}/{node}"))
