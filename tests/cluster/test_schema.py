from __future__ import annotations

import dataclasses
import tomllib

import pytest

from carpool.cluster import check_schema, log_schema, notify_schema, schema
from carpool.cluster.kinds import Kinds
from carpool.cluster.model import Check, Group, Node, Notifier, Zone
from carpool.cluster.source import Source
from carpool.cluster.table import Field

FIELDS = [
    pytest.param(field, id=f"{table.header}{field.name}")
    for table in (*schema.TABLES, check_schema.CHECK, notify_schema.NOTIFY, log_schema.LOG)
    for field in table.fields
]


@pytest.mark.parametrize("field", FIELDS)
def test_a_manual_page_can_be_written(field: Field) -> None:
    assert field.doc.endswith(".")
    assert "\n" not in field.doc
    assert field.default_doc not in {"", "None"}
    assert field.reader.kind


@pytest.mark.parametrize("field", FIELDS)
def test_defaults_and_examples_are_readable(field: Field) -> None:
    source = Source(None)
    example = tomllib.loads(f"x = {field.reader.example}")["x"]
    assert field.reader.read(example, (field.name,), source) is not None
    if field.default is not None:
        assert field.reader.read(field.default, (field.name,), source) is not None
        assert tomllib.loads(f"x = {field.default_doc}")["x"] == field.default
    assert source.findings() == ()


def test_model_and_schema_have_the_same_fields() -> None:
    group = {field.name for field in dataclasses.fields(Group)}
    assert group == {"name", "members"} | {field.name for field in schema.GROUP.fields} - {
        "advskew",
        "interface",
        "nodes",
    }
    node = {field.name for field in dataclasses.fields(Node)}
    fields = {field.name for field in schema.NODE.fields} | set(schema.NODE.tables)
    assert node == {"name", "addresses"} | fields - {"address"}
    zone = {field.name for field in dataclasses.fields(Zone)}
    assert zone == {field.name for field in schema.ZONE.fields}
    check = {field.name for field in dataclasses.fields(Check)}
    assert check == {"name"} | {field.name for field in check_schema.CHECK.fields}
    notifier = {field.name for field in dataclasses.fields(Notifier)}
    keys = {field.name for field in notify_schema.NOTIFY.fields}
    assert notifier - {"name", "sender"} == keys - {"from"}


@pytest.mark.parametrize(
    ("kinds", "of_all"),
    [
        (check_schema.KINDS, {"type", "interval", "timeout", "rise", "fall", "action", "demote"}),
        (notify_schema.KINDS, {"type", "on", "groups", "timeout", "retries", "every"}),
    ],
    ids=["checks", "notifiers"],
)
def test_every_key_belongs_to_all_types_or_to_some(kinds: Kinds, of_all: set[str]) -> None:
    of_some = {name for keys in kinds.types.values() for name in (*keys.required, *keys.optional)}
    assert {field.name for field in kinds.table.fields} == of_some | of_all
    assert not of_some & of_all
