"""The scanner against json: every property that json sees has a place, and the right one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carpool.cluster.json_places import key_places, repeated_keys


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"a": 1,\n "b": [2,\n  3]}', {("a",): (1, 2), ("b",): (2, 2), ("b", 1): (3, 3)}),
        ('{"a": {"b": {}, "c": []}}', {("a", "b"): (1, 8), ("a", "c"): (1, 17)}),
        ('[{"a": "]"}, [",", {"b": null}]]', {(0, "a"): (1, 3), (1, 1, "b"): (1, 21)}),
        ('{"a\\"{\\u0041": "\\\\", "b": 1}', {('a"{A',): (1, 2), ("b",): (1, 22)}),
        ('{"": {"": [[], [1]]}}', {("", "", 1, 0): (1, 17)}),
        ('\r\n{ "a":\r\n\ttrue}', {("a",): (2, 3)}),
        ("1", {}),
        ('""', {}),
    ],
)
def test_places(text: str, places: dict[tuple[str | int, ...], tuple[int, int]]) -> None:
    json.loads(text)  # the scanner's side of the bargain
    found = key_places(text)
    assert {key: found.get(key) for key in places} == places
    assert repeated_keys(text) == []


def test_the_second_of_two_counts() -> None:
    text = '{"a": 1, "b": {"a": 2},\n "a": 3}'
    assert json.loads(text)["a"] == 3
    assert repeated_keys(text) == [(("a",), (2, 2))]
    assert key_places(text)[("a",)] == (2, 2)


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


def keys(tree: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items: Any = ()
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list):
        items = enumerate(tree)
    return [key for name, child in items for key in [(*path, name), *keys(child, (*path, name))]]


@settings(deadline=None)
@given(
    TREES,
    st.sampled_from([None, 0, 3, "\t"]),
    st.sampled_from([(",", ":"), (" , ", " : "), (",\n", ":\r\n")]),
    st.booleans(),
)
def test_every_property_has_its_own_place(
    tree: Any, indent: int | str | None, separators: tuple[str, str], ascii_only: bool
) -> None:
    text = json.dumps(tree, indent=indent, separators=separators, ensure_ascii=ascii_only)
    places = key_places(text)
    assert list(places) == keys(tree)
    rows = text.split("\n")
    for path, place in places.items():
        rest = rows[place.line - 1][place.column - 1 :]
        name = path[-1]
        if isinstance(name, str):
            assert rest.startswith(json.dumps(name, ensure_ascii=ascii_only))
        else:
            assert not rest.startswith((" ", "\t", ",", ":"))
    assert len(set(places.values())) == len(places)


FRAGMENTS = (*'{}[]:,"\\ \n1', "true", "null", '"a"', '"a":', "1e5")


@settings(deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))
def test_whatever_json_takes_is_scanned(text: str) -> None:
    try:
        tree = json.loads(text)
    except ValueError:
        return
    assert set(keys(tree)) <= set(key_places(text))
