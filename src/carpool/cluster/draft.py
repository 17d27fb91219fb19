"""A cluster file read key by key, before anybody asked whether its keys fit together.

A draft keeps what could be read, so that one mistake does not hide another: a key whose value is
wrong or missing is not in its ``Values``, and an optional key not given is there as None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from carpool.cluster.fast_rules import resolve_timing
from carpool.cluster.findings import Rule
from carpool.cluster.readers import is_name, report_name
from carpool.cluster.schema import CLUSTER, GROUP, NODE, ZONE
from carpool.cluster.wording import choose_from, dotted, toml_type

if TYPE_CHECKING:
    from carpool.cluster.source import Source
    from carpool.cluster.table import Field, Table
    from carpool.cluster.wording import Key

Values: TypeAlias = dict[str, Any]

_STEP, _WORST = 20, 240  # 1/256 s; 240 is what ucarp and the kernels send when demoted


class Seat(NamedTuple):
    """A node's place in a group; interface and advskew (1/256 s) are None where the file errs."""

    node: str
    interface: str | None
    advskew: int | None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a file says, as far as it could be read; ``seats`` has the nodes of each group.

    ``zones`` has the nodes that are zones, each with what holds for it. ``own_zones``
    are the tables ``[nodes.NAME.zone]`` as parsed.
    """

    cluster: Values
    nodes: dict[str, Values]
    groups: dict[str, Values]
    seats: dict[str, tuple[Seat, ...]]
    zones: dict[str, Values]
    own_zones: dict[str, object]
    checks: dict[str, Values]
    notifiers: dict[str, Values]
    log: Values | None = None

    def zone_key(self, node: str, name: str) -> Key:
        """Return where it is written what key ``name`` of the node's zone is."""
        own = self.own_zones.get(node)
        if isinstance(own, dict) and name in own:
            return ("nodes", node, "zone", name)
        return ("zone", name)


def _seats(group: Values, nodes: dict[str, Values], advskew: int | None = None) -> tuple[Seat, ...]:
    """Return the nodes of the group, best rank first, leaving out those that do not exist.

    ``advskew`` is that of nodes of which the file says nothing; None: by their weights.
    """
    if "nodes" not in group:
        return ()
    listed = nodes if group["nodes"] is None else dict.fromkeys(group["nodes"])
    names = [name for name in listed if name in nodes]
    names.sort(key=lambda name: -nodes[name].get("weight", 0))
    skews = _skews(len(names)) if advskew is None else [advskew] * len(names)
    ranked = zip(names, skews, strict=True)
    return tuple(
        Seat(
            name,
            _of_node(group, "interface", name, nodes[name].get("interface")),
            _of_node(group, "advskew", name, skew),
        )
        for name, skew in ranked
    )


def _skews(count: int) -> list[int]:
    """Return the default advskews of ``count`` nodes in order of rank, in 1/256 s."""
    step = max(1, min(_STEP, _WORST // max(1, count - 1)))
    return [min(_WORST, step * rank) for rank in range(count)]


def _of_node(group: Values, name: str, node: str, default: Any) -> Any:
    """Return what key ``name`` of the group says about the node; None if that is wrong."""
    if name not in group:
        return None
    value = group[name]
    if isinstance(value, dict):
        return value.get(node, default)
    return default if value is None else value


def read_document(document: dict[str, Any], source: Source) -> Draft:
    """Read every key of the parsed TOML ``document``, reporting what is wrong to ``source``."""
    known = ["cluster", "zone", "nodes", "groups", "checks", "notify", "log"]
    _report_unknown(document, known, (), source)
    cluster = _read_table(CLUSTER, document.get("cluster", {}), ("cluster",), source)
    nodes = _read_tables(NODE, document, "nodes", source)
    groups = _read_tables(GROUP, document, "groups", source)
    checks = _read_checks(document, source) if "checks" in document else {}
    notifiers = _read_notifiers(document, source) if "notify" in document else {}
    fast = {
        name: resolve_timing(group, document["groups"][name], ("groups", name), source)
        for name, group in groups.items()
    }
    seats = {name: _seats(group, nodes, fast[name]) for name, group in groups.items()}
    own = {
        name: table["zone"]
        for name, table in (document["nodes"].items() if nodes else ())
        if isinstance(table, dict) and "zone" in table
    }
    zones = _read_zones(document.get("zone"), own, nodes, source)
    log = _read_log(document["log"], source) if "log" in document else None
    return Draft(cluster, nodes, groups, seats, zones, own, checks, notifiers, log)


def _read_log(given: object, source: Source) -> Values:
    # Only here: most files say nothing of the log.
    from carpool.cluster.log_schema import LOG, check_log  # noqa: PLC0415

    values = _read_table(LOG, given, ("log",), source)
    check_log(values, given, source)
    return values


def _read_checks(document: dict[str, Any], source: Source) -> dict[str, Values]:
    # Only here: a node without checks need not load their schema.
    from carpool.cluster.check_schema import CHECK  # noqa: PLC0415

    return _read_tables(CHECK, document, "checks", source)


def _read_notifiers(document: dict[str, Any], source: Source) -> dict[str, Values]:
    # Only here, likewise.
    from carpool.cluster.notify_schema import NOTIFY  # noqa: PLC0415

    return _read_tables(NOTIFY, document, "notify", source)


def _read_zones(
    shared: object, own: dict[str, object], nodes: dict[str, Values], source: Source
) -> dict[str, Values]:
    """Read what the zone of each node is: the node's own table, else that of all, else defaults."""
    of_all = None if shared is None else _read_given(ZONE, shared, ("zone",), source)
    zones: dict[str, Values] = {}
    lacking: dict[Key, Field] = {}
    for node, values in nodes.items():
        at: Key = ("nodes", node, "zone") if node in own else ("zone",)
        of_node = _read_given(ZONE, own[node], at, source) if node in own else {}
        if shared is None and node not in own:
            if values.get("hypervisor") is not None:
                key: Key = ("nodes", node, "hypervisor")
                message = "nothing says what the zone on this hypervisor is like"
                source.report(Rule.MISSING_KEY, key, message, f"add a table {ZONE.header}")
        elif of_node is not None and (shared is None or of_all is not None):
            zones[node], missing = _complete({**(of_all or {}), **of_node})
            where = at if shared is None else ("zone",)
            lacking |= {(*where, field.name): field for field in missing}
    for key, field in lacking.items():
        _report_missing(field, key, source)
    return zones


def _complete(given: Values) -> tuple[Values, list[Field]]:
    """Return the zone with its defaults and without what is wrong, and the fields it lacks."""
    zone = {name: value for name, value in given.items() if value is not None}
    absent = [field for field in ZONE.fields if field.name not in given]
    for field in absent:
        if not field.required:
            zone[field.name] = field.default
    return zone, [field for field in absent if field.required]


def _read_tables(
    table: Table, document: dict[str, Any], name: str, source: Source
) -> dict[str, Values]:
    """Read all the tables ``[name.*]``."""
    mend = f"add a table {table.header}"
    if name not in document:
        source.report(Rule.MISSING_KEY, (name,), f"there are no {name}", mend)
        return {}
    raw = document[name]
    if not isinstance(raw, dict):
        message = f"must be a table of {name}, not {toml_type(raw)}"
        source.report(Rule.WRONG_TYPE, (name,), message, mend)
        return {}
    if not raw:
        source.report(Rule.EMPTY, (name,), f"there are no {name}", mend)
    for key in raw:
        if not is_name(key):
            report_name(key, (name, key), source)
    return {key: _read_table(table, value, (name, key), source) for key, value in raw.items()}


def _read_table(table: Table, raw: object, key: Key, source: Source) -> Values:
    """Read one table by its schema, and fill in its defaults."""
    given = _read_given(table, raw, key, source)
    if given is None:
        return {}
    values: Values = {}
    for field in table.fields:
        at = (*key, field.name)
        if field.name in given:
            value = given[field.name]
        elif field.required:
            _report_missing(field, at, source)
            continue
        elif field.default is None:
            values[field.name] = None
            continue
        else:
            value = field.reader.read(field.default, at, source)
        if value is not None:
            values[field.name] = value
    return values


def _read_given(table: Table, raw: object, key: Key, source: Source) -> Values | None:
    """Read the keys that a table has, None for each wrong one; None if it is no table."""
    if not isinstance(raw, dict):
        mend = f"write its keys under [{dotted(key)}]"
        source.report(Rule.WRONG_TYPE, key, f"must be a table, not {toml_type(raw)}", mend)
        return None
    given = cast("dict[str, Any]", raw)
    known = [*(field.name for field in table.fields), *table.tables]
    _report_unknown(given, known, key, source)
    return {
        field.name: field.reader.read(given[field.name], (*key, field.name), source)
        for field in table.fields
        if field.name in given
    }


def _report_missing(field: Field, key: Key, source: Source) -> None:
    mend = f"add for example: {field.name} = {field.reader.example}"
    source.report(Rule.MISSING_KEY, key, "is missing", mend)


def _report_unknown(given: dict[str, Any], known: list[str], key: Key, source: Source) -> None:
    for name, value in given.items():
        if name not in known:
            what = "table" if isinstance(value, dict) else "key"
            mend = choose_from(name, known)
            source.report(Rule.UNKNOWN_KEY, (*key, name), f"unknown {what}", mend)
