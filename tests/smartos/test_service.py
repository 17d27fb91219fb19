"""carpool's own services: the SMF manifest and the systemd units."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from tests.smartos.clusters import LX, ZONE, cluster, clusters, group, node

from carpool.cluster.model import Cluster
from carpool.node.realtime import PRIORITY
from carpool.smartos.files import files
from carpool.smartos.manifest_check import check
from carpool.smartos.places import python
from carpool.smartos.service import manifest
from carpool.smartos.unit import lx_unit, unit

DTD = Path(__file__).parent / "data" / "service_bundle.dtd.1"
HOSTILE = ["%n $HOME ${HOME}", "a'b", 'a"b', "a\\b", "a b", "<&>"]


@pytest.fixture(scope="module")
def etree() -> Any:
    return pytest.importorskip("lxml.etree")


@pytest.fixture(scope="module")
def dtd(etree: Any) -> Any:
    with DTD.open("rb") as file:
        return etree.DTD(file)


@given(made=clusters())
def test_the_manifest_is_valid(etree: Any, dtd: Any, made: Cluster) -> None:
    for found in made.nodes:
        text = manifest(made, found)
        # XML 1.0 has no way to write most control characters.
        if re.search("[^\t\n\r\x20-\ufffd\U00010000-\U0010ffff]", found.name):
            assert check(text)
            continue
        assert check(text) == ()
        root = etree.fromstring(text.encode())
        assert dtd.validate(root), dtd.error_log
        (start,) = [m.get("exec") for m in root.iter("exec_method") if m.get("name") == "start"]
        words = [word.replace("%%", "%") for word in shlex.split(start)]
        assert words[words.index("--node") + 1] == found.name


def test_what_the_service_may_do(etree: Any) -> None:
    made = cluster()
    root = etree.fromstring(manifest(made, made.nodes[0]).encode())
    (credential,) = root.iter("method_credential")
    assert credential.get("user") == "carpool"
    privileges = "basic,net_rawaccess,net_icmpaccess,sys_ip_config"
    assert credential.get("privileges") == privileges
    values = {found.get("name"): found.get("value") for found in root.iter("propval")}
    assert values == {"duration": "contract", "ignore_error": "core,signal"}


def test_stopping_may_take_as_long_as_the_scripts(etree: Any) -> None:
    made = cluster()
    slow = replace(made.groups[0], script_timeout=100_500_000_000)
    made = replace(made, groups=(slow,))
    root = etree.fromstring(manifest(made, made.nodes[0]).encode())
    timeouts = {m.get("name"): int(m.get("timeout_seconds")) for m in root.iter("exec_method")}
    assert timeouts["stop"] == 211
    assert "TimeoutStopSec=211\n" in unit(made, made.nodes[0])


@pytest.mark.parametrize(
    ("packages", "path"),
    [
        (("python312",), "/opt/local/bin/python3.12"),
        (("nginx", "python311-3.11.9"), "/opt/local/bin/python3.11"),
        (("nginx",), "/opt/local/bin/python3"),
    ],
)
def test_the_interpreter_is_pkgsrcs(packages: tuple[str, ...], path: str) -> None:
    assert python(replace(ZONE, packages=packages)) == path


def test_the_interpreter_is_the_systems() -> None:
    assert python(None) == python(LX) == "/usr/bin/python3"


def host_files(name: str = "www") -> tuple[Cluster, dict[str, Any]]:
    one, two = node(1, None), node(2, None)
    made = Cluster(None, "web", (one, two), (group(one, two, name=name),))
    return made, {file.name: file for file in files(made, one, {name: b"p\xffw"})}


def test_the_files_of_a_linux_host() -> None:
    _, found = host_files()
    assert list(found) == ["cluster.toml", "www.pw", "carpool.service"]
    assert found["www.pw"].mode == 0o600
    assert found["www.pw"].data == b"p\xffw\n"
    text = found["carpool.service"].text
    assert "LoadCredential=www.pw:/etc/carpool/www.pw\n" in text
    assert "LoadCredential=cluster.toml:/etc/carpool/cluster.toml\n" in text


def test_a_reload_replaces_the_program_without_a_failover(etree: Any) -> None:
    made = cluster()
    first = made.nodes[0]
    root = etree.fromstring(manifest(made, first).encode())
    methods = {found.get("name"): found.get("exec") for found in root.iter("exec_method")}
    words = f"-IS /opt/carpool/carpool.pyz restart --node {first.name}"
    assert methods["refresh"].endswith(f"{words} || :")
    assert re.search(rf"^ExecReload=\S+ {words}$", unit(made, first), re.MULTILINE)
    assert re.search(rf"^ExecReload=\S+ {words}$", lx_unit(made, first), re.MULTILINE)


@pytest.mark.parametrize("make", [unit, lx_unit])
def test_the_guard_of_a_killed_daemon_is_told_and_not_killed(make: Any) -> None:
    # systemd.kill(5): "mixed" kills at once what the first process leaves behind, "process" nothing
    # ever, also not a script that hangs.
    made = cluster()
    text = make(made, made.nodes[0])
    assert re.findall(r"^KillMode=(.*)$", text, re.MULTILINE) == ["control-group"]
    assert not re.search(r"^(SendSIGKILL|KillSignal|FinalKillSignal)=", text, re.MULTILINE)


@pytest.mark.parametrize("make", [unit, lx_unit])
def test_systemd_waits_for_the_daemon_and_watches_over_it(make: Any) -> None:
    made = cluster()
    text = make(made, made.nodes[0])
    assert "\nType=notify\n" in text
    assert "\nWatchdogSec=10\n" in text
    assert "\nRestart=on-failure\n" in text


@pytest.mark.parametrize("make", [unit, lx_unit])
def test_its_lines_in_the_journal_are_carpools_and_not_pythons(make: Any) -> None:
    made = cluster()
    assert "\nSyslogIdentifier=carpool\n" in make(made, made.nodes[0])


def systemd_analyze(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_only_a_fast_group_may_take_a_realtime_priority() -> None:
    made = cluster()
    node = made.nodes[0]
    fast = replace(made, groups=(replace(made.groups[0], profile="fast", advbase=0),))
    assert "RestrictRealtime=yes\n" in unit(made, node)
    assert f"LimitRTPRIO={PRIORITY}\nLimitMEMLOCK=infinity\n" in unit(fast, node)
    assert "RestrictRealtime" not in unit(fast, node)
    assert "RestrictRealtime=yes\n" in unit(fast, replace(node, realtime=False))


@pytest.mark.parametrize("make", [unit, lx_unit])
@pytest.mark.parametrize("name", ["web1", *HOSTILE])
def test_systemd_understands_the_unit(tmp_path: Path, make: Any, name: str) -> None:
    first = node(1, None, name)
    made = Cluster(None, "web", (first,), (group(first),))
    path = tmp_path / "carpool.service"
    path.write_text(make(made, first))
    done = systemd_analyze("verify", "--man=no", "--recursive-errors=no", str(path))
    said = (done.stdout + done.stderr).splitlines()
    # Whatever the machine of the test lacks is no fault of the unit.
    assert not [line for line in said if "carpool.service" in line and "not executable" not in line]


def test_the_unit_is_confined(tmp_path: Path) -> None:
    _, found = host_files()
    path = tmp_path / "carpool.service"
    path.write_text(found["carpool.service"].text)
    done = systemd_analyze("security", "--offline=true", "--threshold=25", str(path))
    if "Unknown" in done.stderr or "unrecognized" in done.stderr:
        pytest.skip("systemd-analyze is too old for --offline")
    exposure = re.search(r"exposure level for carpool.service: ([0-9.]+)", done.stdout)
    assert exposure is not None, done.stderr
    assert float(exposure[1]) <= 2.5
    assert done.returncode == 0


def test_a_node_whose_groups_have_services_may_start_them(tmp_path: Path) -> None:
    one, two = node(1, zone=None), node(2, zone=None)
    www = replace(group(one, two), services=("php8.2-fpm", "db@main.service", "/etc/init.d/app"))
    made = Cluster(None, "web", (one, two), (www,))
    rendered = {file.name: file.text for file in files(made, one, None)}
    assert (
        '["php8.2-fpm.service", "db@main.service"].indexOf(action.lookup("unit"))'
        in (rendered["carpool.rules"])
    )
    # dbus-daemon refuses a user that lives no longer than the unit; and it ends with the machine.
    assert re.search(r'^u carpool - "[^":]*"$', rendered["carpool-user.conf"], re.MULTILINE)
    after = "After=network-online.target dbus.service polkit.service\n"
    assert after in rendered["carpool.service"]
    # A script, and all three services: each may take its time, and the first one start before.
    assert "TimeoutStopSec=326" in rendered["carpool.service"]
    plain = Cluster(None, "web", (one, two), (replace(www, services=("/etc/init.d/app",)),))
    rendered = {file.name: file.text for file in files(plain, one, None)}
    assert rendered.keys().isdisjoint({"carpool.rules", "carpool-user.conf"})
    assert "After=network-online.target\n" in rendered["carpool.service"]


def test_a_zone_whose_groups_have_services_may_start_them() -> None:
    one, two = node(1), node(2)
    www = replace(group(one, two), services=("network/http:apache24",))
    made = Cluster(None, "web", (one, two), (www,))
    script = next(file.text for file in files(made, one, None) if file.name == "first-boot.sh")
    assert "usermod -A solaris.network.interface.config,solaris.smf.manage" in script
    plain = Cluster(None, "web", (one, two), (group(one, two),))
    script = next(file.text for file in files(plain, one, None) if file.name == "first-boot.sh")
    assert "usermod" not in script
