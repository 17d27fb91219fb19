"""The whole path for zones of every brand: apply, one master, a failover, destroy."""

from __future__ import annotations

import pytest
from tests.deploy.desk import WEB1, desk
from tests.lab.smartos.support import NEEDS
from tests.support.waiting import until

from carpool.lab.smartos.lab import IMAGE, LX_IMAGE

pytest.importorskip("pyinfra.api")
pytestmark = [*NEEDS, pytest.mark.timeout(600), pytest.mark.slow]

LX = {
    IMAGE.uuid: LX_IMAGE.uuid,
    'nic_tag = "external"': 'nic_tag = "external"\nbrand = "lx"\nkernel_version = "4.10"',
    '"net0"': '"eth0"',
    "python312": "python3",
}
MINIMAL = {'nic_tag = "external"': 'nic_tag = "external"\nbrand = "joyent-minimal"'}


# Brand joyent goes the whole path in test_on_lab.
@pytest.mark.parametrize("changes", [MINIMAL, LX], ids=["joyent-minimal", "lx"])
def test_from_nothing_over_a_failover_to_nothing(changes: dict[str, str]) -> None:
    with desk() as found:
        for before, after in changes.items():
            found.change(before, after)
        report = found.json("apply")
        assert [group["master"] for group in report["groups"]] == ["web1"]
        assert found.json("plan")["changes"] is False
        assert set(found.outcomes().values()) == {"unchanged"}
        assert found.in_zone(1, "ls -ln /opt/carpool/www.pw").startswith("-rw-------")

        found.hosts[0].run(f"vmadm stop {WEB1}")
        until(lambda: masters(found.json("status", code=None)) == ["web2"], "web2 takes over")
        found.hosts[0].run(f"vmadm start {WEB1}")
        until(lambda: found.run("status", code=None).returncode == 0, "web1 is back")
        assert masters(found.json("status")) == ["web2"]

        found.change("web1 = 0, web2 = 50", "web1 = 10, web2 = 60")
        assert found.outcomes() == {"web1": "changed", "web2": "changed"}
        found.run("destroy", "--yes")
        for host in found.hosts:
            assert host.run("vmadm lookup; ls /zones").stdout == ""


def masters(status: dict[str, list[dict[str, str]]]) -> list[str]:
    return [group["master"] for group in status["groups"]]
