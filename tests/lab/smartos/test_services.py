"""SMF in a zone: services are started, watched, stopped and given up."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from xml.sax.saxutils import quoteattr

import pytest
from tests.lab.smartos.support import (
    NEEDS,
    UUID,
    create,
    in_zone,
    login,
    one_host,
    payload,
    state,
)
from tests.support.waiting import until

from carpool.lab.smartos.hypervisor import Hypervisor

pytestmark = NEEDS

MANIFEST = """<?xml version='1.0'?>
<!DOCTYPE service_bundle SYSTEM '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>
<service_bundle type='manifest' name='test'>
  <service name='network/test' type='service' version='1'>
    <create_default_instance enabled={enabled}/>
    <single_instance/>
    <dependency name='network' grouping='require_all' restart_on='error' type='service'>
      <service_fmri value={needs}/>
    </dependency>
    <method_context><method_credential user={user} privileges={privileges}/></method_context>
    <exec_method type='method' name='start' exec={start} timeout_seconds={timeout}/>
    <exec_method type='method' name='stop' exec={stop} timeout_seconds={timeout}/>
    <exec_method type='method' name='refresh' exec=':kill -HUP' timeout_seconds='5'/>
    <property_group name='startd' type='framework'>
      <propval name='duration' type='astring' value={duration}/>
    </property_group>
  </service>
</service_bundle>
"""
SLEEP = "/bin/sleep 1000 &"


@contextmanager
def zone() -> Iterator[Hypervisor]:
    with one_host() as host:
        create(host, payload())
        yield host


def bring(host: Hypervisor, **parts: object) -> None:
    """Import a service `test`."""
    filled = {
        "enabled": "true",
        "needs": "svc:/milestone/network:default",
        "user": "root",
        "privileges": "basic",
        "start": SLEEP,
        "stop": ":kill",
        "timeout": 10,
        "duration": "contract",
        **parts,
    }
    quoted = {name: quoteattr(str(value)) for name, value in filled.items()}
    in_zone(host, UUID, "cat >/test.xml; svccfg validate /test.xml", MANIFEST.format(**quoted))
    in_zone(host, UUID, "svccfg import /test.xml")


def script(host: Hypervisor, text: str) -> None:
    in_zone(host, UUID, "cat >/start; chmod 755 /start", f"#!/bin/sh\n{text}\n")


def processes(host: Hypervisor) -> list[str]:
    told = in_zone(host, UUID, "svcs -H -p test").splitlines()[1:]
    return [line.split()[1] for line in told]


def log(host: Hypervisor) -> str:
    return in_zone(host, UUID, "cat /var/svc/log/network-test:default.log")


def test_a_daemon_goes_up_and_down() -> None:
    with zone() as host:
        bring(host, enabled="false")
        assert state(host, UUID, "test") == "disabled"
        in_zone(host, UUID, "svcadm enable -s test")
        assert state(host, UUID, "svc:/network/test:default") == "online"
        (process,) = processes(host)
        in_zone(host, UUID, "svcadm restart network/test")
        until(lambda: processes(host) not in ([process], []), "another process")
        in_zone(host, UUID, "svcadm disable -s test")
        assert (state(host, UUID, "test"), processes(host)) == ("disabled", [])
        assert "sleep" not in in_zone(host, UUID, "ps -ef | grep '[s]leep 1000' || :")
        assert "Executing start method" in log(host)
        in_zone(host, UUID, "svccfg delete test")
        code, _, said = login(host, UUID, "svcs test")
        assert (code, "doesn't match any instances" in said) == (1, True)


def test_it_is_enabled_again_after_a_boot() -> None:
    with zone() as host:
        bring(host, enabled="false")
        in_zone(host, UUID, "svcadm enable -s test")
        host.run(f"vmadm reboot {UUID}")
        until(lambda: state(host, UUID, "test") == "online", "it is up again")
        assert len(processes(host)) == 1


@pytest.mark.parametrize("duration", ["contract", "child"])
def test_it_is_restarted_when_it_dies(duration: str) -> None:
    with zone() as host:
        bring(host, duration=duration, start=SLEEP if duration == "contract" else SLEEP[:-2])
        # While it starts there is the shell of its method, too.
        until(lambda: state(host, UUID, "test") == "online", "it has started")
        (process,) = until(lambda: processes(host), "it runs")
        in_zone(host, UUID, f"kill -9 {process}")
        until(lambda: processes(host) not in ([process], []), "it runs again")
        until(lambda: state(host, UUID, "test") == "online", "it has started again")


def test_ten_failures_are_enough() -> None:
    with zone() as host:
        script(host, "echo try >>/tries\n[ ! -f /broken ] || exit 1\nsleep 1000 &")
        in_zone(host, UUID, "touch /broken")
        bring(host, start="/start")
        until(lambda: state(host, UUID, "test") == "maintenance", "it is given up")
        assert in_zone(host, UUID, "cat /tries").split() == ["try"] * 10
        assert "Start method failed" in in_zone(host, UUID, "svcs -x test")
        assert login(host, UUID, "svcadm enable -s test")[0] == 3
        in_zone(host, UUID, "rm /broken; svcadm clear test; svcadm enable -s test")
        assert state(host, UUID, "test") == "online"


@pytest.mark.parametrize("code", [95, 96])
def test_a_fatal_exit_is_enough(code: int) -> None:
    with zone() as host:
        script(host, f"echo try >>/tries; exit {code}")
        bring(host, start="/start")
        until(lambda: state(host, UUID, "test") == "maintenance", "it is given up")
        assert in_zone(host, UUID, "cat /tries").split() == ["try"]


@pytest.mark.parametrize(
    "parts",
    [
        {"duration": "contrakt"},
        {"user": "nosuch"},
        {"privileges": "basic,net_rawacess"},
        {"start": "/bin/sleep 100", "timeout": 1},
    ],
)
def test_what_the_dtd_does_not_see_parks_it(parts: dict[str, object]) -> None:
    with zone() as host:
        bring(host, **parts)
        until(lambda: state(host, UUID, "test") == "maintenance", "it is parked")


def test_a_child_is_restarted_for_ever() -> None:
    with zone() as host:
        script(host, "echo try >>/tries; exit 96")
        bring(host, start="/start", duration="child")
        until(lambda: len(login(host, UUID, "cat /tries")[1].split()) > 11, "many tries")
        assert state(host, UUID, "test") in ("online", "offline", "offline*")


def test_a_missing_dependency_keeps_it_offline() -> None:
    with zone() as host:
        bring(host, needs="svc:/network/nosuch:default")
        assert state(host, UUID, "test") == "offline"
        assert "svc:/network/nosuch:default" in in_zone(host, UUID, "svcs -x test")


def test_signals_reach_every_process() -> None:
    with zone() as host:
        script(
            host, "sh -c 'trap \"echo heard >>/heard\" HUP; while :; do sleep 0.1; done' &\n" * 2
        )
        bring(host, start="/start")
        until(lambda: len(processes(host)) >= 2, "both run")
        until(lambda: state(host, UUID, "test") == "online", "it is online")

        def heard() -> bool:
            in_zone(host, UUID, "svcadm refresh test")
            return len(login(host, UUID, "cat /heard")[1].split()) >= 2

        until(heard, "both hear it")


def test_a_stop_method_that_does_not_end() -> None:
    with zone() as host:
        bring(host, start="/bin/sh -c 'trap : TERM; (while :; do sleep 0.1; done) &'")
        until(lambda: state(host, UUID, "test") == "online", "it is online")
        script(host, "sleep 100")
        bring(host, stop="/start", timeout=1)
        in_zone(host, UUID, "svcadm disable test")
        until(lambda: state(host, UUID, "test") == "maintenance", "it is parked")
        until(lambda: not processes(host), "it is killed")


def test_privileges_become_capabilities() -> None:
    shows = "/bin/sh -c 'id -un; grep CapEff /proc/self/status; sleep 1000 &'"
    with zone() as host:
        in_zone(host, UUID, "groupadd carpool; useradd -g carpool -d /opt -A x.y carpool")
        assert login(host, UUID, "useradd carpool")[0] == 9
        bring(
            host,
            user="carpool",
            start=shows,
            privileges="basic,net_rawaccess,net_icmpaccess,sys_ip_config",
        )
        until(lambda: state(host, UUID, "test") == "online", "it is online")
        assert f"carpool\nCapEff:\t{1 << 12 | 1 << 13:016x}\n" in log(host)
        bring(host, user="carpool", start=shows, privileges="basic,net_rawaccess")
        in_zone(host, UUID, "svcadm restart test")
        until(lambda: f"CapEff:\t{0:016x}\n" in log(host), "a right that is not whole is none")


def test_properties() -> None:
    with zone() as host:
        bring(host, start="/bin/sh -c 'echo port %{config/port}; sleep 1000 &'")
        in_zone(host, UUID, "svccfg -s test setprop config/port = astring: 80")
        assert in_zone(host, UUID, "svcprop -p config/port test") == "80\n"
        assert in_zone(host, UUID, 'svccfg -s test "listprop config"') == "config/port astring 80\n"
        in_zone(host, UUID, "svcadm restart test")
        until(lambda: "port 80\n" in log(host), "the method has it")


def test_a_broken_manifest() -> None:
    with zone() as host:
        in_zone(host, UUID, "cat >/x.xml", "<service_bundle type='manifest' name='x'>")
        for verb in ("validate", "import"):
            code, _, said = login(host, UUID, f"svccfg {verb} /x.xml")
            assert (code, said.startswith("svccfg: couldn't")) == (1, True)
        assert login(host, UUID, "svccfg import /nosuch.xml")[0] == 1
        assert json.loads(host.run(f"vmadm get {UUID}").stdout)["state"] == "running"
