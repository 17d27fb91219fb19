"""Health checks in a cluster file: what they say, and what is wrong with them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from tests.cluster.mistakes.checks import GOOD
from tests.cluster.support import ZONE, load_text

from carpool.cluster.check_writing import check_keys
from carpool.cluster.model import Check, Url
from carpool.cluster.toml_writing import toml_line

S = 1_000_000_000


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


def test_a_zone_cannot_ask_by_arp(tmp_path: Path) -> None:
    found = load_text(tmp_path, ZONE + GOOD).findings
    assert [(f.code, f.key) for f in found if f.code == "CP707"] == [
        ("CP707", "checks.router.type")
    ]
    lx = ZONE.replace("joyent", "lx") + 'kernel_version = "4.10"\n'
    assert "CP707" not in [f.code for f in load_text(tmp_path, lx + GOOD).findings]


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    cluster = load_text(tmp_path, GOOD).cluster
    assert cluster is not None
    lines = [GOOD[: GOOD.index("[checks.program]")]]
    for check in cluster.checks:
        keys = check_keys(check, {"web1", "web2"})
        lines += [f"[checks.{check.name}]", *(toml_line(k, v) for k, v in keys.items())]
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
