"""The scanner against tomllib: every key that tomllib sees has a line, and the right one."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carpool.cluster.toml_places import key_places


def leaves(value: Any, key: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    """Return every value that is no table and no list, by its path; empty ones count too."""
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    if not children:
        return {key: value} if key else {}
    return {
        path: leaf for part, child in children for path, leaf in leaves(child, (*key, part)).items()
    }


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = 1\n\nb = 2", {("a",): 1, ("b",): 3}),
        ("# [x]\n[a]\nb = 1", {("a",): 2, ("a", "b"): 3}),
        ("[a.b]\n[a]\nc = 1", {("a",): 1, ("a", "b"): 1, ("a", "c"): 3}),
        ("a.b = 1\na.c = 2", {("a",): 1, ("a", "b"): 1, ("a", "c"): 2}),
        ("a = [1,\n2]", {("a",): 1, ("a", 0): 1, ("a", 1): 2}),
        ("a = { b = 1, c.d = [\n1] }", {("a", "b"): 1, ("a", "c", "d"): 1, ("a", "c", "d", 0): 2}),
        (
            "[[a]]\nb = 1\n[[a]]\n[a.c]\nd = 1",
            {("a", 0, "b"): 2, ("a", 1): 3, ("a", 1, "c", "d"): 5},
        ),
        ("[[a]]\n[[a.b]]\n[[a.b]]\n[[a]]\n[[a.b]]", {("a", 0, "b", 1): 3, ("a", 1, "b", 0): 5}),
        ("\"a b\".'c' = 1", {("a b", "c"): 1}),
        ('"\\u0041\\"" = 1', {('A"',): 1}),
        ('[ "a" . b ] # c\nd=1', {("a", "b", "d"): 2}),
        ('a = """\n"" ]\n""""" # "\nb = 1', {("a",): 1, ("b",): 4}),
        ("a = '''\n'' #\n'''''\nb = 1", {("a",): 1, ("b",): 4}),
        ('a = """\\"""\n"""\nb = 1', {("b",): 3}),
        ('a = "#\\"[" # "\nb = 1', {("b",): 2}),
        ("a = '\\' # '\nb = 1", {("b",): 2}),
        (
            "a = [ # ]\n'],', # '\n[ ], { },\n]\nb = 1",
            {("a", 0): 2, ("a", 1): 3, ("a", 2): 3, ("b",): 5},
        ),
        ("a = 1979-05-27 07:32:00 # t\nb = -inf", {("a",): 1, ("b",): 2}),
        ("a = 1\r\n\r\nb = 2\r\n", {("a",): 1, ("b",): 3}),
        ("1.2 = 3.4\n", {("1", "2"): 1}),
        ('"" = ""\n', {("",): 1}),
        ("", {}),
        ("# only", {}),
    ],
)
def test_lines(text: str, lines: dict[tuple[str | int, ...], int]) -> None:
    tomllib.loads(text)  # the scanner's side of the bargain
    found = {key: place.line for key, place in key_places(text).items()}
    assert {key: found.get(key) for key in lines} == lines


def test_columns() -> None:
    text = "a.b = [1, [22, 'x'],\n  3]\n [ t ]\r\n\tk = {x = 1, 'y' = 2}\n[[u]]\n\n é = 1"
    text = text.replace("é", '"é"')
    places = key_places(text)
    assert places == {
        ("a",): (1, 1),
        ("a", "b"): (1, 1),
        ("a", "b", 0): (1, 8),
        ("a", "b", 1): (1, 11),
        ("a", "b", 1, 0): (1, 12),
        ("a", "b", 1, 1): (1, 16),
        ("a", "b", 2): (2, 3),
        ("t",): (3, 2),
        ("t", "k"): (4, 2),
        ("t", "k", "x"): (4, 7),
        ("t", "k", "y"): (4, 14),
        ("u",): (5, 1),
        ("u", 0): (5, 1),
        ("u", 0, "é"): (7, 2),
    }


NAMES = st.one_of(st.sampled_from(["a", "b-1", "9"]), st.text(max_size=4))
TREES = st.recursive(
    st.none(),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)


class Writer:
    """Writes a tree of tables and lists as TOML in a random style; leaves are numbered strings."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.count = 0

    def one_of(self, *texts: str) -> str:
        return str(self.draw(st.sampled_from(texts)))

    def blank(self) -> str:
        return self.one_of("", "", " ", "\t ")

    def end(self) -> str:
        return self.one_of("\n", "\r\n", " # ] } ' \" [x]\n", "\n\n", "\n  # a = 1\n")

    def name(self, name: str) -> str:
        if name and name.isascii() and name.replace("-", "").isalnum() and self.draw(st.booleans()):
            return name
        if name.isprintable() and "'" not in name and self.draw(st.booleans()):
            return f"'{name}'"
        return escaped(name)

    def key(self, key: tuple[str, ...]) -> str:
        dot = f"{self.blank()}.{self.blank()}"
        return self.blank() + dot.join(self.name(part) for part in key) + self.blank()

    def leaf(self) -> str:
        self.count += 1
        mark = f"<{self.count}>"
        return self.one_of(
            f'"{mark} \\" # [\\\\"',
            f"'{mark} \\'",
            f'"""{mark}\n"" \\""" # = [\r\n""""',
            f"'''{mark}\n'' = {{\\\n'''''",
        )

    def value(self, tree: Any) -> str:
        if isinstance(tree, list):
            space = [self.one_of("", " ", "\n", " # ]\n\t", "\r\n") for _ in range(3)]
            items = f"{space[0]},{space[1]}".join(self.value(item) for item in tree)
            comma = self.one_of("", ",") if tree else ""
            return f"[{space[2]}{items}{space[0]}{comma}{space[1]}]"
        if isinstance(tree, dict):
            pairs = [
                f"{self.key((name,))}={self.blank()}{self.value(v)}" for name, v in tree.items()
            ]
            return "{" + ",".join(pairs) + self.blank() + "}"
        return self.leaf()

    def table(self, tree: dict[str, Any], path: tuple[str, ...]) -> str:
        """Write pairs first, then sub-tables under headers of their own."""
        text, later = "", ""
        for name, value in tree.items():
            here = (*path, name)
            style = self.draw(st.sampled_from(["pair", "header"]))
            tables = isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            if style == "header" and isinstance(value, dict):
                later += f"[{self.key(here)}]{self.end()}{self.table(value, here)}"
            elif style == "header" and tables:
                for element in value:
                    later += f"[[{self.key(here)}]]{self.end()}{self.table(element, here)}"
            elif isinstance(value, dict) and value and self.draw(st.booleans()):
                for inner, leaf in value.items():
                    text += (
                        f"{self.key((name, inner))}={self.blank()}{self.value(leaf)}{self.end()}"
                    )
            else:
                text += f"{self.key((name,))}={self.blank()}{self.value(value)}{self.end()}"
        return text + later


def escaped(name: str) -> str:
    return '"' + "".join(f"\\U{ord(char):08x}" for char in name) + '"'


@settings(deadline=None)
@given(st.data(), st.dictionaries(NAMES, TREES, max_size=4))
def test_every_leaf_has_its_own_line(data: st.DataObject, tree: dict[str, Any]) -> None:
    text = Writer(data.draw).table(tree, ())
    lines = {key: place.line for key, place in key_places(text).items()}
    rows = text.split("\n")
    for path, leaf in leaves(tomllib.loads(text)).items():
        if isinstance(leaf, str):
            assert f"{leaf.split('>')[0]}>" in rows[lines[path] - 1], (path, text)
        else:
            assert path in lines


FRAGMENTS = (
    *"ab9.=[]{},# \t\n\"'\\é",
    *("[[", "]]", '"""', "'''", "\r\n", "\na=", "\n[a]\n", "\n[[a.b]]\n"),
    *("1", "true", "1979-05-27 07:32:00"),
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))
def test_whatever_tomllib_takes_is_scanned(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = {key: place.line for key, place in key_places(text).items()}
    rows = text.count("\n") + 1
    assert all(1 <= lines[path] <= rows for path in leaves(document))
