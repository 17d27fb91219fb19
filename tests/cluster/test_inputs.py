"""What kind of file it is, whatever is in it; and many files, fast."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cluster.support import FILES

from carpool.cluster.inputs import Form, check_files, form_of, read_files


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", Form.CLUSTER),
        ("# only\n", Form.CLUSTER),
        ("[nodes.a]\n", Form.CLUSTER),
        ("ucarp = 1\n", Form.CLUSTER),
        ("-a = 1\n", Form.OPTIONS),
        ("[zone]\niface = 1\n", Form.CLUSTER),
        (" \n {}", Form.PAYLOAD),
        ("{", Form.PAYLOAD),
        ("[ {", Form.PAYLOAD),
        ("[[x]]", Form.CLUSTER),
        ("--vhid=1", Form.OPTIONS),
        ("# x\n\n  -i net0", Form.OPTIONS),
        ("/usr/sbin/ucarp -i net0", Form.OPTIONS),
        ("#!/bin/sh\nexec ucarp \\\n -i net0", Form.OPTIONS),
        ("auto lo\niface lo inet loopback\n", Form.INTERFACES),
    ],
)
def test_forms(text: str, form: Form) -> None:
    assert form_of(text) is form


@pytest.mark.parametrize("name", FILES)
def test_the_files_have_their_forms(name: str) -> None:
    expected = {
        "json": Form.PAYLOAD,
        "cfg": Form.OPTIONS,
        "interfaces": Form.INTERFACES,
        "toml": Form.CLUSTER,
    }
    assert form_of(FILES[name]) is expected[name.rpartition(".")[2]]


def test_a_list_of_payloads_is_no_payload(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n{"brand": "joyent"}, {}]')
    assert [found.code for found in check_files([path])] == ["CP005"]


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"a":\n "\xfc"}')
    found = check_files([tmp_path, tmp_path / "none", tmp_path / "latin.json"])
    assert [(f.code, f.line, f.column) for f in found] == [
        ("CP001", None, None),
        ("CP001", None, None),
        ("CP002", 2, 3),
    ]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "web1.json"
    path.write_text(FILES["web1.json"])
    [read] = read_files([path, path])
    assert read.source.findings() == ()


RELAXED = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"'", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\n", b"-", b"#"]),
    st.sampled_from([b"null", b"true", b"-1", b"1e9", b"[[]]", b'"0"', b"{}", b'"10.0.0.1/8"']),
    st.sampled_from([b"--pass=x", b"-k", b"iface x inet y", b"ucarp-vip", b"192.168.0.200"]),
)
NAMES = st.sampled_from(sorted(FILES))


@RELAXED
@given(st.binary(max_size=200), NAMES)
def test_any_bytes_are_findings_at_most(tmp_path: Path, data: bytes, name: str) -> None:
    never_raises(tmp_path, {name: data})


@RELAXED
@given(st.lists(st.tuples(NAMES, st.integers(0, 1200), st.integers(0, 40), PIECES), max_size=5))
def test_spoilt_files_are_findings_at_most(
    tmp_path: Path, edits: list[tuple[str, int, int, bytes]]
) -> None:
    spoilt: dict[str, bytes] = {}
    for name, place, length, new in edits:
        data = spoilt.get(name, FILES[name].encode())
        spoilt[name] = data[:place] + new + data[place + length :]
    never_raises(tmp_path, spoilt)


JSON = st.recursive(
    st.sampled_from(["null", "true", "0", "-1", "1.5", '""', '"dhcp"', '"10.0.0.1/24"', '"::1"']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(inner, max_size=2).map(
            lambda items: "{" + ", ".join(f'"{"ip" * i}": {v}' for i, v in enumerate(items)) + "}"
        ),
    ),
    max_leaves=4,
)


@RELAXED
@given(st.lists(st.tuples(st.integers(1, 22), JSON), min_size=1, max_size=3))
def test_other_values_are_findings_at_most(tmp_path: Path, edits: list[tuple[int, str]]) -> None:
    """Values of any type at any property: what parses must be read without raising, too."""
    lines = FILES["web1.json"].splitlines()
    for row, value in edits:
        name, colon, _ = lines[row].partition(": ")
        if colon:
            lines[row] = f"{name}: {value}{',' * lines[row].endswith(',')}"
    never_raises(tmp_path, {"web1.json": "\n".join(lines).encode()})


def never_raises(directory: Path, spoilt: dict[str, bytes]) -> None:
    paths = []
    for name, text in FILES.items():
        paths.append(directory / name)
        paths[-1].write_bytes(spoilt.get(name, text.encode()))
    for finding in check_files(paths, secrets=False):
        assert str(finding).isprintable()
        assert finding.message
        assert finding.mend


def thousand_nodes() -> str:
    nodes = "".join(
        f'[nodes.n{i}]\naddress = "10.{i // 250}.0.{i % 250 + 1}/8"\ninterface = "net0"\n'
        f'hypervisor = "gz{i}"\n'
        for i in range(1000)
    )
    groups = "".join(
        f'[groups.g{i}]\nvhid = {i % 255 + 1}\naddresses = ["10.9.{i // 200}.{i % 200 + 1}/8"]\n'
        f'password_file = "k"\nnodes = ["n{2 * i}", "n{2 * i + 1}"]\nadvskew = {{ n{2 * i} = 0, '
        f"n{2 * i + 1} = 100 }}\n"
        for i in range(255)
    )
    zone = '[zone]\nimage = "62f148f8-6e84-11e4-82c5-efca60348b9f"\nnic_tag = "external"\n'
    return zone + 'gateways = ["10.255.0.1"]\nresolvers = ["10.255.0.53"]\n' + nodes + groups


def test_a_thousand_nodes_take_less_than_a_second(tmp_path: Path) -> None:
    one = tmp_path / "one.toml"
    one.write_text(thousand_nodes())
    assert seconds([one]) < 1


def test_a_thousand_payloads_take_little_more(tmp_path: Path) -> None:
    paths = []
    for i in range(1000):
        path = tmp_path / f"{i}.json"
        text = FILES["web1.json"].replace(
            "192.168.0.201", f"192.168.{i // 250 + 1}.{i % 250 + 1}/16"
        )
        text = text.replace("/16/24", "/16").replace("10.0.0.201", f"10.1.{i // 250}.{i % 250 + 1}")
        text = text.replace("2001:db8::201", f"2001:db8::{i + 1:x}:1")
        text = text.replace("c7d2e11", f"c7{i:05x}").replace("web1.", f"web{i}.")
        path.write_text(text.replace('192.168.0.1"', '192.168.255.1"'))
        paths.append(path)
    assert seconds(paths) < 3


def seconds(paths: list[Path]) -> float:
    begin = time.process_time()
    found = check_files(paths, secrets=False)
    passed = time.process_time() - begin
    assert [finding for finding in found if finding.code != "CP216"] == []
    return passed
