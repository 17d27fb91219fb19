"""Every mistake that a user can make in a cluster file is told, with its line and its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carpool.cluster.findings import Rule, Severity
from carpool.cluster.load import Loaded, load

GOOD = """\
[nodes.web1]
address = ["192.168.0.201/24", "fd00::201/64"]
interface = "net0"
[nodes.web2]
address = "192.168.0.202/24"
interface = "net0"
weight = 50
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24", "2001:db8::200/64"]
password_file = "www.key"
advskew = { web1 = 0, web2 = 100 }
nodes = ["web1", "web2"]
[groups.db]
vhid = 43
addresses = ["192.168.0.210"]
password_file = "www.key"
advbase = 1
"""

# code, line, key, and how GOOD is spoilt: this text, by that text.
MISTAKES = [
    ("CP003", 3, "", 'interface = "net0"\n[nodes.web2]', "interface = net0\n[nodes.web2]"),
    ("CP003", 18, "", "advbase = 1\n", "advbase ="),
    ("CP003", 21, "", "advbase = 1\n", "advbase = 1\n\n\n'''"),
    ("CP003", 8, "", "[groups.www]", "[nodes.web2]"),
    ("CP101", 19, "node", "advbase = 1\n", "advbase = 1\n[node.x]\n"),
    ("CP101", 1, "x", "[nodes.web1]", "x = 1\n[nodes.web1]"),
    ("CP101", 18, "groups.db.advbas", "advbase", "advbas"),
    ("CP101", 7, "nodes.web2.'a b'", "weight", "'a b'"),
    ("CP102", 4, "nodes.web2.address", 'address = "192.168.0.202/24"\n', ""),
    ("CP102", 4, "nodes.web2.interface", 'interface = "net0"\nweight', "weight"),
    ("CP102", 8, "groups.www.vhid", "vhid = 42\n", ""),
    ("CP102", 14, "groups.db.password_file", 'password_file = "www.key"\nadvbase', "advbase"),
    ("CP102", 14, "groups.db.addresses", 'addresses = ["192.168.0.210"]\n', ""),
    ("CP103", 9, "groups.www.vhid", "42", '"42"'),
    ("CP227", 18, "groups.db.replay", "advbase = 1", 'replay = "off"'),
    ("CP103", 9, "groups.www.vhid", "42", "true"),
    ("CP103", 9, "groups.www.vhid", "42", "42.0"),
    ("CP103", 9, "groups.www.vhid", "42", "2020-01-01"),
    ("CP103", 18, "groups.db.preempt", "advbase = 1", "preempt = 1"),
    ("CP103", 18, "groups.db.advbase", "advbase = 1", "advbase.x = 1"),
    ("CP103", 5, "nodes.web2.address", '"192.168.0.202/24"', "5"),
    ("CP103", 10, "groups.www.addresses[1]", '"2001:db8::200/64"', "[]"),
    ("CP103", 11, "groups.www.password_file", '"www.key"\nadvskew', "1\nadvskew"),
    ("CP103", 12, "groups.www.advskew.web2", "100", "'100'"),
    ("CP103", 12, "groups.www.advskew", "{ web1 = 0, web2 = 100 }", "[0, 100]"),
    ("CP103", 13, "groups.www.nodes", '["web1", "web2"]', '"web1"'),
    ("CP103", 18, "groups.db.nodes[1]", "advbase = 1", "nodes = ['web1', 2]"),
    ("CP103", 18, "groups.db.interface.web2", "advbase = 1", "interface = { web2 = 2 }"),
    ("CP103", 18, "groups.db.up", "advbase = 1", "up = 1"),
    ("CP103", 18, "groups.db.up", "advbase = 1", "up = ['/up', 1]"),
    ("CP103", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = true"),
    ("CP103", 18, "groups.db.multicast", "advbase = 1", "multicast = 1"),
    ("CP103", 18, "groups.db.source_mac", "advbase = 1", "source_mac = 1"),
    ("CP103", 14, "groups.db", "[groups.db]", "[[groups.db]]"),
    ("CP103", 19, "cluster", "advbase = 1\n", "advbase = 1\n[[cluster]]\n"),
    ("CP104", 9, "groups.www.vhid", "42", "0"),
    ("CP104", 9, "groups.www.vhid", "42", "256"),
    ("CP104", 9, "groups.www.vhid", "42", "0x" + "f" * 9000),
    ("CP104", 7, "nodes.web2.weight", "50", "-1"),
    ("CP104", 12, "groups.www.advskew.web2", "100", "256"),
    ("CP104", 18, "groups.db.advbase", "advbase = 1", "advbase = 256"),
    ("CP104", 18, "groups.db.dead_ratio", "advbase = 1", "dead_ratio = 0"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = 0"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = nan"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", f"script_timeout = 0x{'f' * 9000}"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = inf"),
    ("CP104", 18, "groups.db.script_timeout", "advbase = 1", "script_timeout = 86401"),
    ("CP103", 18, "groups.db.hold_down", "advbase = 1", "hold_down = false"),
    ("CP104", 18, "groups.db.hold_down", "advbase = 1", "hold_down = -1"),
    ("CP104", 18, "groups.db.preempt_delay", "advbase = 1", "preempt_delay = 86401"),
    ("CP104", 18, "groups.db.announce_every", "advbase = 1", "announce_every = nan"),
    ("CP105", 14, "groups.-db", "[groups.db]", '[groups."-db"]'),
    ("CP105", 14, "groups.'d b'", "[groups.db]", '[groups."d b"]'),
    ("CP105", 14, "groups.'d\\nb'", "[groups.db]", '[groups."d\\nb"]'),
    ("CP105", 14, "groups.''", "[groups.db]", '[groups.""]'),
    ("CP105", 20, "cluster.name", "advbase = 1\n", "advbase = 1\n[cluster]\nname = '../x'\n"),
    ("CP106", 5, "nodes.web2.address", "192.168.0.202/24", "192.168.0.256/24"),
    ("CP106", 5, "nodes.web2.address", "192.168.0.202/24", "web2"),
    ("CP106", 5, "nodes.web2.address", "192.168.0.202/24", ""),
    ("CP106", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.200/33"),
    ("CP106", 10, "groups.www.addresses[0]", "200/24", "200/255.255.255.0"),
    ("CP106", 10, "groups.www.addresses[1]", "2001:db8::200/64", "fe80::1%net0/64"),
    ("CP107", 5, "nodes.web2.address", "192.168.0.202/24", "127.0.0.1/8"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.0/24"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.255/24"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.255"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "224.0.0.18"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "127.1.2.3"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "0.0.0.0"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "0.1.2.3"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "255.255.255.255"),
    ("CP107", 10, "groups.www.addresses[0]", "192.168.0.200/24", "192.168.0.200/0"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "2001:db8::/64"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "ff02::12"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "::1"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "::"),
    ("CP107", 10, "groups.www.addresses[1]", "2001:db8::200/64", "::ffff:10.0.0.1"),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '"net0 "\nweight'),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '""\nweight'),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '"a/b"\nweight'),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '".."\nweight'),
    ("CP108", 6, "nodes.web2.interface", '"net0"\nweight', '"n\\u0000"\nweight'),
    ("CP108", 18, "groups.db.interface.web1", "advbase = 1", f"interface.web1 = '{'n' * 16}'"),
    ("CP108", 18, "groups.db.interface", "advbase = 1", f"interface = '{'ü' * 8}'"),
    ("CP108", 18, "groups.db.interface", "advbase = 1", "interface = 'a b'"),
    ("CP109", 18, "groups.db.multicast", "advbase = 1", "multicast = '192.168.0.1'"),
    ("CP109", 18, "groups.db.multicast", "advbase = 1", "multicast = 'ff02::12'"),
    ("CP109", 18, "groups.db.multicast", "advbase = 1", "multicast = ''"),
    ("CP110", 11, "groups.www.password_file", '"www.key"\nadvskew', '""\nadvskew'),
    ("CP110", 11, "groups.www.password_file", '"www.key"\nadvskew', '"a\\u0000b"\nadvskew'),
    ("CP110", 18, "groups.db.up", "advbase = 1", "up = ''"),
    ("CP110", 18, "groups.db.up", "advbase = 1", 'up = ["/up", "\\u0000"]'),
    ("CP111", 18, "groups.db.source_mac", "advbase = 1", "source_mac = 'virtuel'"),
    ("CP112", 10, "groups.www.addresses", '["192.168.0.200/24", "2001:db8::200/64"]', "[]"),
    ("CP112", 13, "groups.www.nodes", '["web1", "web2"]', "[]"),
    ("CP112", 18, "groups.db.down", "advbase = 1", "down = []"),
    ("CP201", 2, "nodes.web1.address[1]", "fd00::201/64", "192.168.0.201"),
    ("CP201", 10, "groups.www.addresses[1]", "2001:db8::200/64", "192.168.0.200"),
    ("CP201", 18, "groups.db.nodes[1]", "advbase = 1", "nodes = ['web1', 'web1']"),
    ("CP202", 16, "groups.db.addresses[0]", "192.168.0.210", "2001:db8:0::200"),
    ("CP203", 16, "groups.db.addresses[0]", "192.168.0.210", "192.168.0.202"),
    ("CP203", 16, "groups.db.addresses[0]", "192.168.0.210", "fd00::201"),
    ("CP204", 5, "nodes.web2.address", "192.168.0.202/24", "192.168.0.201/24"),
    ("CP205", 16, "groups.db.vhid", "vhid = 43", "interface = { web1 = 'net9' }\nvhid = 42"),
    ("CP205", 15, "groups.db.vhid", "43", "42"),
    ("CP206", 18, "groups.db.nodes[1]", "advbase = 1", "nodes = ['web1', 'web3']"),
    ("CP206", 12, "groups.www.advskew.wbe2", "web2 = 100", "wbe2 = 100"),
    ("CP206", 18, "groups.db.interface.web3", "advbase = 1", "interface.web3 = 'net0'"),
    ("CP207", 12, "groups.www.advskew.web2", '["web1", "web2"]', '["web1"]'),
    ("CP208", 19, "groups.db.advskew", "advbase = 1\n", "advbase = 255\nadvskew = 255\n"),
    ("CP209", 18, "groups.db.advbase", "advbase = 1\n",
     "advbase = 0\nadvskew = { web1 = 0, web2 = 2 }\n"),
    ("CP222", 18, "groups.db.together", "advbase = 1\n", "together = 'edge'\n"),
    *(
        ("CP222", 17, "groups.db.together", '["web1", "web2"]\n[groups.db]\n',
         f"['web1', 'web2']\ntogether = 'edge'\n[groups.db]\n{other}\ntogether = 'edge'\n")
        for other in ("nodes = ['web1']", "advskew.web1 = 200")
    ),
    ("CP223", 18, "groups.db.preempt_delay", "advbase = 1\n", "preempt_delay = 1\n"),
    ("CP210", 19, "groups.db.advskew", "advbase = 1\n", "preempt = true\nadvskew = 0\n"),
    *(
        ("CP221", 18, "groups.db.advbase", "advbase = 1\n", f"advbase = 0\n{rest}\n")
        for rest in (
            "advskew = { web1 = 60, web2 = 20 }",  # as long to wait as to send
            "advskew = { web1 = 120, web2 = 1 }",
            "advskew = 20\ndead_ratio = 1",
        )
    ),
    ("CP221", 18, "groups.db.dead_ratio", "advbase = 1\n", "dead_ratio = 1\nadvskew = 9\n"),
    # The fast profile.
    ("CP111", 18, "groups.db.profile", "advbase = 1", "profile = 'fats'"),
    ("CP103", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = 20"),
    ("CP120", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = '20'"),
    ("CP120", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = 'nan ms'"),
    ("CP104", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = '3ms'"),
    ("CP104", 19, "groups.db.interval", "advbase = 1", "profile = 'fast'\ninterval = '1.1s'"),
    ("CP224", 19, "groups.db.interval", "advbase = 1\n", "advbase = 1\ninterval = '20ms'\n"),
    ("CP224", 19, "groups.db.on_late", "advbase = 1\n", "advbase = 1\non_late = 'refuse'\n"),
    ("CP225", 18, "groups.db.advbase", "advbase = 1\n", "advbase = 1\nprofile = 'fast'\n"),
    ("CP225", 20, "groups.db.advskew", "advbase = 1\n",
     "profile = 'fast'\ninterval = '20ms'\nadvskew = 5\n"),
    ("CP103", 19, "log", "advbase = 1\n", "advbase = 1\n[[log]]\n"),
    ("CP101", 20, "log.lvl", "advbase = 1\n", "advbase = 1\n[log]\nlvl = 'info'\n"),
    ("CP111", 20, "log.format", "advbase = 1\n", "advbase = 1\n[log]\nformat = 'jsn'\n"),
    ("CP111", 20, "log.level", "advbase = 1\n", "advbase = 1\n[log]\nlevel = 'warn'\n"),
    ("CP111", 20, "log.facility", "advbase = 1\n", "advbase = 1\n[log]\nfacility = 'local8'\n"),
    ("CP104", 20, "log.enterprise", "advbase = 1\n", "advbase = 1\n[log]\nenterprise = 0\n"),
    *(
        ("CP121", 20, "log.server", "advbase = 1\n", f"advbase = 1\n[log]\nserver = '{server}'\n")
        for server in (
            *("loghost", "192.0.2.1", "udp://loghost:514", "tls://192.0.2.1", "udp://192.0.2.256"),
            *("udp://192.0.2.1:0", "tcp://192.0.2.1:65536", "udp://[fe80::1%eth0]", "tcp://::1:601"),
            *("udp://0.0.0.0", "udp://224.0.0.1:514", "udp://192.0.2.1:514/"),
        )
    ),
    ("CP228", 20, "log.facility", "advbase = 1\n", "advbase = 1\n[log]\nfacility = 'local3'\n"),
    ("CP228", 21, "log.facility", "advbase = 1\n",
     "advbase = 1\n[log]\nformat = 'json'\nfacility = 'local3'\n"),
    ("CP228", 21, "log.enterprise", "advbase = 1\n",
     "advbase = 1\n[log]\nformat = 'syslog'\nenterprise = 7\n"),
    ("CP209", 19, "groups.db.advskew", "advbase = 1\n", "profile = 'fast'\nadvskew.web1 = 0\n"),
    ("CP210", 18, "groups.db.preempt", "advbase = 1\n", "preempt = true\nprofile = 'fast'\n"),
    ("CP221", 18, "groups.db.dead_ratio", "advbase = 1\n", "dead_ratio = 1\nprofile = 'fast'\n"),
]  # fmt: skip

GOOD_ZONES = """\
[zone]
image = "62f148f8-6e84-11e4-82c5-efca60348b9f"
nic_tag = "external"
gateways = ["192.168.0.1"]
resolvers = ["192.168.0.53", "2001:db8::53"]
dns_domain = "example.com"
services = ["svc:/network/nginx:default"]
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
hypervisor = "root@gz1.example.com:2222"
uuid = "b6a3d1c8-3c2f-4a77-9a3e-6f1f0c7d2e11"
alias = "web_1"
[nodes.web2]
address = "192.168.0.202/24"
interface = "net0"
hypervisor = "[2001:db8::2]"
hostname = "web2.example.com"
[nodes.web2.zone]
memory = 512
packages = ["python313", "nginx"]
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24"]
password_file = "www.key"
"""

ZONE_MISTAKES = [
    ("CP101", 20, "nodes.web2.zone.memmory", "memory", "memmory"),
    ("CP102", 1, "zone.image", 'image = "62f148f8-6e84-11e4-82c5-efca60348b9f"\n', ""),
    ("CP102", 1, "zone.nic_tag", 'nic_tag = "external"\n', ""),
    ("CP103", 2, "zone.image", '"62f148f8-6e84-11e4-82c5-efca60348b9f"', "62"),
    ("CP103", 4, "zone.gateways", '["192.168.0.1"]', '"192.168.0.1"'),
    ("CP103", 7, "zone.services[0]", '"svc:/network/nginx:default"', "true"),
    ("CP103", 7, "zone.services", '["svc:/network/nginx:default"]', '"svc:/network/nginx:default"'),
    ("CP103", 5, "zone.resolvers[0]", '"192.168.0.53"', "1"),
    ("CP103", 19, "nodes.web2.zone", "[nodes.web2.zone]", "[[nodes.web2.zone]]"),
    ("CP103", 11, "nodes.web1.hypervisor", '"root@gz1.example.com:2222"', "1"),
    ("CP104", 20, "nodes.web2.zone.memory", "512", "63"),
    ("CP104", 20, "nodes.web2.zone.vlan", "memory = 512", "vlan = 4096"),
    ("CP104", 20, "nodes.web2.zone.mtu", "memory = 512", "mtu = 575"),
    ("CP104", 20, "nodes.web2.zone.quota", "memory = 512", "quota = 0"),
    ("CP106", 4, "zone.gateways[0]", "192.168.0.1", "2001:db8::1"),
    ("CP106", 5, "zone.resolvers[0]", "192.168.0.53", "192.168.0.53/24"),
    ("CP107", 5, "zone.resolvers[0]", "192.168.0.53", "0.0.0.0"),
    ("CP107", 5, "zone.resolvers[1]", "2001:db8::53", "ff02::fb"),
    ("CP111", 20, "nodes.web2.zone.brand", "memory = 512", "brand = 'kvm'"),
    ("CP113", 2, "zone.image", "62f148f8-6e84", "62F148F8-6e84"),
    ("CP113", 12, "nodes.web1.uuid", "b6a3d1c8-", "b6a3d1c8"),
    ("CP114", 3, "zone.nic_tag", "external", "my-tag"),
    ("CP115", 6, "zone.dns_domain", "example.com", "example..com"),
    ("CP115", 13, "nodes.web1.alias", "web_1", "web 1"),
    ("CP115", 18, "nodes.web2.hostname", "web2.example.com", "web_2"),
    ("CP116", 11, "nodes.web1.hypervisor", "root@gz1", "-oProxyCommand=x"),
    ("CP116", 17, "nodes.web2.hypervisor", "[2001:db8::2]", "2001:db8::2"),
    ("CP117", 20, "nodes.web2.zone.kernel_version", "memory = 512", "kernel_version = 'new'"),
    ("CP118", 21, "nodes.web2.zone.packages[1]", "nginx\"]", "-nginx\"]"),
    ("CP119", 7, "zone.services[0]", "svc:/network/nginx:default", "a b"),
]  # fmt: skip

WARNINGS = {rule.code for rule in Rule if rule.severity is Severity.WARNING}


def load_text(directory: Path, text: str) -> Loaded:
    path = directory / "cluster.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return load(path, secrets=False)


def test_the_good_file_is_good(tmp_path: Path) -> None:
    assert load_text(tmp_path, GOOD).findings == ()


@pytest.mark.parametrize(("code", "line", "key", "old", "new"), MISTAKES)
def test_one_mistake(tmp_path: Path, code: str, line: int, key: str, old: str, new: str) -> None:
    assert GOOD.count(old) >= 1
    loaded = load_text(tmp_path, new.join(GOOD.rsplit(old, 1)))
    assert [(found.code, found.line, found.key) for found in loaded.findings] == [(code, line, key)]
    finding = loaded.findings[0]
    assert finding.mend
    assert finding.file == tmp_path / "cluster.toml"
    assert str(finding).isprintable()
    assert len(str(finding)) < 400
    assert (loaded.cluster is None) == (code not in WARNINGS)


def test_the_good_zones_are_good(tmp_path: Path) -> None:
    assert load_text(tmp_path, GOOD_ZONES).findings == ()


@pytest.mark.parametrize(("code", "line", "key", "old", "new"), ZONE_MISTAKES)
def test_one_mistake_in_a_zone(
    tmp_path: Path, code: str, line: int, key: str, old: str, new: str
) -> None:
    assert GOOD_ZONES.count(old) >= 1
    loaded = load_text(tmp_path, GOOD_ZONES.replace(old, new, 1))
    assert [(found.code, found.line, found.key) for found in loaded.findings] == [(code, line, key)]
    assert loaded.findings[0].mend
    assert str(loaded.findings[0]).isprintable()
    assert (loaded.cluster is None) == (code not in WARNINGS)


def test_a_hypervisor_without_a_zone(tmp_path: Path) -> None:
    text = GOOD.replace("weight = 50", 'hypervisor = "gz"')
    found = [(f.code, f.line, f.key) for f in load_text(tmp_path, text).findings]
    assert found == [("CP102", 7, "nodes.web2.hypervisor")]


@pytest.mark.parametrize("old, new, mend", [  # noqa: PT006
    ("advbase", "advbas", "did you mean 'advbase'?"),
    ("[groups.db]", "[group.db]", "did you mean 'groups'?"),
    ("web2 = 100", "wbe2 = 100", "did you mean 'web2'?"),
    ("43", "42", "1 is free"),
])  # fmt: skip
def test_the_mend_helps(tmp_path: Path, old: str, new: str, mend: str) -> None:
    assert mend in str(load_text(tmp_path, GOOD.replace(old, new)).findings[0])


def test_ten_mistakes_at_once(tmp_path: Path) -> None:
    text = """\
x = 1
[nodes.web1]
address = "192.168.0.255/24"
interface = "net0/1"
weight = 300
[nodes.web2]
addres = "192.168.0.202/24"
[groups.www]
vhid = "42"
addresses = ["192.168.0.200/24", "fd00::g"]
advskew = { web3 = 0, web2 = 256 }
preempt = 1
"""
    found = [(f.code, f.line, f.key) for f in load_text(tmp_path, text).findings]
    assert found == [
        ("CP101", 1, "x"),
        ("CP107", 3, "nodes.web1.address"),
        ("CP108", 4, "nodes.web1.interface"),
        ("CP104", 5, "nodes.web1.weight"),
        ("CP102", 6, "nodes.web2.address"),
        ("CP102", 6, "nodes.web2.interface"),
        ("CP101", 7, "nodes.web2.addres"),
        ("CP102", 8, "groups.www.password_file"),
        ("CP103", 9, "groups.www.vhid"),
        ("CP106", 10, "groups.www.addresses[1]"),
        ("CP104", 11, "groups.www.advskew.web2"),
        ("CP206", 11, "groups.www.advskew.web3"),
        ("CP103", 12, "groups.www.preempt"),
    ]


@pytest.mark.parametrize(
    "text", ["", "\n# nothing\n", "[nodes]\n[groups]\n", "nodes = 1\ngroups = []"]
)
def test_nothing_in_it(tmp_path: Path, text: str) -> None:
    loaded = load_text(tmp_path, text)
    assert loaded.cluster is None
    assert sorted(finding.key for finding in loaded.findings) == ["groups", "nodes"]


def test_nodes_that_are_no_tables(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, GOOD.replace("[nodes.web1]", "[nodes]\nweb1 = 3\n[other]"))
    assert ("CP103", "nodes.web1") in [(found.code, found.key) for found in loaded.findings]


def test_one_shared_place_is_told_once(tmp_path: Path) -> None:
    """Two groups meet on both nodes, over IPv4 and IPv6: that is still one mistake."""
    text = GOOD.replace("43", "42").replace("192.168.0.210", '192.168.0.210", "fd00::210')
    assert [found.code for found in load_text(tmp_path, text).findings] == ["CP205"]


def test_preempt_among_too_many_for_ranks(tmp_path: Path) -> None:
    nodes = "".join(
        f'[nodes.n{i}]\naddress = "10.0.{i // 250}.{i % 250 + 1}"\ninterface = "net0"\n'
        for i in range(300)
    )
    group = (
        '[groups.www]\nvhid = 1\naddresses = ["10.9.0.1"]\npassword_file = "k"\npreempt = true\n'
    )
    loaded = load_text(tmp_path, nodes + group)
    assert loaded.cluster is not None
    assert [(found.code, found.key) for found in loaded.findings] == [
        ("CP210", "groups.www.preempt")
    ]
    assert "and 52 more" in loaded.findings[0].message


def unreadable(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "latin1.toml").write_bytes(b"# a\n# \xfc\n")
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000 + "]" * 5000)
    (tmp_path / "digits.toml").write_text("a = " + "9" * 5000)
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate((8 << 20) + 1)
    return {
        "CP001 None cannot be read: No such file": tmp_path / "none.toml",
        "CP001 None cannot be read: Is a directory": tmp_path,
        "CP001 None cannot be read: embedded null": tmp_path / "\0",
        "CP001 None is larger": tmp_path / "huge.toml",
        "CP002 2 byte 0xfc is not UTF-8": tmp_path / "latin1.toml",
        "CP003 None arrays or tables are nested": tmp_path / "deep.toml",
        "CP003 None Exceeds the limit": tmp_path / "digits.toml",
    }


def test_unreadable_files(tmp_path: Path) -> None:
    for start, path in unreadable(tmp_path).items():
        loaded = load(path)
        assert loaded.cluster is None
        [finding] = loaded.findings
        assert f"{finding.code} {finding.line} {finding.message}".startswith(start)
        assert finding.mend


def test_password_files(tmp_path: Path) -> None:
    """One file used by two groups is told at both; nothing of it is shown."""
    key = tmp_path / "www.key"
    key.write_text("tops" * 6)
    key.chmod(0o600)
    path = tmp_path / "cluster.toml"
    path.write_text(GOOD)
    found = [(f.code, f.line, f.key) for f in load(path).findings]
    assert found == [
        ("CP303", 11, "groups.www.password_file"),
        ("CP303", 17, "groups.db.password_file"),
    ]
    key.chmod(0o644)
    assert {finding.code for finding in load(path).findings} == {"CP302"}
    key.unlink()
    assert {finding.code for finding in load(path).findings} == {"CP301"}
    assert "tops" not in "".join(map(str, load(path).findings))


EXAMPLE = (Path(__file__).parents[2] / "examples" / "many.toml").read_bytes()
PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"'", b'"', b'"""', b"[", b"]", b"{", b"}", b"=", b".", b"#", b"\n", b"1"]),
    st.sampled_from([b"true", b"nodes", b"[[x]]\n", b"[groups.odd.nodes]\n"]),
)
EDITS = st.lists(
    st.tuples(st.integers(0, len(EXAMPLE)), st.integers(0, 12), PIECES), min_size=1, max_size=4
)
RELAXED = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@RELAXED
@given(st.binary(max_size=200))
def test_any_bytes_are_a_cluster_or_findings(tmp_path: Path, data: bytes) -> None:
    never_raises(tmp_path, data)


@RELAXED
@given(EDITS)
def test_a_spoilt_example_is_a_cluster_or_findings(
    tmp_path: Path, edits: list[tuple[int, int, bytes]]
) -> None:
    data = EXAMPLE
    for place, length, new in edits:
        data = data[:place] + new + data[place + length :]
    never_raises(tmp_path, data)


VALUES = st.recursive(
    st.sampled_from(["1", "-1", "true", "nan", "0.5", "2020-01-01", "''", "'a'", "'10.0.0.1/24'"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["left", "right", "x"]), inner, max_size=2).map(
            lambda table: "{" + ", ".join(f"{k} = {v}" for k, v in table.items()) + "}"
        ),
    ),
    max_leaves=4,
)


@RELAXED
@given(
    st.lists(st.tuples(st.integers(0, EXAMPLE.count(b"\n") - 1), VALUES), min_size=1, max_size=4)
)
def test_other_values_are_a_cluster_or_findings(
    tmp_path: Path, edits: list[tuple[int, str]]
) -> None:
    """Values of any type at any key: what parses must be read without raising, too."""
    lines = EXAMPLE.decode().splitlines()
    for row, value in edits:
        name, equals, _ = lines[row].partition(" = ")
        lines[row] = f"{name} = {value}" if equals else lines[row]
    never_raises(tmp_path, "\n".join(lines).encode())


def never_raises(directory: Path, data: bytes) -> None:
    path = directory / "cluster.toml"
    path.write_bytes(data)
    loaded = load(path, secrets=False)
    failed = any(finding.severity is Severity.ERROR for finding in loaded.findings)
    assert (loaded.cluster is None) == failed
    for finding in loaded.findings:
        assert str(finding)
        assert finding.line is None or 1 <= finding.line <= data.count(b"\n") + 1
