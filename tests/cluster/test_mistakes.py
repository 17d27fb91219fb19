"""Every mistake that a user can make in a cluster file is told, with its line and its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cluster.mistakes import checks, groups, notifiers, zones
from tests.cluster.support import load_text

from carpool.cluster.findings import Rule, Severity
from carpool.cluster.load import load

GOOD = groups.GOOD
TABLES = {"groups": groups, "zones": zones, "checks": checks, "notifiers": notifiers}
EACH = [
    pytest.param(table.GOOD, mistake, id=f"{name}-{number}-{mistake[0]}-{mistake[2]}")
    for name, table in TABLES.items()
    for number, mistake in enumerate(table.MISTAKES)
]
WARNINGS = {rule.code for rule in Rule if rule.severity is Severity.WARNING}


@pytest.mark.parametrize("name", TABLES)
def test_what_is_good_has_no_finding(tmp_path: Path, name: str) -> None:
    assert load_text(tmp_path, TABLES[name].GOOD).findings == ()


@pytest.mark.parametrize(("good", "mistake"), EACH)
def test_one_mistake(tmp_path: Path, good: str, mistake: tuple[str, int, str, str, str]) -> None:
    code, line, key, old, new = mistake
    assert old in good
    loaded = load_text(tmp_path, new.join(good.rsplit(old, 1)))
    assert [(found.code, found.line, found.key) for found in loaded.findings] == [(code, line, key)]
    finding = loaded.findings[0]
    assert finding.mend
    assert finding.file == tmp_path / "cluster.toml"
    assert str(finding).isprintable()
    assert len(str(finding)) < 400
    assert "sesame" not in str(finding)
    assert (loaded.cluster is None) == (code not in WARNINGS)


def test_a_hypervisor_without_a_zone(tmp_path: Path) -> None:
    text = GOOD.replace("weight = 50", 'hypervisor = "gz"')
    found = [(f.code, f.line, f.key) for f in load_text(tmp_path, text).findings]
    assert found == [("CP102", 7, "nodes.web2.hypervisor")]


@pytest.mark.parametrize("old, new, mend", [  # noqa: PT006
    ("advbase", "advbas", "did you mean 'advbase'?"),
    ("[groups.db]", "[group.db]", "did you mean 'groups'?"),
    ("web2 = 100", "wbe2 = 100", "did you mean 'web2'?"),
    ("43", "42", "1 is free"),
])  # fmt: skip
def test_the_mend_helps(tmp_path: Path, old: str, new: str, mend: str) -> None:
    assert mend in str(load_text(tmp_path, GOOD.replace(old, new)).findings[0])


def test_ten_mistakes_at_once(tmp_path: Path) -> None:
    text = """\
x = 1
[nodes.web1]
address = "192.168.0.255/24"
interface = "net0/1"
weight = 300
[nodes.web2]
addres = "192.168.0.202/24"
[groups.www]
vhid = "42"
addresses = ["192.168.0.200/24", "fd00::g"]
advskew = { web3 = 0, web2 = 256 }
preempt = 1
"""
    found = [(f.code, f.line, f.key) for f in load_text(tmp_path, text).findings]
    assert found == [
        ("CP101", 1, "x"),
        ("CP107", 3, "nodes.web1.address"),
        ("CP108", 4, "nodes.web1.interface"),
        ("CP104", 5, "nodes.web1.weight"),
        ("CP102", 6, "nodes.web2.address"),
        ("CP102", 6, "nodes.web2.interface"),
        ("CP101", 7, "nodes.web2.addres"),
        ("CP102", 8, "groups.www.password_file"),
        ("CP103", 9, "groups.www.vhid"),
        ("CP106", 10, "groups.www.addresses[1]"),
        ("CP104", 11, "groups.www.advskew.web2"),
        ("CP206", 11, "groups.www.advskew.web3"),
        ("CP103", 12, "groups.www.preempt"),
    ]


@pytest.mark.parametrize(
    "text", ["", "\n# nothing\n", "[nodes]\n[groups]\n", "nodes = 1\ngroups = []"]
)
def test_nothing_in_it(tmp_path: Path, text: str) -> None:
    loaded = load_text(tmp_path, text)
    assert loaded.cluster is None
    assert sorted(finding.key for finding in loaded.findings) == ["groups", "nodes"]


def test_nodes_that_are_no_tables(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, GOOD.replace("[nodes.web1]", "[nodes]\nweb1 = 3\n[other]"))
    assert ("CP103", "nodes.web1") in [(found.code, found.key) for found in loaded.findings]


def test_one_shared_place_is_told_once(tmp_path: Path) -> None:
    """Two groups meet on both nodes, over IPv4 and IPv6: that is still one mistake."""
    text = GOOD.replace("43", "42").replace("192.168.0.210", '192.168.0.210", "fd00::210')
    assert [found.code for found in load_text(tmp_path, text).findings] == ["CP205"]


def test_preempt_among_too_many_for_ranks(tmp_path: Path) -> None:
    nodes = "".join(
        f'[nodes.n{i}]\naddress = "10.0.{i // 250}.{i % 250 + 1}"\ninterface = "net0"\n'
        for i in range(300)
    )
    group = (
        '[groups.www]\nvhid = 1\naddresses = ["10.9.0.1"]\npassword_file = "k"\npreempt = true\n'
    )
    loaded = load_text(tmp_path, nodes + group)
    assert loaded.cluster is not None
    assert [(found.code, found.key) for found in loaded.findings] == [
        ("CP210", "groups.www.preempt")
    ]
    assert "and 52 more" in loaded.findings[0].message


def unreadable(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "latin1.toml").write_bytes(b"# a\n# \xfc\n")
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000 + "]" * 5000)
    (tmp_path / "digits.toml").write_text("a = " + "9" * 5000)
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate((8 << 20) + 1)
    return {
        "CP001 None cannot be read: No such file": tmp_path / "none.toml",
        "CP001 None cannot be read: Is a directory": tmp_path,
        "CP001 None cannot be read: embedded null": tmp_path / "\0",
        "CP001 None is larger": tmp_path / "huge.toml",
        "CP002 2 byte 0xfc is not UTF-8": tmp_path / "latin1.toml",
        "CP003 None arrays or tables are nested": tmp_path / "deep.toml",
        "CP003 None Exceeds the limit": tmp_path / "digits.toml",
    }


def test_unreadable_files(tmp_path: Path) -> None:
    for start, path in unreadable(tmp_path).items():
        loaded = load(path)
        assert loaded.cluster is None
        [finding] = loaded.findings
        assert f"{finding.code} {finding.line} {finding.message}".startswith(start)
        assert finding.mend


def test_password_files(tmp_path: Path) -> None:
    """One file used by two groups is told at both; nothing of it is shown."""
    key = tmp_path / "www.key"
    key.write_text("tops" * 6)
    key.chmod(0o600)
    path = tmp_path / "cluster.toml"
    path.write_text(GOOD)
    found = [(f.code, f.line, f.key) for f in load(path).findings]
    assert found == [
        ("CP303", 11, "groups.www.password_file"),
        ("CP303", 17, "groups.db.password_file"),
    ]
    key.chmod(0o644)
    assert {finding.code for finding in load(path).findings} == {"CP302"}
    key.unlink()
    assert {finding.code for finding in load(path).findings} == {"CP301"}
    assert "tops" not in "".join(map(str, load(path).findings))


EXAMPLE = (Path(__file__).parents[2] / "examples" / "many.toml").read_bytes()
PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"'", b'"', b'"""', b"[", b"]", b"{", b"}", b"=", b".", b"#", b"\n", b"1"]),
    st.sampled_from([b"true", b"nodes", b"[[x]]\n", b"[groups.odd.nodes]\n"]),
)
EDITS = st.lists(
    st.tuples(st.integers(0, len(EXAMPLE)), st.integers(0, 12), PIECES), min_size=1, max_size=4
)
RELAXED = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@RELAXED
@given(st.binary(max_size=200))
def test_any_bytes_are_a_cluster_or_findings(tmp_path: Path, data: bytes) -> None:
    never_raises(tmp_path, data)


@RELAXED
@given(EDITS)
def test_a_spoilt_example_is_a_cluster_or_findings(
    tmp_path: Path, edits: list[tuple[int, int, bytes]]
) -> None:
    data = EXAMPLE
    for place, length, new in edits:
        data = data[:place] + new + data[place + length :]
    never_raises(tmp_path, data)


VALUES = st.recursive(
    st.sampled_from(["1", "-1", "true", "nan", "0.5", "2020-01-01", "''", "'a'", "'10.0.0.1/24'"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["left", "right", "x"]), inner, max_size=2).map(
            lambda table: "{" + ", ".join(f"{k} = {v}" for k, v in table.items()) + "}"
        ),
    ),
    max_leaves=4,
)


@pytest.mark.parametrize(
    "text", [EXAMPLE.decode(), checks.GOOD, notifiers.GOOD], ids=["groups", "checks", "notifiers"]
)
@RELAXED
@given(edits=st.lists(st.tuples(st.integers(0, 999), VALUES), min_size=1, max_size=4))
def test_other_values_are_a_cluster_or_findings(
    tmp_path: Path, text: str, edits: list[tuple[int, str]]
) -> None:
    """Values of any type at any key: what parses must be read without raising, too."""
    lines = text.splitlines()
    for number, value in edits:
        row = number % len(lines)
        name, equals, _ = lines[row].partition(" = ")
        lines[row] = f"{name} = {value}" if equals else lines[row]
    never_raises(tmp_path, "\n".join(lines).encode())


def never_raises(directory: Path, data: bytes) -> None:
    path = directory / "cluster.toml"
    path.write_bytes(data)
    loaded = load(path, secrets=False)
    failed = any(finding.severity is Severity.ERROR for finding in loaded.findings)
    assert (loaded.cluster is None) == failed
    for finding in loaded.findings:
        assert str(finding)
        assert finding.line is None or 1 <= finding.line <= data.count(b"\n") + 1
