"""Where a user sits who deploys: a cluster file, and two hypervisors of the SmartOS lab."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from tests.lab.smartos.support import smartos
from tests.support.program import built
from tests.support.waiting import until

from carpool.cluster.load import zone_uuid
from carpool.lab.probe import Probe
from carpool.lab.smartos.hypervisor import Hypervisor
from carpool.lab.smartos.lab import IMAGE, SmartosLab

SECRET = "s3cret-0f-www"
VIP = IPv4Address("192.168.1.200")
MILLISECOND = 1_000_000
WEB1, WEB2 = zone_uuid("web", "web1"), zone_uuid("web", "web2")

CLUSTER = f"""\
[cluster]
name = "web"
[zone]
image = "{IMAGE.uuid}"
nic_tag = "external"
gateways = ["192.168.0.1"]
resolvers = ["192.168.0.53"]
packages = ["python312"]
[nodes.web1]
address = "192.168.1.201/16"
interface = "net0"
hypervisor = "gz1"
[nodes.web2]
address = "192.168.1.202/16"
interface = "net0"
hypervisor = "gz2"
[groups.www]
vhid = 42
addresses = ["{VIP}/16"]
password_file = "www.key"
advskew = {{ web1 = 0, web2 = 50 }}
"""


@dataclass
class Desk:
    """Where the user sits: a cluster file, and two hypervisors to apply it to."""

    datacenter: SmartosLab
    hosts: list[Hypervisor]
    file: Path
    program: Path

    def words(self, command: str, *options: str) -> list[str]:
        if command in ("plan", "apply"):
            options = ("--program", str(self.program), *options)
        return [sys.executable, "-m", "carpool", command, str(self.file), *options]

    def run(
        self, command: str, *options: str, code: int | None = 0, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        done = self.datacenter.operator.run(self.words(command, *options), stdin=stdin)
        print(f"$ {command} {options}: {done.returncode}\n{done.stdout}{done.stderr}")
        assert code in (None, done.returncode)
        assert SECRET not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def json(self, command: str, *options: str, code: int | None = 0) -> Any:
        return json.loads(self.run(command, "--json", *options, code=code).stdout)

    def change(self, before: str, after: str) -> None:
        text = self.file.read_text()
        assert before in text
        self.file.write_text(text.replace(before, after))

    def in_zone(self, number: int, command: str) -> str:
        uuid = (WEB1, WEB2)[number - 1]
        done = self.hosts[number - 1].run(f"zlogin {uuid} '{command}'")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def outcomes(self) -> dict[str, str]:
        found = self.json("apply", code=None)
        return {node["node"]: node["outcome"] for node in found["nodes"]}

    @contextmanager
    def probing(self, client: Any) -> Iterator[Probe]:
        with Probe(
            self.datacenter.lab, client, VIP, program="carpool.lab.smartos.ping", names={}
        ) as probe:
            until(lambda: len(probe.answers()) > 50, "answers from the virtual address")
            yield probe


@contextmanager
def desk(*, images: bool = True, **options: Any) -> Iterator[Desk]:
    with smartos("gz1", "gz2", **options) as (datacenter, hosts):
        home = datacenter.operator.home
        (home / "cluster.toml").write_text(CLUSTER)
        (home / "www.key").touch(mode=0o600)
        (home / "www.key").write_text(f"{SECRET}\n")
        (home / "carpool.pyz").write_bytes(built())
        yield Desk(datacenter, hosts, home / "cluster.toml", home / "carpool.pyz")
