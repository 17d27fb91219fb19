"""Files of every form that tell of a cluster, read and held against each other."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from carpool.cluster.ifupdown import looks_like_interfaces, read_interfaces
from carpool.cluster.load import read_cluster
from carpool.cluster.loss_rules import check_loss
from carpool.cluster.payload import read_payload
from carpool.cluster.reading import read_text
from carpool.cluster.relations import check_alone, check_together
from carpool.cluster.source import Source
from carpool.cluster.ucarp_file import scan
from carpool.cluster.ucarp_setup import claim_of, read_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from carpool.cluster.facts import Claim, Host
    from carpool.cluster.findings import Finding
    from carpool.cluster.payload import Payload
    from carpool.cluster.ucarp_setup import Setup

_COMMENT_OR_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_JSON = re.compile(r"(?:\[\s*)?\{")
_OPTIONS = re.compile(r"--?[A-Za-z]|(?:exec\s+)?(?:[^\s=\[]*/)?ucarp\s+[-\\]")


class Form(StrEnum):
    """What kind of file it is."""

    CLUSTER = "cluster file"
    PAYLOAD = "vmadm payload"
    OPTIONS = "ucarp options"
    INTERFACES = "ifupdown interfaces"
    NONE = "unreadable"


@dataclass(frozen=True, slots=True)
class Input:
    """One file as read; its source has the findings."""

    source: Source
    form: Form
    hosts: tuple[Host, ...] = ()
    claims: tuple[Claim, ...] = ()
    setups: tuple[Setup, ...] = field(default=())
    payload: Payload | None = None


def check_files(paths: Sequence[Path], *, secrets: bool = True, loss: float = 0.0) -> list[Finding]:
    """Return all that is wrong in the files and between them, file by file.

    ``loss`` is the share of all frames that the network loses.
    """
    inputs = read_files(paths, secrets=secrets, loss=loss)
    return [finding for read in inputs for finding in read.source.findings()]


def read_files(paths: Sequence[Path], *, secrets: bool = True, loss: float = 0.0) -> list[Input]:
    """Read the files and check them, each by itself and all together.

    With ``secrets``, the password files that cluster files name are read as well. Raises nothing
    for what a user can cause.
    """
    inputs = []
    texts: set[str] = set()
    hosts: list[Host] = []
    claims: list[Claim] = []
    for path in dict.fromkeys(paths):
        source = Source(path)
        text = read_text(path, source)
        if text is None:
            inputs.append(Input(source, Form.NONE))
            continue
        read = _read(text, source, path, secrets=secrets, loss=loss)
        inputs.append(read)
        if read.form is not Form.CLUSTER or text not in texts:  # every node has the same one
            hosts += read.hosts
            claims += read.claims
        texts.add(text)
    check_together(hosts, claims)
    return inputs


def form_of(text: str) -> Form:
    """Return what kind of file has this text."""
    begun = _COMMENT_OR_BLANK.match(text)
    start = begun.end() if begun else 0
    if _JSON.match(text, start):
        return Form.PAYLOAD
    if _OPTIONS.match(text, start):
        return Form.OPTIONS
    return Form.INTERFACES if looks_like_interfaces(text) else Form.CLUSTER


def _read(text: str, source: Source, path: Path, *, secrets: bool, loss: float) -> Input:
    form = form_of(text)
    hosts: tuple[Host, ...] = ()
    setups: tuple[Setup, ...] = ()
    payload = None
    if form is Form.CLUSTER:
        found = read_cluster(text, source, path, secrets=secrets)
        if found and loss:
            check_loss(found.draft, source, loss)
        return Input(source, form, found.hosts, found.claims) if found else Input(source, form)
    if form is Form.PAYLOAD:
        payload = read_payload(text, source, path.stem)
        hosts = (payload.host,) if payload else ()
    elif form is Form.OPTIONS:
        setups = (read_options(scan(text), text, source, readable_by_all=_is_open(path)),)
    else:
        host, found_setups = read_interfaces(
            text, source, path.stem, readable_by_all=_is_open(path)
        )
        hosts, setups = (host,), tuple(found_setups)
    check_alone(hosts, ())
    return Input(source, form, hosts, tuple(map(claim_of, setups)), setups, payload)


def _is_open(path: Path) -> bool:
    """Return whether every user of this host may read the file."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
