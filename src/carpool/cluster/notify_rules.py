"""What must hold between the keys of a notifier, and between notifiers, services and groups."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from carpool.cluster.consistency import check_known_node
from carpool.cluster.findings import Rule
from carpool.cluster.kinds import Unknown, check_names
from carpool.cluster.model import Notifier
from carpool.cluster.notify_schema import (
    DEFAULT_OCCASIONS,
    KINDS,
    NAGIOS_OCCASIONS,
    PORTS,
)
from carpool.cluster.notify_secret import read_secret
from carpool.cluster.password import PasswordError, is_stream
from carpool.cluster.wording import choose_from

if TYPE_CHECKING:
    from pathlib import Path

    from carpool.cluster.draft import Draft, Values
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

_SECRET_HEADER = re.compile(
    r"authorization|cookie|(?:^|-)(?:key|token|secret|password|apikey)$", re.IGNORECASE
)


def check_notifiers(draft: Draft, source: Source) -> None:
    """Report to ``source`` what is wrong with the notifiers and the services of a draft."""
    for name, values in draft.notifiers.items():
        key = ("notify", name)
        _check_groups(draft, values, key, source)
        if "type" in values:
            KINDS.check_keys(values, key, source)
            _check_fit(values, key, source)
            _check_way(values, key, source)
        for header in values.get("headers") or ():
            if _SECRET_HEADER.search(header):
                message = "by its name this header has a secret, and many may read this file"
                mend = f'put it into a file of mode 600: secret_file, secret_header = "{header}"'
                source.report(Rule.SECRET_IN_FILE, (*key, "headers", header), message, mend)
        for node in values["host"] if isinstance(values.get("host"), dict) else ():
            check_known_node(draft, node, (*key, "host", node), source)
    for name in draft.groups:
        _check_services(draft, name, source)


def check_secrets(draft: Draft, directory: Path, source: Source) -> None:
    """Report the files of secrets that cannot be used; ``directory`` has the cluster file."""
    for name, values in draft.notifiers.items():
        file = values.get("secret_file")
        # Reading a stream here would take the secret from the one that needs it.
        if file is None or is_stream(directory / file):
            continue
        try:
            kind, header = values.get("type", ""), values.get("secret_header")
            read_secret(directory / file, kind, header)
        except PasswordError as error:
            message = f"{error.path}: {error.message}"
            source.report(error.rule, ("notify", name, "secret_file"), message, error.mend)


def build_notifier(name: str, values: Values, groups: tuple[str, ...], directory: Path) -> Notifier:
    """Return the model of a notifier that has no error, with its defaults."""
    made = {field: value for field, value in values.items() if field != "from"}
    kind, secret = values["type"], values["secret_file"]
    made["on"] = values["on"] or (
        NAGIOS_OCCASIONS if kind in ("nrdp", "nagios") else DEFAULT_OCCASIONS
    )
    made["groups"] = groups if values["groups"] is None else values["groups"]
    made["sender"] = values["from"]
    made["secret_file"] = None if secret is None else directory / secret
    if kind == "mail":
        made["security"] = values["security"] or "starttls"
        made["port"] = values["port"] or PORTS[made["security"]]
    return Notifier(name=name, **made)


def _check_groups(draft: Draft, values: Values, key: Key, source: Source) -> None:
    unknown = Unknown("group", Rule.UNKNOWN_GROUP, lambda name: choose_from(name, draft.groups))
    check_names(values.get("groups") or (), draft.groups, (*key, "groups"), source, unknown)
    if values.get("groups") == ():
        mend = "name a group, or take the key out for all groups"
        source.report(Rule.EMPTY, (*key, "groups"), "names no group", mend)


def _check_fit(values: Values, key: Key, source: Source) -> None:
    """Report keys that need another one, or have one too many."""

    def report(name: str, message: str, mend: str) -> None:
        source.report(Rule.NOTIFY_CONTRADICTION, (*key, name), message, mend)

    kind = values["type"]
    user, secret = values.get("user", ""), values.get("secret_file", "")
    if kind == "mail" and user is not None and secret is None:
        report("user", "there is no password for it", 'add for example: secret_file = "mail.key"')
    if kind == "mail" and user is None and secret is not None:
        report("secret_file", "there is no user whose password it is", "add user, or take it out")
    if values.get("secret_header") is not None and secret is None:
        mend = 'add for example: secret_file = "webhook.key"'
        report("secret_header", "there is no secret for it", mend)
    for name in ("ca_file", "verify"):
        if values.get(name) is not None and _is_plain(values):
            report(name, "there is no certificate without TLS", "take it out, or use TLS")


def _is_plain(values: Values) -> bool:
    if values["type"] == "mail":
        return values.get("security") == "none"
    return str(values.get("url") or "https:").startswith("http:")


def _check_way(values: Values, key: Key, source: Source) -> None:
    """Warn of a secret that goes over the network in clear."""
    if not _is_plain(values):
        return
    if values["type"] == "mail":
        at, host, shown = "security", values.get("server"), values.get("user")
    else:
        at, host = "url", urlsplit(values["url"]).hostname
        shown = values.get("secret_file")
        if values["type"] == "webhook":
            shown = values.get("secret_header")
    if shown and host and not _is_here(host):
        message = "without TLS the secret goes over the network in clear"
        mend = "use https" if at == "url" else 'use security = "starttls" or "tls"'
        source.report(Rule.SECRET_IN_CLEAR, (*key, at), message, mend)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_services(draft: Draft, name: str, source: Source) -> None:
    group, key = draft.groups[name], ("groups", name)
    services = group.get("services")
    if services is None and "services" in group:
        if group.get("service_demote"):
            message, mend = "does nothing without services", "add services, or take it out"
            source.report(Rule.IDLE_SERVICE_KEY, (*key, "service_demote"), message, mend)
        return
    nodes = {seat.node for seat in draft.seats[name]}
    at_boot = {
        service: node
        for node, zone in draft.zones.items()
        if node in nodes
        for service in zone.get("services") or ()
    }
    listed: set[str] = set()
    for index, service in enumerate(services or ()):
        at = (*key, "services", index)
        if service in listed:
            message, mend = f"{service!r} is in this list already", "take one of the two out"
            source.report(Rule.REPEATED, at, message, mend)
        elif service is not None and service in at_boot:
            message = f"the zone of {at_boot[service]} starts {service} at every boot as well"
            mend = "take it out of the services of [zone]"
            source.report(Rule.SERVICE_AT_BOOT, at, message, mend)
        if service is not None:
            listed.add(service)
