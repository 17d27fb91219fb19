"""Tables whose key "type" says which other keys they have: health checks and notifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from carpool.cluster.findings import Rule
from carpool.cluster.wording import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from carpool.cluster.draft import Values
    from carpool.cluster.source import Source
    from carpool.cluster.table import Table
    from carpool.cluster.wording import Key


class Keys(NamedTuple):
    """The keys that one type has besides those of all."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


class Kinds(NamedTuple):
    """A table of several types."""

    noun: str
    """What it describes, such as "check"."""
    table: Table
    types: Mapping[str, Keys]
    foreign: Rule
    """Broken by a key of another type."""

    def check_keys(self, values: Values, key: Key, source: Source) -> None:
        """Report keys that the type must have, or does not have."""
        kind = values["type"]
        own = self.types[kind]
        of_some = {
            name for keys in self.types.values() for name in (*keys.required, *keys.optional)
        }
        for field in self.table.fields:
            if field.name not in values:  # it is wrong, and that was reported
                continue
            absent = values[field.name] is None
            if absent and field.name in own.required:
                message = f"is missing: a {self.noun} of type {kind} needs it"
                mend = f"add for example: {field.name} = {field.reader.example}"
                source.report(Rule.MISSING_KEY, (*key, field.name), message, mend)
            elif not absent and field.name in of_some - {*own.required, *own.optional}:
                message = f"a {self.noun} of type {kind} has no {field.name}"
                mend = f"take it out; it has {listing((*own.required, *own.optional))}"
                source.report(self.foreign, (*key, field.name), message, mend)


class Unknown(NamedTuple):
    """How to tell of a name that there is not: what it should name, the rule, and the mend."""

    noun: str
    rule: Rule
    mend: Callable[[str], str]


def check_names(
    names: Sequence[str | None], known: Container[str], key: Key, source: Source, unknown: Unknown
) -> set[str]:
    """Report names that there are not, or that are listed twice; return all that are listed.

    A name that is None is wrong, and that was reported.
    """
    listed: set[str] = set()
    for index, name in enumerate(names):
        if name is None:
            continue
        at = (*key, index)
        if name not in known:
            message = f"there is no {unknown.noun} {name[:80]!r}"
            source.report(unknown.rule, at, message, unknown.mend(name))
        elif name in listed:
            message, mend = f"{name!r} is in this list already", "take one of the two out"
            source.report(Rule.REPEATED, at, message, mend)
        listed.add(name)
    return listed
