"""``carpool render``: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from carpool.cli.render import LIST, main

SECRET = "s3cret-pw"
CLUSTER = """
[zone]
image = "c02a2044-c1bd-11e4-bd8c-dfc1db8b0182"
nic_tag = "external"
gateways = ["192.168.0.1"]
resolvers = ["192.168.0.53"]
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
hypervisor = "gz1.example.com"
[nodes.web2]
address = "192.168.0.202/24"
interface = "net0"
hypervisor = "gz2.example.com"
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24"]
password_file = "www.key"
"""
FILES = ["payload.json", "first-boot.sh", "carpool.xml", "cluster.toml", "vip-up", "vip-down"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(CLUSTER)
    key = tmp_path / "www.key"
    key.write_text(f"{SECRET}\n")
    key.chmod(0o600)
    return path


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_it_writes_a_folder_for_each_node(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.parent / "out"
    assert main([str(file), "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}: 12 files of 2 nodes, 12 of them changed\n"
    assert SECRET not in said.out + said.err
    found = snapshot(out)
    assert set(found) == {f"{node}/{name}" for node in ("web1", "web2") for name in [*FILES, LIST]}
    with_secret = {name for name, (_, data) in found.items() if SECRET.encode() in data}
    assert with_secret == {"web1/payload.json", "web2/payload.json"}
    assert {found[name][0] for name in with_secret} == {0o600}
    assert found["web1/vip-up"][0] == 0o755


def test_it_is_deterministic(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.parent / "out"
    main([str(file), "-o", str(out)])
    before = snapshot(out)
    previous = os.umask(0o077)
    try:
        assert main([str(file), "-o", str(out)]) == 0
    finally:
        os.umask(previous)
    assert snapshot(out) == before
    assert capsys.readouterr().out.endswith("none of them changed\n")


def test_it_prints_no_secret_unless_asked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "www.key").rename(file.parent / "elsewhere")
    assert main([str(file), "--node", "web2"]) == 0
    said = capsys.readouterr().out
    assert "==> web2/payload.json (0600) <==" in said
    assert '"carpool_www_pw": "(hidden)"' in said
    (file.parent / "elsewhere").rename(file.parent / "www.key")
    assert main([str(file), "--node", "web2", "--secrets"]) == 0
    assert f'"carpool_www_pw": "{SECRET}"' in capsys.readouterr().out


def test_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == ["web1", "web2"]
    assert list(shown["web1"]) == FILES
    assert json.loads(shown["web1"]["payload.json"]["text"])["alias"] == "web1"
    out = file.parent / "out"
    assert main([str(file), "--json", "--node", "web1", "-o", str(out)]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["files"][0] == {"node": "web1", "file": "payload.json", "changed": True}


def test_compat(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(file), "--compat", "none"])
    assert "argument --compat: invalid choice: 'none' (choose from" in capsys.readouterr().err
    assert main([str(file), "--node", "web1", "--compat", "ucarp"]) == 0
    assert '"allow_mac_spoofing": true' in capsys.readouterr().out


def test_errors_of_the_cluster_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(CLUSTER.replace("vhid = 42", "vhid = 420"))
    out = file.parent / "out"
    assert main([str(file), "-o", str(out)]) == 2
    said = capsys.readouterr().err
    assert "groups.www.vhid" in said
    assert "nothing was rendered" in said
    assert not out.exists()


def test_no_such_node(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file), "--node", "web3"]) == 2
    assert "there is no such node" in capsys.readouterr().err


def test_it_overwrites_only_its_own(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.parent / "out"
    (out / "web2").mkdir(parents=True)
    (out / "web2" / "vip-up").write_text("mine")
    assert main([str(file), "-o", str(out)]) == 2
    assert "was not written by carpool render" in capsys.readouterr().err
    assert snapshot(out) == {"web2/vip-up": (0o644, b"mine")}
    (out / "web2" / "vip-up").rename(out / "web2" / "my-own")
    assert main([str(file), "-o", str(out)]) == 0
    assert (out / "web2" / "my-own").read_text() == "mine"


def test_what_is_no_longer_rendered_goes(file: Path) -> None:
    out = file.parent / "out"
    main([str(file), "-o", str(out)])
    linux = "\n".join(
        line
        for line in CLUSTER.splitlines()
        if not line.startswith(("[zone", "image", "nic_tag", "gateways", "resolvers", "hyper"))
    )
    file.write_text(linux)
    assert main([str(file), "-o", str(out)]) == 0
    names = {path.name for path in (out / "web1").iterdir()}
    assert names == {LIST, "cluster.toml", "www.pw", "carpool.service"}
    assert stat.S_IMODE((out / "web1" / "www.pw").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "out").write_text("")
    assert main([str(file), "-o", str(file.parent / "out")]) == 2
    said = capsys.readouterr().err
    assert "out" in said
    assert "Traceback" not in said


def test_it_follows_no_link(file: Path) -> None:
    out = file.parent / "out"
    main([str(file), "-o", str(out)])
    victim = file.parent / "victim"
    victim.write_text("precious")
    payload = out / "web1" / "payload.json"
    payload.unlink()
    payload.symlink_to(victim)
    assert main([str(file), "-o", str(out)]) == 0
    assert victim.read_text() == "precious"
    assert not payload.is_symlink()
