"""The commands as a user types them, on hypervisors of the SmartOS lab."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from ipaddress import ip_interface
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.deploy.desk import MILLISECOND, SECRET, WEB1, WEB2, Desk, desk
from tests.lab.smartos.support import NEEDS
from tests.support.lan import run_carpool
from tests.support.program import built
from tests.support.waiting import until

from carpool.deploy.lock import PLACE
from carpool.lab.probe import longest
from carpool.lab.smartos.faults import Effect, Fault
from carpool.lab.smartos.lab import IMAGE
from carpool.lab.smartos.operator import make_key

pytest.importorskip("pyinfra.api")
pytestmark = [*NEEDS, pytest.mark.timeout(600)]


def pid_of_daemon(found: Desk, number: int) -> str:
    return found.in_zone(number, "svcs -H -p carpool").split("\n")[1].split()[1]


def test_the_whole_path_from_nothing_to_nothing() -> None:
    with desk() as found:
        assert found.json("plan", "--detailed-exitcode", code=3)["changes"]
        assert found.run("status", code=1).stdout.splitlines()[1].split() == (
            ["web1", "gz1", "absent", "-", "-"]
        )
        report = found.json("apply")
        assert [group["master"] for group in report["groups"]] == ["web1"]
        assert found.run("plan", "--detailed-exitcode").stdout == (
            "0 nodes to change\n2 nodes as they shall be\n"
        )
        assert found.in_zone(1, "ls -ln /opt/carpool/www.pw").startswith("-rw-------")
        assert found.in_zone(1, "cat /opt/carpool/www.pw").strip() == SECRET
        before = [pid_of_daemon(found, number) for number in (1, 2)]
        assert set(found.outcomes().values()) == {"unchanged"}
        assert [pid_of_daemon(found, number) for number in (1, 2)] == before

        client = found.datacenter.lab.add_zone(
            "client", addresses=[ip_interface("192.168.1.250/16")]
        )
        with found.probing(client) as probe:
            began = time.monotonic_ns()
            found.change("web1 = 0, web2 = 50", "web1 = 10, web2 = 60")
            assert found.outcomes() == {"web1": "changed", "web2": "changed"}
            outage = longest(probe.answers(), since=began)
        assert outage is not None
        print(f"longest outage while rolling: {outage.waited / MILLISECOND:.0f} ms")
        assert outage.waited < 1000 * MILLISECOND
        assert found.json("plan")["changes"] is False
        status = found.json("status")
        assert status["groups"][0]["fault"] is None

        refused = found.run("destroy", code=2, stdin="no\n")
        assert "nothing was deleted" in refused.stderr
        found.run("destroy", "--images", stdin="yes\n")
        for host in found.hosts:
            left = host.run(f"vmadm lookup; imgadm list -H; ls {PLACE} /zones 2>/dev/null").stdout
            assert left.strip() in ("", "/zones:")
        assert found.run("destroy", "--yes").stdout == "0 zones deleted\n"


@pytest.mark.slow
def test_a_zone_that_does_not_boot_by_itself_is_booted() -> None:
    with desk() as found:
        found.change('nic_tag = "external"', 'nic_tag = "external"\nautoboot = false')
        found.run("apply")
        assert found.run("status").stdout.count("online") == 3
        found.hosts[0].run(f"vmadm stop {WEB1}")
        kinds = [step["kind"] for step in found.json("plan")["nodes"][0]["steps"]]
        assert kinds == ["boot zone", "put program", "set up"]
        found.run("apply")
        assert found.json("plan")["changes"] is False


@pytest.mark.slow
def test_what_was_changed_by_hand_is_put_right() -> None:
    with desk() as found:
        found.run("apply")
        found.in_zone(2, "svcadm disable -s carpool; echo >>/opt/carpool/cluster.toml")
        found.in_zone(1, "chmod 644 /opt/carpool/www.pw")
        plan = found.json("plan")
        assert [[step["kind"] for step in node["steps"]] for node in plan["nodes"]] == [
            *(["set up"], ["set up"])
        ]
        found.run("apply")
        assert found.json("plan")["changes"] is False
        assert found.in_zone(1, "ls -ln /opt/carpool/www.pw").startswith("-rw-------")


def test_a_refusal_is_json_if_that_is_asked_for(tmp_path: Path) -> None:
    done = run_carpool("apply", "--json", str(tmp_path / "nowhere.toml"))
    assert done.returncode == 2
    assert "nothing was touched" in json.loads(done.stdout)["error"]


@pytest.mark.slow
def test_what_vmadm_can_update_is_updated_and_the_group_stays_served() -> None:
    with desk() as found:
        found.run("apply")
        found.change('nic_tag = "external"', 'nic_tag = "external"\nmemory = 512\nmtu = 1400')
        plan = found.json("plan")
        kinds = [step["kind"] for step in plan["nodes"][0]["steps"]]
        assert kinds == ["update zone", "boot zone"]
        assert "max_physical_memory: 256 -> 512 MiB" in plan["nodes"][0]["steps"][0]["details"]
        assert found.outcomes() == {"web1": "changed", "web2": "changed"}
        assert found.json("plan")["changes"] is False
        vm = json.loads(found.hosts[0].run(f"vmadm get {WEB1}").stdout)
        assert (vm["max_physical_memory"], vm["nics"][0]["mtu"]) == (512, 1400)


@pytest.mark.slow
def test_a_new_program_costs_no_failover() -> None:
    with desk() as found:
        found.run("apply")
        before = [pid_of_daemon(found, number) for number in (1, 2)]
        with ZipFile(found.program, "a") as archive:
            archive.comment = b"another one"
        kinds = [step["kind"] for step in found.json("plan")["nodes"][0]["steps"]]
        assert kinds == ["put program", "restart service"]
        assert found.outcomes() == {"web1": "changed", "web2": "changed"}
        logs = [found.in_zone(n, "cat /var/svc/log/network-carpool:default.log") for n in (1, 2)]
        if any("needs about" in log for log in logs):
            return  # The machine is too busy: what refused was stopped and started.
        assert [pid_of_daemon(found, number) for number in (1, 2)] == before
        assert [log.count("still ") for log in logs] == [1, 1]
        assert [log.count("to state: MASTER") for log in logs] == [1, 0]


Spoil = Callable[[Desk], None]


def power_off(found: Desk) -> None:
    found.hosts[1].power_off()


def wrong_key(found: Desk) -> None:
    make_key(found.datacenter.operator.key)


def no_host_key(found: Desk) -> None:
    found.datacenter.operator.known_hosts.write_text("")


def other_host_key(found: Desk) -> None:
    found.hosts[1].renew_host_key()


def no_image(found: Desk) -> None:
    found.change(IMAGE.uuid, "11111111-2222-4333-8444-555555555555")


def no_nic_tag(found: Desk) -> None:
    found.change('"external"', '"internal"')


def refused_payload(found: Desk) -> None:
    text = json.dumps({"bad_values": ["quota"]}, indent=2)
    found.hosts[1].fail(Fault("vmadm validate", Effect.REFUSE, text))


def refused_create(found: Desk) -> None:
    found.hosts[1].fail(Fault("vmadm create", Effect.REFUSE, "vmadm: no more room in zones"))


def refused_package(found: Desk) -> None:
    found.hosts[1].fail(Fault("vmadm get", Effect.REFUSE, "vmadm: cannot reach vminfod"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (power_off, "gz2: connect: "),
        (wrong_key, "gz1: connect: it takes none of your keys; put your public key"),
        (no_host_key, "gz1: connect: its host key is unknown; compare its fingerprint"),
        (other_host_key, "gz2: connect: its host key is not the one in known_hosts"),
        (no_image, "gz1: web1: import image: "),
        (no_nic_tag, "gz1: web1: plan: the hypervisor has no nic tag internal; add it with"),
        (refused_payload, 'gz2: web2: vmadm validate create: { "bad_values": [ "quota" ] }; mend'),
        (refused_create, "gz2: web2: create zone: vmadm: no more room in zones; "),
        (refused_package, "gz2: web2: look: vmadm get fails: vmadm: cannot reach vminfod; "),
    ],
)
def test_what_goes_wrong_is_told_with_host_and_step(spoil: Spoil, said: str) -> None:
    with desk() as found:
        spoil(found)
        done = found.run("apply", code=2)
        errors = [line for line in done.stderr.splitlines() if line.startswith("carpool apply: ")]
        assert any(said in line for line in errors), errors
        for host in found.hosts:
            if spoil is not power_off or host is not found.hosts[1]:
                left = host.run(f"ls {PLACE} 2>/dev/null; ls /zones").stdout.split()
                assert left in ([], [WEB1])


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_next_run_finishes() -> None:
    with desk(disk_bytes=64 << 20) as found:
        host = found.hosts[1]
        # It has room for a zone, but not for the program.
        found.program.write_bytes(bytes(16 << 20) + found.program.read_bytes())
        host.fill_disk(free_bytes=12 << 20)
        done = found.run("apply", code=2)
        assert "gz2: web2: put program: " in done.stderr
        assert "No space left on device" in done.stderr
        assert "make room in the zone" in done.stderr
        assert found.in_zone(2, "ls -A /opt/carpool").find("carpool.pyz") == -1
        host.empty_disk()
        found.program.write_bytes(built())
        found.run("apply")
        assert found.json("plan")["changes"] is False


@pytest.mark.slow
@pytest.mark.parametrize("command", ["vmadm create", f"zlogin {WEB2}"])
def test_a_connection_that_is_cut_is_told_and_the_next_run_finishes(command: str) -> None:
    with desk() as found:
        found.hosts[1].fail(Fault(command, Effect.CUT, times=1))
        done = found.run("apply", code=2)
        assert "gz2: web2: " in done.stderr
        assert "the connection is cut" in done.stderr
        until(lambda: found.run("apply", code=None).returncode == 0, "apply to finish", 60)
        assert found.json("plan")["changes"] is False
        assert found.json("status")["groups"][0]["fault"] is None


def test_two_operators_do_not_collide() -> None:
    with desk() as found:
        found.hosts[0].fail(Fault("vmadm create", Effect.DELAY, seconds=3))
        operator = found.datacenter.operator
        with operator.popen(found.words("apply"), stderr=subprocess.PIPE) as first:
            said = first.stderr
            assert said is not None
            until(lambda: b"create zone" in said.readline(), "the first to be at work")
            second = found.run("apply", code=2)
            assert "gz1: lock: locked by " in second.stderr
            assert "for carpool apply cluster.toml; wait until" in second.stderr
            said.read()
            assert first.wait(60) == 0
        assert set(found.outcomes().values()) == {"unchanged"}


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT] * 2, [signal.SIGKILL]])
def test_what_is_interrupted_is_finished_by_the_next_run(signals: list[signal.Signals]) -> None:
    with desk() as found:
        found.hosts[0].fail(Fault("vmadm create", Effect.DELAY, seconds=1, times=1))
        operator = found.datacenter.operator
        with operator.popen(found.words("apply"), stderr=subprocess.PIPE) as first:
            said = first.stderr
            assert said is not None
            until(lambda: b"create zone" in said.readline(), "the first to be at work")
            for number in signals:
                first.send_signal(number)
                time.sleep(0.2)
            rest = said.read().decode()
            code = first.wait(60)
        assert code == (-signal.SIGKILL if signal.SIGKILL in signals else 130), rest
        assert "Traceback" not in rest
        gone = f"test ! -e {PLACE}"
        until(lambda: all(h.run(gone).returncode == 0 for h in found.hosts), "no lock to be left")
        until(lambda: found.run("apply", code=None).returncode == 0, "apply to finish", 60)
        assert found.json("plan")["changes"] is False


@pytest.mark.slow
def test_a_master_is_left_while_its_peer_cannot_run() -> None:
    with desk() as found:
        found.run("apply")
        found.change("web1 = 0, web2 = 50", "web1 = 10, web2 = 60")
        found.hosts[1].fail(Fault("svccfg", Effect.REFUSE, "svccfg: repository is full"), zone=WEB2)
        before = pid_of_daemon(found, 1)
        done = found.run("apply", code=2)
        assert "gz2: web2: set up: " in done.stderr
        assert "cannot import /opt/carpool/carpool.xml" in done.stderr
        assert pid_of_daemon(found, 1) == before
        status = found.json("status", code=None)
        assert status["groups"][0]["master"] == "web1"
        found.hosts[1].mend(zone=WEB2)
        found.run("apply")
        assert found.json("plan")["changes"] is False
