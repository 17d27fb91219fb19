"""`carpool import`: what others have set up becomes a cluster file that says the same."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cluster.support import FILES, PASSWORD

from carpool.cli import import_
from carpool.cluster.load import load

ARTICLE = Path(__file__).parents[1] / "cluster" / "article"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with payloads, options and interfaces."""
    monkeypatch.chdir(tmp_path)
    for name, text in (FILES | {"web.key": f"{PASSWORD}\n"}).items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    for file in ARTICLE.iterdir():
        (tmp_path / f"article-{file.name}").write_text(file.read_text())
    return tmp_path


def imported(*names: str, code: int = 0) -> dict[str, Any]:
    assert import_.main([*names, "-o", "out.toml"]) == code
    return tomllib.loads(Path("out.toml").read_text())


def test_payloads_and_options_without_mistakes() -> None:
    found = imported("web1.json", "web2.json", "web1.cfg", "web2.cfg")
    uuid = "b6a3d1c8-3c2f-4a77-9a3e-6f1f0c7d2e1"
    assert found == {
        "cluster": {"name": "out"},
        "zone": {
            "brand": "joyent",
            "image": "62f148f8-6e84-11e4-82c5-efca60348b9f",
            "memory": 256,
            "quota": 10,
            "autoboot": True,
            "nic_tag": "external",
            "vlan": 7,
            "mtu": 1500,
            "gateways": ["192.168.0.1"],
            "resolvers": ["192.168.0.53", "2001:db8::53"],
        },
        "nodes": {
            f"web_{n}": {
                "address": [f"192.168.0.20{n}/24", f"2001:db8::20{n}/64"],
                "interface": "net0",
                "hostname": f"web{n}.example.com",
                "uuid": f"{uuid}{n}",
            }
            for n in (1, 2)
        },
        "groups": {
            "vhid101": {
                "vhid": 101,
                "addresses": ["192.168.0.200/24"],
                "password_file": "out.key",
                "advskew": {"web_1": 50, "web_2": 100},
                "preempt": True,
            }
        },
    }
    assert Path("out.key").read_text() == f"{PASSWORD}\n"
    assert stat.S_IMODE(Path("out.key").stat().st_mode) == 0o600
    loaded = load(Path("out.toml"))
    assert loaded.cluster is not None
    assert loaded.findings == ()


def test_the_password_is_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    imported("article-web1.json", "article-web2.json", "article-ucarp.cfg", code=1)
    output = capsys.readouterr()
    assert "changeme" not in Path("out.toml").read_text() + output.out + output.err
    assert Path("out.key").read_text() == "changeme\n"


def test_the_article(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["article-web1.json", "article-web2.json", "article-ucarp.cfg", "article-ucarp2.cfg"]
    found = imported(*names, code=1)
    errors = capsys.readouterr().err
    assert errors.count("dataset_uuid: ") == 2  # what was wrong is told...
    text = Path("out.toml").read_text()
    assert "spoofing" not in text  # ...and mended where that needs no knowledge
    assert found["nodes"]["web2"]["address"] == "10.96.11.202/24"
    assert found["groups"]["vhid101"]["advskew"] == {"web1": 0, "web2": 100}
    lines = text.splitlines()
    gateway = lines.index('gateways = ["192.168.0.201"]')
    assert lines[gateway - 1].startswith("# CP515: 192.168.0.201 is the zone's own address")
    assert '# up = ["/opt/local/etc/vip-up.sh", "net0", "192.168.0.200"]' in lines
    codes = {finding.code for finding in load(Path("out.toml")).findings}
    assert codes == {"CP211", "CP216", "CP305", "CP515", "CP518", "CP519"}
    assert all(f"# {code}" in text for code in codes - {"CP305"})

    mended = text.replace("10.96.11.202", "192.168.0.202").replace("192.128.0.9", "192.168.0.9")
    mended = mended.replace("memory = 4096", "memory = 256")
    for number in (201, 202):
        mended = mended.replace(f'gateways = ["192.168.0.{number}"]', 'gateways = ["192.168.0.1"]')
    Path("out.toml").write_text(mended)
    Path("out.key").write_text("0123456789abcdef\n")
    assert load(Path("out.toml")).findings == ()


def test_one_file_of_options_is_for_all_payloads() -> None:
    found = imported("article-web1.json", "article-web2.json", "article-ucarp.cfg", code=1)
    assert sorted(found["nodes"]) == ["web1", "web2"]
    assert found["groups"]["vhid101"]["advskew"] == {"web1": 0}
    assert "nodes" not in found["groups"]["vhid101"]


def test_options_alone() -> None:
    found = imported("web1.cfg", "web2.cfg")
    assert found["nodes"] == {
        "node1": {"address": "192.168.0.201", "interface": "net0"},
        "node2": {"address": "192.168.0.202", "interface": "net0"},
    }
    assert "# Add the prefix length" in Path("out.toml").read_text()
    assert found["groups"]["vhid101"]["addresses"] == ["192.168.0.200/32"]


def test_all_options_that_a_cluster_file_has(folder: Path) -> None:
    (folder / "all.cfg").write_text(
        "-i e0 -s 10.0.0.2 -v 9 -p 0123456789abcdef -a 10.0.0.1 -b 2 -k 7 -r 5 --mcast 224.0.0.99"
        " -S -P -u /up -d /down -x 'a b' -M -B -z -n -f none"
    )
    (folder / "all.cfg").chmod(0o600)
    group = imported("all.cfg")["groups"]["vhid9"]
    assert group == {
        "vhid": 9,
        "addresses": ["10.0.0.1/32"],
        "password_file": "out.key",
        "advbase": 2,
        "advskew": {"node1": 7},
        "preempt": True,
        "dead_ratio": 5,
        "multicast": "224.0.0.99",
        "ignore_link": True,
    }
    assert '# up = ["/up", "e0", "10.0.0.1", "a b"]' in Path("out.toml").read_text()


def test_interfaces_of_debian() -> None:
    found = imported("interfaces")
    assert found == {
        "cluster": {"name": "out"},
        "nodes": {
            "node": {
                "address": ["192.168.1.11/24", "2001:db8:1::11/64"],
                "interface": "eth0",
            }
        },
        "groups": {
            "vhid21": {
                "vhid": 21,
                "addresses": ["192.168.1.10/24"],
                "password_file": "out.key",
                "advskew": {"node": 0},
            }
        },
    }
    assert Path("out.key").read_text() == "0123456789abcdef\n"


def test_two_groups_on_two_interfaces(folder: Path) -> None:
    (folder / "web1").write_text(
        "iface eth0 inet static\n address 10.0.0.2/24\n ucarp-vid 3\n ucarp-vip 10.0.0.1\n"
        " ucarp-password 0123456789abcdef\n"
        "iface eth1 inet static\n address 10.1.0.2/24\n ucarp-vid 3\n ucarp-vip 10.1.0.1\n"
        " ucarp-password fedcba9876543210\n"
    )
    (folder / "web1").chmod(0o600)
    found = imported("web1")
    assert found["nodes"]["web1"]["address"] == ["10.0.0.2/24", "10.1.0.2/24"]
    first, second = found["groups"].values()
    assert "interface" not in first
    assert second["interface"] == {"web1": "eth1"}
    assert first["password_file"] != second["password_file"]
    passwords = [Path(group["password_file"]).read_text() for group in (first, second)]
    assert passwords == ["0123456789abcdef\n", "fedcba9876543210\n"]
    assert load(Path("out.toml")).findings == ()


def test_without_a_file_to_write_it_is_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.iterdir())
    assert import_.main(["web1.json", "web1.cfg"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["groups"]["vhid101"]["vhid"] == 101
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("existing", ["out.toml", "out.key"])
def test_nothing_is_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str], existing: str
) -> None:
    (folder / existing).write_text("old")
    before = sorted(folder.iterdir())
    assert import_.main(["web1.cfg", "-o", "out.toml"]) == 2
    assert f"{existing}: exists already; " in capsys.readouterr().err
    assert (folder / existing).read_text() == "old"
    assert sorted(folder.iterdir()) == before
    assert import_.main(["web1.cfg", "-o", "out.toml", "--force"]) == 0
    assert (folder / existing).read_text() != "old"
    assert stat.S_IMODE((folder / "out.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["web1.json", "web2.json"], "no file says which address is shared"),
        (["none"], "no file says which address is shared"),
        (["cluster.toml", "web1.cfg"], "cluster.toml: is a cluster file already"),
        (["web1.cfg", "-o", "none/out.toml"], "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_imported(
    folder: Path, capsys: pytest.CaptureFixture[str], names: list[str], message: str
) -> None:
    before = sorted(folder.iterdir())
    assert import_.main(["-o", "out.toml", *names]) == 2
    assert message in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b'"', b"{", b"[", b"]", b",", b"null", b"{}", b"[1]", b"\x7f", b"\\ud800"]),
    st.sampled_from([b"--pass=x", b"-k", b"iface x inet y\n address z", b"192.168.0.200"]),
)
NAMES = st.sampled_from(["web1.json", "web2.json", "web1.cfg", "web2.cfg", "interfaces"])


@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(NAMES, st.integers(0, 1200), st.integers(0, 40), PIECES), max_size=4))
def test_spoilt_files_are_imported_or_refused(
    folder: Path, edits: list[tuple[str, int, int, bytes]]
) -> None:
    spoilt: dict[str, bytes] = {}
    names = [name for name in FILES if name != "cluster.toml"]
    for name, place, length, new in edits:
        data = spoilt.get(name, FILES[name].encode())
        spoilt[name] = data[:place] + new + data[place + length :]
    for name in names:
        (folder / name).write_bytes(spoilt.get(name, FILES[name].encode()))
    if import_.main([*names, "-o", "out.toml", "--force"]) != 2:
        tomllib.loads((folder / "out.toml").read_text())
