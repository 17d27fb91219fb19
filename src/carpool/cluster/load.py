"""Reading a cluster file, with every mistake in it found at once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from carpool.carp.timing import SECOND
from carpool.cluster.consistency import check
from carpool.cluster.draft import read_document
from carpool.cluster.draft_facts import claims_of, hosts_of
from carpool.cluster.findings import Finding, Rule
from carpool.cluster.model import Check, Cluster, Group, Logging, Member, Node, Notifier, Zone
from carpool.cluster.password import (
    LONGEST_OF_UCARP,
    PasswordError,
    is_stream,
    read_password,
    weakness,
)
from carpool.cluster.reading import read_text
from carpool.cluster.relations import check_alone
from carpool.cluster.source import Source
from carpool.cluster.wording import Place

if TYPE_CHECKING:
    from pathlib import Path

    from carpool.cluster.draft import Draft, Values
    from carpool.cluster.facts import Claim, Host
    from carpool.cluster.wording import Key

    Problem: TypeAlias = tuple[Rule, str, str]

_NAMESPACE = "77a26f74-7821-4040-bb18-356f430f5abb"  # of the UUIDs of zones; never to change
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A cluster, or None if there are errors; and all findings in the order of their lines."""

    cluster: Cluster | None
    findings: tuple[Finding, ...]


class Found(NamedTuple):
    """What a cluster file says, whether or not there are mistakes in it."""

    draft: Draft
    hosts: tuple[Host, ...]
    claims: tuple[Claim, ...]


def load(path: Path, *, secrets: bool = True) -> Loaded:
    """Read the cluster file at ``path``, up to 8 MiB of TOML 1.0 in UTF-8.

    With ``secrets``, the password file of every group is tried as well, but for pipes, which can
    be read only once. Raises nothing for what a user can cause.
    """
    source = Source(path)
    text = read_text(path, source)
    found = None if text is None else read_cluster(text, source, path, secrets=secrets)
    if found is None or source.failed:
        return Loaded(None, source.findings())
    return Loaded(_build(found.draft, path), source.findings())


def read_cluster(text: str, source: Source, path: Path, *, secrets: bool) -> Found | None:
    """Read ``text``, the content of ``path``, reporting its mistakes; None if it is not TOML."""
    document = _parse(text, source)
    if document is None:
        return None
    draft = read_document(document, source)
    check(draft, source)
    if draft.checks or any(group.get("checks") for group in draft.groups.values()):
        # Only here: a node without checks need not load their rules.
        from carpool.cluster.check_rules import check_checks  # noqa: PLC0415

        check_checks(draft, source)
    if draft.notifiers or any(
        group.get("services") or group.get("service_demote") for group in draft.groups.values()
    ):
        from carpool.cluster.notify_rules import check_notifiers  # noqa: PLC0415 - likewise

        check_notifiers(draft, source)
    passwords = _read_passwords(draft, path.absolute().parent, source) if secrets else {}
    hosts = hosts_of(draft, source)
    claims = claims_of(draft, hosts, passwords, source)
    check_alone(list(hosts.values()), claims)
    return Found(draft, tuple(hosts.values()), tuple(claims))


def _parse(text: str, source: Source) -> dict[str, Any] | None:
    """Return the TOML document, None after reporting that there is none."""
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
        source.report(Rule.SYNTAX, (), message, mend, place=place)
        return None
    source.text = text
    return document


def _syntax_error(message: str, text: str) -> tuple[str, Place | None]:
    """Split what tomllib says into the message and the place."""
    found = _TOML_PLACE.search(message)
    if found is None:
        return message, None
    place = Place(text.rstrip("\n").count("\n") + 1, 1)
    if found[1]:
        place = Place(int(found[1]), int(found[2]))
    return f"TOML: {message[: found.start()]}", place


def _read_passwords(draft: Draft, directory: Path, source: Source) -> dict[str, bytes]:
    """Return the groups' passwords, and report the files; several groups may share one."""

    @cache
    def read(path: Path) -> tuple[bytes | None, Problem | None]:
        try:
            # Reading a stream here would take the password from the one that needs it.
            if is_stream(path):
                return None, None
            password = read_password(path)
        except PasswordError as error:
            return None, (error.rule, f"{path}: {error.message}", error.mend)
        if weak := weakness(password):
            return password, (Rule.WEAK_PASSWORD, f"{path}: {weak[0]}", weak[1])
        if len(password) <= LONGEST_OF_UCARP:
            return password, None
        message = f"{path}: the password has {len(password)} bytes"
        mend = f"use at most {LONGEST_OF_UCARP} if ucarp is to be a peer"
        return password, (Rule.PASSWORD_TOO_LONG_FOR_UCARP, message, mend)

    passwords = {}
    for name, group in draft.groups.items():
        more = group.get("accept_password_files") or ()
        files: dict[Key, str | None] = {("password_file",): group.get("password_file")}
        files |= {("accept_password_files", i): file for i, file in enumerate(more)}
        for key, file in files.items():
            if file is None:
                continue
            password, problem = read(directory / file)
            if problem is not None:
                rule, message, mend = problem
                source.report(rule, ("groups", name, *key), message, mend)
            if password is not None and key == ("password_file",):
                passwords[name] = password
    if draft.notifiers:
        from carpool.cluster.notify_rules import check_secrets  # noqa: PLC0415 - as above

        check_secrets(draft, directory, source)
    return passwords


def announce_by_default(addresses: int) -> int:
    """Return how often (ns) a group announces itself that says nothing, in a file of so many."""
    # Often enough for who has the wrong MAC; ten broadcasts a second at most, of all together.
    return max(2 * SECOND, addresses * SECOND // 10)


def _build(draft: Draft, path: Path) -> Cluster:
    """Return the model of a draft that has no error."""
    directory = path.absolute().parent
    number = sum(len(values["addresses"]) for values in draft.groups.values())
    seldom = announce_by_default(number)
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
            preempt_delay=values["preempt_delay"],
            hold_down=values["hold_down"],
            announce_every=seldom if values["announce_every"] is None else values["announce_every"],
            seek_rival=values["seek_rival"],
            on_conflict=values["on_conflict"],
            together=values["together"],
            checks=values["checks"] or (),
            accept_password_files=tuple(
                directory / file for file in values["accept_password_files"] or ()
            ),
            replay=values["replay"],
            profile=values["profile"],
            interval=values["interval"],
            on_late=values["on_late"],
            services=values["services"] or (),
            service_timeout=values["service_timeout"],
            service_demote=values["service_demote"],
        )
        for name, values in draft.groups.items()
    )
    checks = tuple(_build_check(name, values) for name, values in draft.checks.items())
    log = None if draft.log is None else Logging(**draft.log)
    notifiers = _build_notifiers(draft, directory) if draft.notifiers else ()
    return Cluster(path, draft.cluster["name"], nodes, groups, checks, log, notifiers)


def _build_notifiers(draft: Draft, directory: Path) -> tuple[Notifier, ...]:
    from carpool.cluster.notify_rules import build_notifier  # noqa: PLC0415 - as above

    return tuple(
        build_notifier(name, values, tuple(draft.groups), directory)
        for name, values in draft.notifiers.items()
    )


def _build_check(name: str, values: Values) -> Check:
    from carpool.cluster.check_rules import timeout_of  # noqa: PLC0415 - as above

    values = {**values, "timeout": timeout_of(values)}
    if values["action"] == "demote":
        values["demote"] = values["demote"] or 1
    if values["type"] == "file":
        values["expect"] = values["expect"] or ("present" if values["text"] else "absent")
    return Check(name=name, **values)


def _build_node(draft: Draft, name: str) -> Node:
    values, zone = draft.nodes[name], draft.zones.get(name)
    return Node(
        name=name,
        addresses=values["address"],
        interface=values["interface"],
        weight=values["weight"],
        realtime=values["realtime"],
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
