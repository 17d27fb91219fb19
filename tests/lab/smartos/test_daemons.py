"""The real daemon in zones of two hypervisors: one master, and what link protection has to say."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_interface

import pytest
from tests.lab.smartos.support import (
    NEEDS,
    OTHER_UUID,
    UUID,
    VIP,
    Payload,
    create,
    in_zone,
    login,
    nic,
    payload,
    smartos,
    state,
)
from tests.support.program import built
from tests.support.waiting import until

from carpool.lab.smartos.hypervisor import Hypervisor
from carpool.lab.zone import Zone

pytestmark = [*NEEDS, pytest.mark.timeout(600)]

CLUSTER = f"""
[cluster]
name = "test"
[nodes.web201]
address = "192.168.0.201/24"
interface = "net0"
[nodes.web202]
address = "192.168.0.202/24"
interface = "net0"
[groups.www]
vhid = 42
addresses = ["{VIP}/24"]
password_file = "www.pw"
dead_ratio = 6  # a busy machine can replace a program in half of that time
nodes = ["web201", "web202"]
"""
MANIFEST = """<?xml version="1.0"?>
<service_bundle type="manifest" name="carpool">
  <service name="network/carpool" type="service" version="1">
    <create_default_instance enabled="false"/>
    <exec_method type="method" name="start" timeout_seconds="30" exec="
/opt/local/bin/python3.12 -IS /opt/carpool.pyz run --smf --node NODE /opt/cluster.toml"/>
    <exec_method type="method" name="stop" timeout_seconds="30" exec=":kill"/>
    <exec_method type="method" name="refresh" timeout_seconds="60" exec="
/opt/local/bin/python3.12 -IS /opt/carpool.pyz restart --node NODE"/>
  </service>
</service_bundle>
"""
FIRST_BOOT = f"""#!/bin/sh
set -e
/opt/local/bin/pkgin -y install python312
(umask 077; mdata-get carpool_www_pw >/opt/www.pw)
cat >/opt/cluster.toml <<'END'
{CLUSTER}
END
sed "s/NODE/$(hostname)/g" >/opt/carpool.xml <<'END'
{MANIFEST}
END
svccfg import /opt/carpool.xml
"""
STATUS = "/opt/local/bin/python3.12 -IS /opt/carpool.pyz status --json"
PLACES = {UUID: 201, OTHER_UUID: 202}


@contextmanager
def two_zones(**nic_changes: object) -> Iterator[tuple[dict[str, Hypervisor], Zone]]:
    """Yield the hypervisors by the zones that they have, in which daemons run, and a client."""
    with smartos("gz1", "gz2") as (datacenter, hosts):
        client = datacenter.lab.add_zone("client", addresses=[ip_interface("192.168.0.9/24")])
        places = dict(zip(PLACES, hosts, strict=True))
        program = datacenter.folder / "carpool.pyz"
        program.write_bytes(built())
        for uuid, host in places.items():
            create(host, made(uuid, **nic_changes))
            with program.open() as file:  # by SSH, as it would go on a real one
                put = datacenter.operator.popen(
                    [
                        *("ssh", "-F", str(datacenter.operator.ssh_config), host.name),
                        f"zlogin {uuid} 'cat >/opt/new && mv /opt/new /opt/carpool.pyz'",
                    ],
                    stdin=file,
                )
                assert put.wait(60) == 0
            until(partial(is_online, host, uuid, "svc:/smartdc/mdata:execute"), "it has booted", 60)
            in_zone(host, uuid, "svcadm enable -s carpool")
        yield places, client


def made(uuid: str, **nic_changes: object) -> Payload:
    number = PLACES[uuid]
    return payload(
        number,
        uuid=uuid,
        nics=[nic(number, **nic_changes)],
        customer_metadata={"user-script": FIRST_BOOT},
        internal_metadata={"carpool_www_pw": "secret"},
    )


def is_online(host: Hypervisor, uuid: str, service: str) -> bool:
    return state(host, uuid, service) == "online"


def restarts(host: Hypervisor, uuid: str) -> int:
    """Return how often the program of a zone's daemon has been replaced."""
    code, said = login(host, uuid, STATUS)[:2]
    return int(json.loads(said)["daemons"][0]["restarts"]) if code == 0 else -1


def masters(places: dict[str, Hypervisor]) -> list[str]:
    return [
        uuid
        for uuid, host in places.items()
        if VIP in login(host, uuid, "ifconfig -a | grep 'inet '")[1]
    ]


def answers(client: Zone) -> bool:
    ping = client.start(["ping", "-c1", "-W1", VIP])
    try:
        return ping.wait(10) == 0
    except subprocess.TimeoutExpired:
        return False


def test_one_master_that_is_followed_by_the_other() -> None:
    with two_zones(allowed_ips=[VIP]) as (places, client):
        until(lambda: len(masters(places)) == 1 and answers(client), "one master that answers")
        assert all(is_online(host, uuid, "carpool") for uuid, host in places.items())
        (first,) = masters(places)
        before = json.loads(in_zone(places[first], first, STATUS))["daemons"][0]
        in_zone(places[first], first, "svcadm refresh carpool")
        until(lambda: restarts(places[first], first) == 1, "it has replaced its program")
        after = json.loads(in_zone(places[first], first, STATUS))["daemons"][0]
        assert (after["pid"], after["groups"][0]["state"]) == (before["pid"], "MASTER")
        assert after["groups"][0]["state_seconds"] > before["groups"][0]["state_seconds"]
        assert masters(places) == [first]
        assert is_online(places[first], first, "carpool")
        (second,) = set(places) - {first}
        places[first].run(f"vmadm stop -F {first}")
        until(lambda: VIP in in_zone(places[second], second, "ifconfig -a"), "the other has it")
        until(lambda: answers(client), "the other answers")
        places[first].run(f"vmadm start {first}")
        until(lambda: is_online(places[first], first, "carpool"), "it is back")
        assert masters(places) == [second]

        in_zone(places[second], second, "svcadm disable -s carpool")
        until(lambda: masters(places) == [first], "it goes back")
        until(lambda: answers(client), "and answers")
        places[first].power_off()
        in_zone(places[second], second, "svcadm enable -s carpool")
        until(lambda: answers(client), "one hypervisor is enough")


def test_without_allowed_ips_the_master_is_not_heard() -> None:
    with two_zones() as (places, client):
        until(lambda: len(masters(places)) == 1, "one master: advertisements pass")
        assert not answers(client)
