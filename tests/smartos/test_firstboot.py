"""The first-boot script, run by a real shell among commands that only note how they are called."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.smartos.clusters import LX, ZONE, cluster, clusters, group, node

from carpool.cluster.model import Cluster, Zone
from carpool.smartos.firstboot import user_script
from carpool.smartos.places import Places, key_file, metadata_key

SECRET = "s3cret, `pw` $HOME 'n\""
STAND_IN = Path(__file__).parent / "data" / "stand-in"
COMMANDS = (
    *("id", "getent", "groupadd", "useradd", "passwd", "chown", "mdata-get", "pkgin", "apt-get"),
    *("svccfg", "svcadm", "svcs", "systemctl", "sleep"),
)
SHELLS = [shell for shell in ("dash", "bash", "ksh93", "busybox") if shutil.which(shell)]


class FakeZone:
    """A zone: a directory, and commands that stand for those of the platform."""

    def __init__(self, path: Path, made: Cluster, shell: str = "dash") -> None:
        self.path = path
        self.made = made
        self.shell = shell
        self.home = path / "opt" / "carpool"
        self.unit = path / "carpool.service"
        self.state = path / "state"
        self.metadata = self.state / "metadata"
        self.metadata.mkdir(parents=True)
        commands = path / "bin"
        commands.mkdir()
        for name in COMMANDS:
            (commands / name).symlink_to(STAND_IN)
        for found in made.groups:
            for name in found.password_files:
                (self.metadata / metadata_key(name)).write_text(f"{SECRET}\n")

    def boot(self, made: Cluster | None = None) -> subprocess.CompletedProcess[str]:
        """Run the script as SmartOS does; return what became of it, output and errors together."""
        made = made or self.made
        script = self.path / "user-script"
        home = str(self.home)
        first = made.nodes[0]
        assert first.zone is not None
        text = user_script(
            made, first, first.zone, places=Places(home, home), unit_file=str(self.unit)
        )
        script.write_text(text, encoding="utf-8")
        (self.state / "calls").write_text("")
        words = [self.shell, *(["sh"] if self.shell == "busybox" else [])]
        return subprocess.run(
            [*words, str(script)],
            env={"PATH": f"{self.path}/bin:/usr/bin:/bin", "STATE": str(self.state)},
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def calls(self, *names: str) -> list[str]:
        calls = (self.state / "calls").read_text().splitlines()
        return [call for call in calls if call.split()[0] in names]

    def fail(self, command: str, times: int) -> None:
        (self.state / f"fail-{command}").write_text(str(times))

    def put_program(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "carpool.pyz").write_text("")


@pytest.fixture(params=SHELLS)
def zone(request: pytest.FixtureRequest, tmp_path: Path) -> FakeZone:
    return FakeZone(tmp_path, cluster(), request.param)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_before_the_program_is_there(zone: FakeZone) -> None:
    done = zone.boot()
    assert done.returncode == 0, done.stdout
    assert "carpool.pyz is not here yet" in done.stdout
    assert zone.calls("pkgin") == ["pkgin -y update", "pkgin -y install python312"]
    assert zone.calls("svccfg") == [f"svccfg import {zone.home}/carpool.xml"]
    assert zone.calls("svcadm") == []
    (added,) = zone.calls("useradd")
    assert "-A solaris.network.interface.config carpool" in added


def test_the_files(zone: FakeZone) -> None:
    zone.boot()
    key = zone.home / "www.pw"
    assert key.read_text() == f"{SECRET}\n"
    assert mode(key) == 0o600
    assert f"chown carpool {key}.new" in zone.calls("chown")
    assert mode(zone.home / "cluster.toml") == 0o644
    assert (zone.home / "cluster.toml").read_text().startswith("# Written by carpool")
    assert (zone.home / "carpool.xml").read_text().startswith("<?xml")
    assert not list(zone.home.glob("*.new"))


def test_with_the_program(zone: FakeZone) -> None:
    zone.put_program()
    done = zone.boot()
    assert done.returncode == 0, done.stdout
    assert zone.calls("svcadm") == ["svcadm enable svc:/network/carpool:default"]


def test_every_later_boot_changes_nothing(zone: FakeZone) -> None:
    zone.put_program()
    zone.boot()
    before = {path: path.read_bytes() for path in zone.home.iterdir()}
    done = zone.boot()
    assert done.returncode == 0, done.stdout
    assert {path: path.read_bytes() for path in zone.home.iterdir()} == before
    assert zone.calls("pkgin", "useradd", "groupadd") == []
    assert zone.calls("svcadm") == ["svcadm enable svc:/network/carpool:default"]


def test_a_change_restarts_the_service(zone: FakeZone) -> None:
    zone.put_program()
    zone.boot()
    changed = replace(zone.made, groups=(replace(zone.made.groups[0], preempt=True),))
    zone.boot(changed)
    assert "svcadm restart svc:/network/carpool:default" in zone.calls("svcadm")
    zone.boot(changed)
    assert "svcadm restart svc:/network/carpool:default" not in zone.calls("svcadm")
    (zone.metadata / "carpool_www_pw").write_text("another\n")
    zone.boot(changed)
    assert "svcadm restart svc:/network/carpool:default" in zone.calls("svcadm")


def test_maintenance_is_cleared(zone: FakeZone) -> None:
    zone.put_program()
    (zone.state / "service").write_text("maintenance\n")
    zone.boot()
    assert "svcadm clear svc:/network/carpool:default" in zone.calls("svcadm")


def test_the_password_is_only_in_its_file(zone: FakeZone) -> None:
    done = zone.boot()
    assert "s3cret" not in done.stdout
    assert "s3cret" not in (zone.state / "calls").read_text()
    held = {
        path for path in zone.path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()
    }
    assert held == {
        zone.home / "www.pw",
        zone.metadata / "carpool_www_pw",
    }


def test_packages_are_tried_again(zone: FakeZone) -> None:
    zone.fail("pkgin", 3)
    done = zone.boot()
    assert done.returncode == 0, done.stdout
    assert zone.calls("sleep") == ["sleep 5", "sleep 10", "sleep 15"]


def test_packages_that_never_come(zone: FakeZone) -> None:
    zone.fail("pkgin", 99)
    done = zone.boot()
    assert done.returncode == 1
    assert "error: cannot install python312; mend" in done.stdout
    assert len(zone.calls("pkgin")) == 10
    assert not (zone.home / "cluster.toml").exists()


def test_no_password(zone: FakeZone) -> None:
    (zone.metadata / "carpool_www_pw").unlink()
    done = zone.boot()
    assert done.returncode == 1
    assert "the zone has no metadata carpool_www_pw: run carpool apply" in done.stdout
    assert zone.calls("sleep") == []
    assert not (zone.home / "www.pw").exists()


def test_metadata_that_comes_late(zone: FakeZone) -> None:
    zone.fail("mdata-get", 2)
    done = zone.boot()
    assert done.returncode == 0, done.stdout
    assert (zone.home / "www.pw").read_text() == f"{SECRET}\n"


@pytest.mark.parametrize("command", ["svccfg", "svcadm", "useradd", "chown"])
def test_what_failed_is_done_at_the_next_boot(zone: FakeZone, command: str) -> None:
    zone.put_program()
    zone.fail(command, 1)
    done = zone.boot()
    assert done.returncode == 1
    assert "error: cannot" in done.stdout
    assert zone.boot().returncode == 0
    assert (zone.state / "service").read_text() == "online\n"


def test_further_services(tmp_path: Path) -> None:
    zone = FakeZone(tmp_path, cluster(replace(ZONE, services=("svc:/site/web:default",))))
    zone.put_program()
    zone.boot()
    assert zone.calls("svcadm")[-1] == "svcadm enable svc:/site/web:default"


def test_lx(tmp_path: Path) -> None:
    zone = FakeZone(tmp_path, cluster(LX))
    zone.put_program()
    for _ in range(2):
        done = zone.boot()
        assert done.returncode == 0, done.stdout
        assert zone.calls("systemctl")[-1] == "systemctl enable --now carpool"
        assert zone.calls("svccfg", "svcadm", "pkgin", "useradd") == []
    assert zone.unit.read_text().startswith("# Written by carpool")
    assert mode(zone.home / "vip-up") == 0o755
    assert "/native/usr/sbin/ifconfig" in (zone.home / "vip-up").read_text()
    assert "chown root" in zone.calls("chown")[-1]


HOSTILE = [
    "x'; touch pwned; '",
    "$(touch pwned)",
    "`touch pwned`",
    'x"; touch pwned; "',
    "a\nEND\ntouch pwned",
    "-rf",
    "a b\t*",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("brand", [ZONE, LX], ids=["joyent", "lx"])
def test_hostile_names(tmp_path: Path, name: str, brand: Zone) -> None:
    first = node(1, replace(brand, packages=(name,), services=(name,)), name)
    made = Cluster(None, name, (first,), (group(first, name=name),))
    zone = FakeZone(tmp_path, made)
    zone.put_program()
    done = zone.boot()
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "pwned").exists()
    assert (zone.home / key_file(made.groups[0].name)).read_text() == f"{SECRET}\n"


def test_the_passwords_of_a_change_are_all_put_there(tmp_path: Path) -> None:
    first = node(1, ZONE)
    changing = replace(group(first), accept_password_files=(Path("old.key"), Path("older.key")))
    zone = FakeZone(tmp_path, Cluster(None, "web", (first,), (changing,)))
    zone.put_program()
    done = zone.boot()
    assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in zone.home.glob("*.pw")) == [
        *("www+2.pw", "www+3.pw", "www.pw"),
    ]
    daemon = tomllib.loads((zone.home / "cluster.toml").read_text())["groups"]["www"]
    assert daemon["password_file"] == "www.pw"
    assert daemon["accept_password_files"] == ["www+2.pw", "www+3.pw"]


@settings(max_examples=30)
@given(clusters())
def test_any_script_parses(made: Cluster) -> None:
    found = made.nodes[0]
    assert found.zone is not None
    script = user_script(made, found, found.zone, vip_scripts=True)
    checked = subprocess.run(["sh", "-n"], input=script.encode(), capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def shellcheck() -> Sequence[str]:
    beside = Path(sys.executable).parent / "shellcheck"
    found = str(beside) if beside.exists() else shutil.which("shellcheck")
    if found is None:
        pytest.skip("no shellcheck")
    return (found, "--shell=sh", "--enable=quote-safe-variables,check-unassigned-uppercase", "-")


@pytest.mark.parametrize("brand", [ZONE, LX], ids=["joyent", "lx"])
def test_shellcheck_has_nothing_to_say(brand: Zone) -> None:
    made = cluster(replace(brand, services=("svc:/site/web",)))
    script = user_script(made, made.nodes[0], brand, vip_scripts=True)
    checked = subprocess.run(
        shellcheck(), input=script, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
