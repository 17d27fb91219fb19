"""Health checks in a cluster file: what they say, and every mistake in them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cluster.test_mistakes import VALUES, never_raises

from carpool.cluster.check_schema import CHECK, TYPES
from carpool.cluster.check_writing import check_keys
from carpool.cluster.findings import Rule, Severity
from carpool.cluster.load import Loaded, load
from carpool.cluster.model import Check, Url

GOOD = """\
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
[nodes.web2]
address = "192.168.0.202/24"
interface = "eth0"
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24"]
password_file = "www.key"
checks = ["program", "port", "page", "router", "uplink", "flag"]
[checks.program]
type = "command"
command = ["/opt/check", "--all"]
interval = 10
timeout = 5
rise = 1
fall = 5
action = "backup"
[checks.port]
type = "tcp"
address = "127.0.0.1"
port = 5432
demote = 20
[checks.page]
type = "http"
url = "https://[2001:db8::1]:8443/health?full"
host = "www.example.com"
verify = false
status = [200, 204]
text = "all is well"
[checks.router]
type = "gateway"
address = "192.168.0.1"
[checks.uplink]
type = "interface"
interface = { web1 = "net1", web2 = "eth1" }
interval = 0.5
[checks.flag]
type = "file"
path = "/etc/carpool/maintenance"
"""

S = 1_000_000_000

# code, line, key, and how GOOD is spoilt: this text, by that text.
MISTAKES = [
    ("CP101", 24, "checks.port.demot", "demote = 20", "demot = 20"),
    ("CP102", 20, "checks.port.type", 'type = "tcp"\n', ""),
    ("CP102", 20, "checks.port.port", "port = 5432\n", ""),
    ("CP102", 12, "checks.program.command", 'command = ["/opt/check", "--all"]\n', ""),
    ("CP102", 25, "checks.page.url", 'url = "https://[2001:db8::1]:8443/health?full"\n', ""),
    ("CP102", 32, "checks.router.address", 'address = "192.168.0.1"\n', ""),
    ("CP102", 35, "checks.uplink.interface", 'interface = { web1 = "net1", web2 = "eth1" }\n', ""),
    ("CP102", 39, "checks.flag.path", 'path = "/etc/carpool/maintenance"\n', ""),
    ("CP103", 11, "groups.www.checks[6]", '"flag"]', '"flag", 5]'),
    ("CP103", 30, "checks.page.status", "[200, 204]", '"200"'),
    ("CP103", 22, "checks.port.address", '"127.0.0.1"', "127"),
    ("CP104", 17, "checks.program.rise", "rise = 1", "rise = 0"),
    ("CP104", 18, "checks.program.fall", "fall = 5", "fall = 0"),
    ("CP104", 18, "checks.program.fall", "fall = 5", "fall = 101"),
    ("CP104", 15, "checks.program.interval", "interval = 10", "interval = 0.01"),
    ("CP104", 16, "checks.program.timeout", "timeout = 5", "timeout = 0"),
    ("CP104", 24, "checks.port.demote", "= 20", "= 0"),
    ("CP104", 24, "checks.port.demote", "= 20", "= 255"),
    ("CP104", 23, "checks.port.port", "5432", "65536"),
    ("CP104", 30, "checks.page.status[1]", "204", "100"),
    ("CP106", 22, "checks.port.address", "127.0.0.1", "localhost"),
    ("CP106", 34, "checks.router.address", "192.168.0.1", "192.168.0.1/24"),
    ("CP107", 34, "checks.router.address", "192.168.0.1", "224.0.0.1"),
    ("CP108", 37, "checks.uplink.interface.web2", "eth1", "e/1"),
    ("CP110", 31, "checks.page.text", "all is well", ""),
    ("CP111", 21, "checks.port.type", '"tcp"', '"udp"'),
    ("CP111", 19, "checks.program.action", '"backup"', '"stop"'),
    ("CP112", 30, "checks.page.status", "[200, 204]", "[]"),
    ("CP201", 11, "groups.www.checks[6]", '"flag"]', '"flag", "port"]'),
    ("CP206", 37, "checks.uplink.interface.web3", "web2 = ", "web3 = "),
    ("CP701", 11, "groups.www.checks[6]", '"flag"]', '"flag", "prot"]'),
    ("CP702", 39, "checks.flag", ', "flag"]', "]"),
    ("CP703", 16, "checks.program.timeout", "timeout = 5", "timeout = 10"),
    ("CP703", 24, "checks.port.timeout", "demote = 20", "timeout = 2"),
    ("CP704", 24, "checks.port.url", "demote = 20", 'url = "http://127.0.0.1"'),
    ("CP704", 41, "checks.flag.interface", 'path = "/e', 'interface = "net0"\npath = "/e'),
    ("CP705", 20, "checks.program.demote", 'action = "backup"', 'action = "backup"\ndemote = 1'),
    ("CP705", 41, "checks.flag.text", 'path = "/e', 'text = "x"\nexpect = "absent"\npath = "/e'),
    ("CP705", 29, "checks.page.verify", "https:", "http:"),
    ("CP706", 27, "checks.page.url", "[2001:db8::1]", "localhost"),
    ("CP706", 27, "checks.page.url", "[2001:db8::1]", "2001:db8::1"),
    ("CP706", 27, "checks.page.url", "[2001:db8::1]", "[fe80::1%net0]"),
    ("CP706", 27, "checks.page.url", ":8443", ":0"),
    ("CP706", 27, "checks.page.url", ":8443", ":84430"),
    ("CP706", 27, "checks.page.url", "/health", "/a b"),
    ("CP706", 27, "checks.page.url", "/health", "/\\u00fc"),
    ("CP706", 27, "checks.page.url", "https", "ftp"),
    ("CP706", 27, "checks.page.url", "//[", "//me:sesame@["),
]  # fmt: skip


def load_text(directory: Path, text: str) -> Loaded:
    path = directory / "cluster.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, secrets=False)


def test_the_good_checks(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, GOOD)
    assert loaded.findings == ()
    assert loaded.cluster is not None
    assert loaded.cluster.checks == (
        Check(
            "program",
            "command",
            10 * S,
            5 * S,
            1,
            5,
            "backup",
            None,
            command=("/opt/check", "--all"),
        ),
        Check(
            *("port", "tcp", 2 * S, S, 2, 3, "demote", 20),
            address=IPv4Address("127.0.0.1"),
            port=5432,
        ),
        Check(
            *("page", "http", 2 * S, S, 2, 3, "demote", 1),
            url=Url(tls=True, address=IPv6Address("2001:db8::1"), port=8443, path="/health?full"),
            host="www.example.com",
            verify=False,
            status=(200, 204),
            text="all is well",
        ),
        Check(
            *("router", "gateway", 2 * S, S, 2, 3, "demote", 1), address=IPv4Address("192.168.0.1")
        ),
        Check(
            *("uplink", "interface", S // 2, S // 4, 2, 3, "demote", 1),
            interface={"web1": "net1", "web2": "eth1"},
        ),
        Check(
            *("flag", "file", 2 * S, S, 2, 3, "demote", 1),
            path="/etc/carpool/maintenance",
            expect="absent",
        ),
    )


@pytest.mark.parametrize(("code", "line", "key", "old", "new"), MISTAKES)
def test_one_mistake(tmp_path: Path, code: str, line: int, key: str, old: str, new: str) -> None:
    assert GOOD.count(old) == 1
    loaded = load_text(tmp_path, GOOD.replace(old, new, 1))
    assert [(found.code, found.line, found.key) for found in loaded.findings] == [(code, line, key)]
    finding = loaded.findings[0]
    assert finding.mend
    assert str(finding).isprintable()
    assert "sesame" not in "".join(map(str, loaded.findings))
    warnings = {rule.code for rule in Rule if rule.severity is Severity.WARNING}
    assert (loaded.cluster is None) == (code not in warnings)


@pytest.mark.parametrize(
    ("old", "new", "mend"),
    [
        ('"flag"]', '"flag", "prot"]', "did you mean 'port'?"),
        ("[2001:db8::1]", "db.example.com", 'host = "db.example.com"'),
        ("demote = 20", "path = '/x'", "it has address, port"),
    ],
)
def test_the_mend_helps(tmp_path: Path, old: str, new: str, mend: str) -> None:
    assert mend in str(load_text(tmp_path, GOOD.replace(old, new)).findings[0])


def test_a_group_depends_on_what_is_not_there(tmp_path: Path) -> None:
    text = GOOD[: GOOD.index("[checks.program]")]
    found = load_text(tmp_path, text).findings
    assert {finding.code for finding in found} == {"CP701"}
    assert len(found) == 6
    assert found[0].mend == "add a table [checks.NAME]"


@pytest.mark.parametrize("checks", ["checks = 1\n", "[[checks]]\n", "[checks]\nweb = 2\n"])
def test_no_tables(tmp_path: Path, checks: str) -> None:
    text = GOOD[: GOOD.index("[checks.program]")].replace("checks = [", "# [")
    text = checks + text if "=" in checks and "[" not in checks else text + checks
    assert "CP103" in [found.code for found in load_text(tmp_path, text).findings]


ZONE = """\
[zone]
image = "62f148f8-6e84-11e4-82c5-efca60348b9f"
nic_tag = "external"
brand = "joyent"
"""


def test_a_zone_cannot_ask_by_arp(tmp_path: Path) -> None:
    found = load_text(tmp_path, ZONE + GOOD).findings
    assert [(f.code, f.key) for f in found if f.code == "CP707"] == [
        ("CP707", "checks.router.type")
    ]
    lx = ZONE.replace("joyent", "lx") + 'kernel_version = "4.10"\n'
    assert "CP707" not in [f.code for f in load_text(tmp_path, lx + GOOD).findings]


def test_every_key_belongs_to_all_types_or_to_some() -> None:
    of_some = {name for keys in TYPES.values() for name in (*keys.required, *keys.optional)}
    of_all = {"type", "interval", "timeout", "rise", "fall", "action", "demote"}
    assert {field.name for field in CHECK.fields} == of_some | of_all
    assert not of_some & of_all


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    import json

    def toml(value: object) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
        return json.dumps(value)

    cluster = load_text(tmp_path, GOOD).cluster
    assert cluster is not None
    lines = [GOOD[: GOOD.index("[checks.program]")]]
    for check in cluster.checks:
        keys = check_keys(check, {"web1", "web2"})
        lines += [f"[checks.{check.name}]", *(f"{k} = {toml(v)}" for k, v in keys.items())]
    again = load_text(tmp_path, "\n".join(lines))
    assert again.findings == ()
    assert again.cluster is not None
    assert again.cluster.checks == cluster.checks


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "http://127.0.0.1:8080/a/b?c=d&e",
        "https://[2001:db8::1]/",
        "http://127.0.0.1:443/",
        "https://127.0.0.1:80/",
    ],
)
def test_a_url_is_written_as_it_is_read(tmp_path: Path, url: str) -> None:
    text = GOOD.replace("https://[2001:db8::1]:8443/health?full", url).replace("verify = false", "")
    cluster = load_text(tmp_path, text).cluster
    assert cluster is not None
    assert str(cluster.checks[2].url) == url


@settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.integers(0, GOOD.count("\n") - 1), VALUES), min_size=1, max_size=4))
def test_other_values_are_a_cluster_or_findings(
    tmp_path: Path, edits: list[tuple[int, str]]
) -> None:
    lines = GOOD.splitlines()
    for row, value in edits:
        name, equals, _ = lines[row].partition(" = ")
        lines[row] = f"{name} = {value}" if equals else lines[row]
    never_raises(tmp_path, "\n".join(lines).encode())
