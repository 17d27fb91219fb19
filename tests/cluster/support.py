"""Files of every form that are without a mistake, and what tests do with them."""

from __future__ import annotations

from pathlib import Path

from carpool.cluster.findings import Finding
from carpool.cluster.inputs import check_files
from carpool.cluster.load import Loaded, load

PASSWORD = "0f1e2d3c4b5a6978"


def _payload(number: int) -> str:
    return f"""\
{{
  "brand": "joyent",
  "image_uuid": "62f148f8-6e84-11e4-82c5-efca60348b9f",
  "alias": "web_{number}",
  "hostname": "web{number}.example.com",
  "uuid": "b6a3d1c8-3c2f-4a77-9a3e-6f1f0c7d2e1{number}",
  "max_physical_memory": 256,
  "quota": "10",
  "autoboot": "true",
  "resolvers": ["192.168.0.53", "2001:db8::53"],
  "customer_metadata": {{"user-script": "mdata-get carp_pw >/etc/key; ucarp --passfile=/etc/key"}},
  "internal_metadata": {{"carp_pw": "{PASSWORD}", "rank": {number}}},
  "nics": [
    {{
      "nic_tag": "external",
      "vlan_id": 7,
      "mtu": 1500,
      "ips": ["192.168.0.20{number}/24", "2001:db8::20{number}/64"],
      "gateways": ["192.168.0.1"],
      "allowed_ips": ["192.168.0.200"],
      "primary": true
    }},
    {{
      "nic_tag": "internal",
      "ips": ["10.0.0.20{number}/24"]
    }}
  ]
}}
"""


def _options(number: int) -> str:
    return f"""\
# web{number}
exec /opt/local/sbin/ucarp --interface=net0 \\
  --srcip=192.168.0.20{number} --vhid 101 -o web.key --addr=192.168.0.200 \\
  --advbase=1 --advskew={number * 50} --preempt --shutdown \\
  -u "/opt/vip up.sh" --downscript='/opt/vip-down.sh'
"""


INTERFACES = """\
# of a Debian host
auto lo eth0
iface lo inet loopback
iface eth0 inet static
	address 192.168.1.11/24
	gateway 192.168.1.1
	dns-nameservers 192.168.1.53 2001:db8::53
	ucarp-vid 0x15
	ucarp-vip 192.168.1.10
	ucarp-password 0123456789abcdef
	ucarp-master no
	up echo \\
		ucarp-vid 9
iface eth0 inet6 static
	address 2001:db8:1::11
	netmask 64
iface eth0:ucarp inet static
	address 192.168.1.10
	netmask 255.255.255.255
"""


def cluster(name: str, first: int, vhid: int) -> str:
    """Return a cluster file with two nodes and two groups around 192.168.2.``first``."""
    spare = ", ".join(f'"192.168.2.{first - 99 + n}"' for n in range(11))
    return f"""\
[cluster]
name = "{name}"
[zone]
image = "62f148f8-6e84-11e4-82c5-efca60348b9f"
nic_tag = "external"
vlan = 7
gateways = ["192.168.2.1"]
resolvers = ["192.168.2.53"]
[nodes.{name}1]
address = "192.168.2.{first + 1}/24"
interface = "net0"
hypervisor = "gz1"
uuid = "b6a3d1c8-3c2f-4a77-9a3e-6f1f0c7d2e{vhid}"
[nodes.{name}2]
address = ["192.168.2.{first + 2}/24", "2001:db8:2::{first + 2}/64"]
interface = "net0"
hypervisor = "gz2"
[groups.{name}]
vhid = {vhid}
addresses = ["192.168.2.{first}/24", "2001:db8:2::{first}/64"]
password_file = "web.key"
preempt = true
[groups.spare]
vhid = {vhid + 1}
addresses = [{spare}]
password_file = "web.key"
"""


FILES = {
    "web1.json": _payload(1),
    "web2.json": _payload(2),
    "web1.cfg": _options(1),
    "web2.cfg": _options(2),
    "interfaces": INTERFACES,
    "cluster.toml": cluster("db", 200, 31),
}


ZONE = """\
[zone]
image = "62f148f8-6e84-11e4-82c5-efca60348b9f"
nic_tag = "external"
brand = "joyent"
"""


EVERY_KEY = """\
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
[nodes.web2]
address = "192.168.0.202/24"
interface = "net0"
weight = 50
hostname = "web2.example.com"
realtime = false
[nodes.web3]
address = "192.168.0.203/24"
interface = "net0"
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24", "2001:db8::200/64"]
password_file = "www.key"
accept_password_files = ["old.key"]
replay = "strict"
advbase = 2
advskew = { web1 = 7, web2 = 107 }
preempt = true
preempt_delay = 60
hold_down = 0.5
together = "edge"
announce_every = 90
seek_rival = 30
dead_ratio = 4
interface = { web1 = "net1", web2 = "net2" }
nodes = ["web1", "web2"]
up = ["/bin/sh", "-c", "echo \\"\\\\ \\t\\u007f\\" uml\u00e4ut", ""]
down = "/bin/false"
script_timeout = 1.5
source_mac = "virtual"
multicast = "224.0.0.19"
checks = ["web"]
services = ["apache2", "svc:/network/dns/client:default"]
service_timeout = 15
service_demote = 10
ignore_link = true
on_conflict = "yield"
[groups.fast]
vhid = 43
addresses = ["192.168.0.210/24"]
password_file = "www.key"
profile = "fast"
interval = "20ms"
on_late = "refuse"
nodes = ["web1", "web2"]
[groups.db]
vhid = 44
addresses = ["192.168.0.220/24"]
password_file = "www.key"
advskew = { web1 = 7, web2 = 107 }
together = "edge"
nodes = ["web1", "web2"]
[checks.web]
type = "interface"
interface = "net0"
interval = 0.5
"""
"""Nodes and groups in which each key says something else than its default."""


def load_text(directory: Path, text: str) -> Loaded:
    """Load a cluster file, but for the passwords it names."""
    path = directory / "cluster.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return load(path, secrets=False)


def check_texts(directory: Path, files: dict[str, str]) -> list[Finding]:
    """Write the files, none of them open to other users, and check them together."""
    paths = []
    for name, text in (files | {"web.key": f"{PASSWORD}\n"}).items():
        path = directory / name
        path.write_text(text, encoding="utf-8", newline="")
        path.chmod(0o600)
        if name != "web.key":
            paths.append(path)
    return check_files(paths)


def summary(findings: list[Finding]) -> set[tuple[str, str, str]]:
    """Return code, file name and key of each finding."""
    return {(found.code, found.file.name if found.file else "", found.key) for found in findings}
