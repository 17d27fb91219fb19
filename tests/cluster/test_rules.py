"""Every mistake in files of every form, alone and together, is told at its place.

`FILES` is without a mistake; each case spoils one of its files and names all that is then wrong.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster.mistakes import checks, groups, notifiers, zones
from tests.cluster.support import FILES, check_texts, cluster, summary

from carpool.cluster.findings import Rule
from carpool.cluster.inputs import check_files

UNAVOIDABLE = ("CP306", "interfaces", "eth0.ucarp-password")
"""ifupdown gives ucarp the password on its command line, always."""

IMAGE = '"image_uuid": "62f148f8-6e84-11e4-82c5-efca60348b9f"'
UUID = "b6a3d1c8-3c2f-4a77-9a3e-6f1f0c7d2e1"

TWENTY = ", ".join(f'"10.0.0.{number}/24"' for number in range(101, 121))
THIRTEEN = ", ".join(f'"192.168.3.{number}"' for number in range(13))

# What is wrong (code and key), in which file, and how it is spoilt: this text, by that text.
# Behind that are the codes of what is then wrong as well.
CASES: list[tuple[str, ...]] = [
    # JSON and what vmadm makes of it.
    ("CP004 ", "web1.json", '"mtu": 1500,', '"mtu": 1500'),
    ("CP004 ", "web1.json", '"mtu": 1500,', '"mtu": NaN,'),
    ("CP004 ", "web1.json", '"mtu": 1500,', f'"mtu": {"9" * 5000},'),
    ("CP004 ", "web1.json", '"mtu": 1500,', f'"mtu": {"[" * 5000}1{"]" * 5000},'),
    ("CP501 memory", "web1.json", '"max_physical_memory"', '"memory"'),
    ("CP501 vcpus", "web1.json", '"quota": "10"', '"vcpus": 2'),
    ("CP501 nics[0].vlan", "web1.json", '"vlan_id": 7', '"vlan_id": 7, "vlan": 7'),
    ("CP501 kernel_version", "web1.json", '"quota": "10"', '"kernel_version": "4.10"'),
    ("CP501 docker", "web1.json", '"quota": "10"', '"docker": false'),
    ("CP502 brand", "web1.json", '  "brand": "joyent",\n', ""),
    ("CP502 kernel_version", "web1.json", '"joyent"', '"lx"'),
    ("CP502 nics[1].nic_tag", "web1.json", '"nic_tag": "internal",', ""),
    ("CP502 nics", "spare.json", "", '{"brand": "joyent", ' + IMAGE + "}"),
    ("CP502 nics", "spare.json", "", '{"brand": "joyent", ' + IMAGE + ', "nics": []}'),
    ("CP503 dataset_uuid", "web1.json", '"quota": "10"', f'"dataset_uuid": "{UUID}0"'),
    ("CP111 brand", "web1.json", '"joyent"', '"kvm"'),
    ("CP103 quota", "web1.json", '"10"', '"ten"'),
    ("CP103 quota", "web1.json", '"10"', "true"),
    ("CP103 quota", "web1.json", '"10"', "1.5"),
    ("CP103 quota", "web1.json", '"10"', "null"),
    ("CP103 autoboot", "web1.json", '"true"', '"yes"'),
    ("CP103 hostname", "web1.json", '"web1.example.com"', "1"),
    ("CP103 resolvers", "web1.json", '["192.168.0.53", "2001:db8::53"]', "{}"),
    ("CP103 customer_metadata", "spare.json", "", '{"customer_metadata": [], "state": 1}',
     "CP502", "CP514"),
    ("CP103 nics", "spare.json", "", '{"nics": [1], "state": 1}', "CP502", "CP514"),
    ("CP104 quota", "web1.json", '"10"', "-1"),
    ("CP104 nics[0].vlan_id", "web1.json", '"vlan_id": 7', '"vlan_id": 4096', "CP212"),
    ("CP104 nics[0].mtu", "web1.json", "1500", "9001"),
    ("CP104 nics[0].mtu", "web1.json", "1500", "575"),
    ("CP106 resolvers[0]", "web1.json", '"192.168.0.53"', '"192.168.0.256"'),
    ("CP106 resolvers[0]", "web1.json", '"192.168.0.53"', "53"),
    ("CP106 nics[0].ips[0]", "web1.json", "201/24", "201/255.255.255.0"),
    ("CP106 nics[0].ips[0]", "web1.json", "201/24", "201/33"),
    ("CP106 nics[0].gateways[0]", "web1.json", "192.168.0.1", "192.168.0.1/24"),
    ("CP106 nics[0].gateways[0]", "web1.json", "192.168.0.1", "2001:db8::1"),
    ("CP113 uuid", "web1.json", UUID, UUID.upper()),
    ("CP113 image_uuid", "web1.json", "62f148f8", "62F148F8"),
    ("CP114 nics[1].nic_tag", "web1.json", '"internal"', '"in-ternal"'),
    ("CP201 nics[0].ips[1]", "web1.json", "2001:db8::201/64", "192.168.0.201/24"),
    ("CP504 nics[1].ip", "web1.json", '"ips": ["10.0.0.201/24"]',
     '"ip": "10.0.0.201", "netmask": "255.255.255.0"'),
    ("CP504 nics[1].ip", "web1.json", '"ips": ["10.0.0.201/24"]', '"ip": "10.0.0.201"'),
    ("CP106 nics[1].ip", "web1.json", '"ips": ["10.0.0.201/24"]',
     '"ip": "10.0.0.201", "netmask": "255.0.255.0"'),
    ("CP505 resolvers", "web1.json", '["192.168.0.53", "2001:db8::53"]',
     '"192.168.0.53,2001:db8::53"'),
    ("CP505 nics[0].gateways", "web1.json", '["192.168.0.1"]', '"192.168.0.1"'),
    ("CP505 nics[0].allowed_ips", "web1.json", '["192.168.0.200"]', '"192.168.0.200"'),
    ("CP506 nics[1].ips[0]", "web1.json", "10.0.0.201/24", "10.0.0.201"),
    ("CP507 nics[0].allowed_ips[0]", "web1.json", "192.168.0.200", "192.168.0.200/24"),
    ("CP508 nics[0].allowed_ips", "web1.json", '"192.168.0.200"',
     '"192.168.0.200", ' + THIRTEEN),
    ("CP508 nics[1].ips", "web1.json", '"10.0.0.201/24"',
     TWENTY + ', "10.0.0.121/24"'),
    ("CP508 nics[1].allowed_ips", "web1.json", '"ips": ["10.0.0.201/24"]',
     f'"ips": [{TWENTY}], "allowed_ips": [{THIRTEEN}]'),
    ("CP509 nics[0].allow_ip_spoofing", "web1.json", '"mtu": 1500', '"allow_ip_spoofing": "1"'),
    ("CP509 nics[0].allow_mac_spoofing", "web1.json", '"mtu": 1500', '"allow_mac_spoofing": true'),
    ("CP509 nics[0].allow_dhcp_spoofing", "web1.json", '"mtu": 1500',
     '"allow_dhcp_spoofing": 1'),
    ("CP509 nics[0].allow_restricted_traffic", "web1.json", '"mtu": 1500',
     '"allow_restricted_traffic": "true"'),
    ("CP510 nics[0].primary", "web1.json", '"primary": true', '"primary": false'),
    ("CP510 nics[1].primary", "web1.json", '"ips": ["10.', '"primary": true, "ips": ["10.'),
    ("CP511 nics[0].ips[0]", "web1.json", "192.168.0.201/24", "192.168.0.200/24"),
    ("CP512 nics[0].allowed_ips", "web1.json", '"192.168.0.200"', ""),
    ("CP512 nics[0].allowed_ips", "web1.json", '"192.168.0.200"', '"192.168.0.199"'),
    ("CP513 nics[0].ips[1]", "web1.json", "2001:db8::201/64", "192.168.0.201/25"),
    ("CP514 image_uuid", "web1.json", f"{IMAGE},\n", ""),
    ("CP514 image_uuid", "web1.json", "62f148f8-6e84-11e4-82c5-efca60348b9f", "base-64@latest"),
    ("CP515 nics[0].gateways[0]", "web1.json", "192.168.0.1", "192.168.0.201"),
    ("CP515 nics[0].gateway", "web1.json", '"gateways": ["192.168.0.1"]',
     '"gateway": "192.168.0.201"'),
    ("CP516 nics[0].gateways[0]", "web1.json", "192.168.0.1", "192.168.1.1"),
    ("CP517 nics[0].gateways[0]", "web1.json", "192.168.0.1", "192.168.0.200"),
    ("CP517 nics[0].gateways[0]", "web1.json", "192.168.0.1", "192.168.0.202"),
    ("CP518 resolvers[0]", "web1.json", "192.168.0.53", "192.128.0.53"),
    ("CP518 resolvers[0]", "web1.json", "192.168.0.53", "193.168.0.53"),
    ("CP518 resolvers[0]", "web1.json", "192.168.0.53", "192.188.9.53"),
    ("CP519 max_physical_memory", "web1.json", "256", "4096"),
    ("CP520 hostname", "web1.json", "web1.example.com", "web_1"),
    ("CP520 hostname", "web1.json", "web1.example.com", "web1-"),
    ("CP521 internal_metadata.rank", "web1.json", '"rank": 1', '"rank": [1]'),
    ("CP522 quota", "web1.json", '"quota": "10"', '"quota": 9, "quota": 10'),
    ("CP524 nics[1].ips[0]", "web1.json", "10.0.0.201/24", "dhcp"),
    ("CP524 nics[1].ip", "web1.json", '"ips": ["10.0.0.201/24"]', '"ip": "dhcp"'),
    ("CP305 internal_metadata.carp_pw", "web1.json", "0f1e2d3c4b5a6978", "changeme", "CP219"),
    ("CP307 internal_metadata.carp_password", "web1.json", '"rank": 1', '"carp_password": "x"'),
    ("CP307 customer_metadata.carp_pw", "web1.json", '"user-script"',
     '"carp_pw": "x", "user-script"'),
    ("CP307 customer_metadata.user-script", "web1.json", "ucarp --passfile=/etc/key",
     "ucarp -i net0 --pass=0f1e2d3c4b5a6978"),
    # ucarp's options.
    ("CP006 ", "web1.cfg", '"/opt/vip up.sh"', '"/opt/vip up.sh', "CP603"),
    ("CP601 ", "web1.cfg", "--preempt", "--prempt"),
    ("CP601 ", "web1.cfg", "--preempt", "-y"),
    ("CP602 vhid", "web1.cfg", "--vhid 101", "--vhid 357"),
    ("CP602 vhid", "web1.cfg", "--vhid 101", "--vhid 1o1"),
    ("CP602 advskew", "web1.cfg", "--advskew=50", "--advskew=-1"),
    ("CP602 addr", "web1.cfg", "--addr=192.168.0.200", "--addr=2001:db8::200", "CP205"),
    ("CP602 srcip", "web1.cfg", "--srcip=192.168.0.201", "--srcip=224.0.0.1"),
    ("CP602 pass", "web1.cfg", "-o web.key", "-p 012345678901234567890"),
    ("CP603 ", "web1.cfg", "--vhid 101", ""),
    ("CP603 ", "web1.cfg", "-o web.key", ""),
    ("CP604 ", "web1.cfg", "--preempt", "--preempt yes"),
    ("CP605 advbase", "web1.cfg", "--advbase=1", "--advbase=0", "CP220"),
    ("CP208 advskew", "web1.cfg", "--advbase=1 --advskew=50", "--advbase=255 --advskew=255",
     "CP220"),
    ("CP203 addr", "web1.cfg", "--srcip=192.168.0.201", "--srcip=192.168.0.200"),
    ("CP306 pass", "web1.cfg", "-o web.key", "--pass=0f1e2d3c4b5a6978"),
    # ifupdown.
    ("CP601 eth0.ucarp-vhid", "interfaces", "ucarp-vid 0x15", "ucarp-vid 21\n\tucarp-vhid 21"),
    ("CP602 eth0.ucarp-vid", "interfaces", "0x15", "0x1500"),
    ("CP603 eth0", "interfaces", "\tucarp-vid 0x15\n", ""),
    ("CP605 eth0.ucarp-advbase", "interfaces", "\tucarp-vid", "\tucarp-advbase 0\n\tucarp-vid"),
    ("CP106 eth0.address", "interfaces", "192.168.1.11/24", "192.168.1.256/24", "CP602"),
    ("CP305 eth0.ucarp-password", "interfaces", "0123456789abcdef", "1234567"),
    # One node against another.
    ("CP204 nics[1].ips[0]", "web2.json", "10.0.0.202/24", "10.0.0.201/24"),
    ("CP204 srcip", "web2.cfg", "192.168.0.202", "192.168.0.201"),
    ("CP211 nics[0].ips[0]", "web2.json", "192.168.0.202/24", "192.168.9.202/24", "CP216", "CP516"),
    ("CP212 nics[0].nic_tag", "web2.json", "external", "other"),
    ("CP212 nics[0].vlan_id", "web2.json", '"vlan_id": 7', '"vlan_id": 8'),
    ("CP212 nics[0].vlan_id", "web2.json", '"vlan_id": 7,', ""),
    ("CP214 hostname", "web2.json", "web2.example.com", "WEB1.example.com"),
    ("CP215 uuid", "web2.json", f"{UUID}2", f"{UUID}1"),
    ("CP217 vhid", "web2.cfg", "--vhid 101", "--vhid 102"),
    ("CP219 pass", "web2.cfg", "-o web.key", "-p 1111222233334444", "CP306"),
    ("CP219 internal_metadata.carp_pw", "web2.json", "0f1e2d3c4b5a6978", "1111222233334444"),
    ("CP220 advbase", "web2.cfg", "--advbase=1", "--advbase=2"),
    ("CP210 advskew", "web2.cfg", "--advskew=100", "--advskew=50"),
    ("CP205 vhid", "web2.cfg", "--addr=192.168.0.200", "--addr=192.168.0.199", "CP512"),
    # A cluster file alone: what its nodes are to each other, and what their zones are.
    ("CP211 nodes.db2.address[0]", "cluster.toml", "192.168.2.202/24", "192.168.9.202/24",
     "CP216", "CP516"),
    ("CP212 nodes.db2.zone.vlan", "cluster.toml", "[groups.db]", "zone.vlan = 8\n[groups.db]"),
    ("CP213 nodes.db2.hypervisor", "cluster.toml", "gz2", "gz1"),
    ("CP214 nodes.db2.hostname", "cluster.toml", '"gz2"', '"gz2"\nhostname = "db1"'),
    ("CP215 nodes.db2.uuid", "cluster.toml", '"gz2"', f'"gz2"\nuuid = "{UUID[:-1]}31"'),
    ("CP216 nodes.db2.address[0]", "cluster.toml", '"192.168.2.111"', '"192.168.5.111"'),
    ("CP102 zone.kernel_version", "cluster.toml", "vlan = 7", 'vlan = 7\nbrand = "lx"', "CP523"),
    ("CP501 zone.kernel_version", "cluster.toml", "vlan = 7", 'vlan = 7\nkernel_version = "4.10"'),
    ("CP508 nodes.db1", "cluster.toml", '"192.168.2.111"', '"192.168.2.111", "192.168.2.112"'),
    ("CP515 zone.gateways[0]", "cluster.toml", '["192.168.2.1"]', '["192.168.2.201"]', "CP517"),
    ("CP516 zone.gateways[0]", "cluster.toml", '["192.168.2.1"]', '["192.168.1.1"]'),
    ("CP517 zone.gateways[0]", "cluster.toml", '["192.168.2.1"]', '["192.168.2.200"]'),
    ("CP518 zone.resolvers[0]", "cluster.toml", "192.168.2.53", "192.186.2.53"),
    ("CP519 zone.memory", "cluster.toml", "vlan = 7", "vlan = 7\nmemory = 2048"),
    ("CP520 nodes.d_b.hostname", "cluster.toml", "[nodes.db2]", "[nodes.d_b]"),
    ("CP523 nodes.db2.interface", "cluster.toml", '"net0"\nhypervisor = "gz2"',
     '"eth0"\nhypervisor = "gz2"'),
    ("CP523 nodes.db2.interface", "cluster.toml", '"net0"\nhypervisor = "gz2"',
     '"net1"\nhypervisor = "gz2"'),
    ("CP523 groups.db.interface", "cluster.toml", "vhid = 31", 'vhid = 31\ninterface = "eth0"'),
    ("CP523 groups.db.interface.db2", "cluster.toml", "vhid = 31",
     'vhid = 31\ninterface = { db2 = "net2" }'),
]  # fmt: skip


def spoilt(name: str, old: str, new: str) -> dict[str, str]:
    if name not in FILES:
        return FILES | {name: new}
    assert old in FILES[name]
    return FILES | {name: FILES[name].replace(old, new, 1)}


def test_the_files_are_good(tmp_path: Path) -> None:
    assert summary(check_texts(tmp_path, FILES)) == {UNAVOIDABLE}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}"[:60])
def test_one_mistake(tmp_path: Path, case: tuple[str, ...]) -> None:
    what, name, old, new, *also = case
    findings = check_texts(tmp_path, spoilt(name, old, new))
    code, _, key = what.partition(" ")
    found = summary(findings) - {UNAVOIDABLE}
    assert (code, name, key) in found
    assert {other for other, *_ in found} == {code, *also}
    for finding in findings:
        assert finding.mend
        assert finding.line
        assert finding.column
        assert str(finding).isprintable()
        assert len(str(finding)) < 500


TWO = {"cluster.toml": FILES["cluster.toml"], "other.toml": cluster("mail", 120, 41)}

# What is then wrong with the second of two cluster files, and how it is spoilt.
OF_TWO = [
    ("CP202 groups.mail.addresses[0]", "192.168.2.120/24", "192.168.2.200/24"),
    ("CP205 groups.mail.vhid", "vhid = 41", "vhid = 31"),
    ("CP204 nodes.mail1.address", "192.168.2.121/24", "192.168.2.201/24"),
    ("CP203 groups.mail.addresses[0]", "192.168.2.120/24", "192.168.2.201/24"),
    ("CP214 nodes.mail1.hostname", '"gz1"', '"gz1"\nhostname = "db2"'),
    ("CP215 nodes.mail1.uuid", "2e41", "2e31"),
]

# What is then wrong with a changed copy of a cluster file.
OF_COPY = [
    ("CP217 groups.db.vhid", "vhid = 31", "vhid = 33"),
    ("CP218 groups.db.addresses[0]", '"192.168.2.200/24", ', ""),
    ("CP219 groups.db.password_file", 'password_file = "web.key"', 'password_file = "other.key"'),
    ("CP220 groups.db.advbase", "vhid = 31", "vhid = 31\nadvbase = 2"),
]


def test_two_good_clusters(tmp_path: Path) -> None:
    assert check_texts(tmp_path, TWO) == []


@pytest.mark.parametrize(("what", "old", "new"), OF_TWO)
def test_two_clusters(tmp_path: Path, what: str, old: str, new: str) -> None:
    assert old in TWO["other.toml"]
    files = TWO | {"other.toml": TWO["other.toml"].replace(old, new)}
    code, _, key = what.partition(" ")
    assert summary(check_texts(tmp_path, files)) == {(code, "other.toml", key)}


@pytest.mark.parametrize(("what", "old", "new"), OF_COPY)
def test_a_changed_copy(tmp_path: Path, what: str, old: str, new: str) -> None:
    text = TWO["cluster.toml"]
    assert old in text
    (tmp_path / "other.key").touch(0o600)
    (tmp_path / "other.key").write_text("1234123412341234")
    code, _, key = what.partition(" ")
    found = check_texts(tmp_path, {"a.toml": text, "b.toml": text.replace(old, new, 1)})
    assert summary(found) == {(code, "b.toml", key)}


def test_every_node_may_have_the_same_file(tmp_path: Path) -> None:
    assert (
        check_texts(tmp_path, {"a.toml": TWO["cluster.toml"], "b.toml": TWO["cluster.toml"]}) == []
    )


def test_one_address_with_two_prefixes(tmp_path: Path) -> None:
    files = spoilt("web2.json", "10.0.0.202/24", "10.0.0.201/25")
    key = "nics[1].ips[0]"
    assert summary(check_texts(tmp_path, files)) - {UNAVOIDABLE} == {
        ("CP204", "web2.json", key),
        ("CP513", "web2.json", key),
    }


def test_payloads_alone(tmp_path: Path) -> None:
    """Without ucarp's options, an address that several payloads allow is the virtual one."""
    files = {name: FILES[name] for name in ("web1.json", "web2.json")}
    assert check_texts(tmp_path, files) == []
    files["web2.json"] = files["web2.json"].replace('"vlan_id": 7', '"vlan_id": 8')
    assert summary(check_texts(tmp_path, files)) == {("CP212", "web2.json", "nics[0].vlan_id")}
    files["web2.json"] = FILES["web2.json"].replace('["192.168.0.1"]', '["192.168.0.200"]')
    assert summary(check_texts(tmp_path, files)) == {("CP517", "web2.json", "nics[0].gateways[0]")}


def test_what_vmadm_shows_of_a_zone(tmp_path: Path) -> None:
    """`vmadm get` prints more than can be set, and addresses in both forms."""
    text = FILES["web1.json"].replace(
        '"quota": "10"', '"quota": 10, "zone_state": "running", "pid": 1, "zonepath": "/zones/x"'
    )
    text = text.replace('"mtu": 1500', '"ip": "192.168.0.201", "netmask": "255.255.255.0"')
    assert check_texts(tmp_path, {"web1.json": text}) == []


def test_payloads_of_a_cluster_file(tmp_path: Path) -> None:
    """A node's payload is held against the cluster file, and is no second node."""
    payload = FILES["web1.json"].replace("192.168.0.", "192.168.2.").replace("alias", "billing_id")
    payload = payload.replace("web1.example.com", "db1").replace("2e11", "2e31")
    files = {"cluster.toml": FILES["cluster.toml"], "db1.json": payload}
    found = summary(check_texts(tmp_path, files))
    assert found == {("CP512", "db1.json", "nics[0].allowed_ips")}  # the spare and IPv6 ones


def test_vips_of_other_hosts(tmp_path: Path) -> None:
    """What is virtual for one host must not be another's own."""
    options = FILES["web1.cfg"].replace("192.168.0.200", "192.168.1.11")
    found = summary(check_texts(tmp_path, {"a.cfg": options, "interfaces": FILES["interfaces"]}))
    assert found - {UNAVOIDABLE} == {("CP203", "a.cfg", "addr")}


def test_a_file_of_options_that_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "open.cfg"
    path.write_text(FILES["web1.cfg"].replace("-o web.key", "-p 0f1e2d3c4b5a6978"))
    path.chmod(0o644)
    assert {finding.code for finding in check_files([path])} == {"CP302", "CP306"}
    path.chmod(0o640)
    assert {finding.code for finding in check_files([path])} == {"CP306"}


def test_the_passfile_is_tried_where_it_is(tmp_path: Path) -> None:
    path, key = tmp_path / "web.cfg", tmp_path / "web.key"
    path.write_text(FILES["web1.cfg"])
    assert check_files([path]) == []  # it may be on another host
    key.write_text("short")
    key.chmod(0o644)
    assert {finding.code for finding in check_files([path])} == {"CP302"}
    key.chmod(0o600)
    assert {finding.code for finding in check_files([path])} == {"CP305"}


def test_not_an_object(tmp_path: Path) -> None:
    assert {found.code for found in check_texts(tmp_path, {"a.json": "{}"})} == {
        *("CP502", "CP514"),
    }


ARTICLE = Path(__file__).parent / "article"


def test_the_article(tmp_path: Path) -> None:
    """Every mistake of a set-up as it was published is told."""
    for name in ("web1.json", "web2.json", "ucarp.cfg"):
        (tmp_path / name).write_text((ARTICLE / name).read_text())
        (tmp_path / name).chmod(0o644)
    found = check_files([tmp_path / name for name in ("web1.json", "web2.json", "ucarp.cfg")])
    both = {
        ("CP503", "dataset_uuid"),
        ("CP504", "nics[0].ip"),
        ("CP509", "nics[0].allow_ip_spoofing"),
        ("CP509", "nics[0].allow_mac_spoofing"),
        ("CP514", "image_uuid"),
        ("CP515", "nics[0].gateway"),
        ("CP518", "resolvers[0]"),
        ("CP519", "max_physical_memory"),
    }
    assert summary(found) == {
        *((code, f"web{n}.json", key) for n in (1, 2) for code, key in both),
        ("CP211", "web2.json", "nics[0].ip"),
        ("CP216", "web2.json", "nics[0].ip"),
        ("CP302", "ucarp.cfg", "pass"),
        ("CP305", "ucarp.cfg", "pass"),
        ("CP306", "ucarp.cfg", "pass"),
    }
    assert "changeme" not in "".join(map(str, found))


def test_every_rule_is_tried() -> None:
    """Each rule has a case in which it is broken; `FILES` and its like are those without."""
    tried = {case[0].split()[0] for case in CASES}
    tried |= {what.split()[0] for what, *_ in OF_TWO + OF_COPY}
    tried |= {code for table in (groups, zones, checks, notifiers) for code, *_ in table.MISTAKES}
    elsewhere = {
        *("CP001", "CP002"),  # test_mistakes: test_unreadable_files
        "CP005",  # test_inputs: test_a_list_of_payloads_is_no_payload
        *("CP301", "CP302", "CP303"),  # test_mistakes: test_password_files
        "CP304",  # test_load: test_a_long_password_is_a_warning
        *("CP401", "CP402", "CP403"),  # test_identify
        "CP226",  # test_fast_rules
        "CP707",  # test_checks: test_a_zone_cannot_ask_by_arp
        "CP809",  # test_notifiers: test_a_service_that_the_zone_starts_by_itself
    }
    assert {rule.code for rule in Rule} - tried - elsewhere == set()
    assert not tried & elsewhere
