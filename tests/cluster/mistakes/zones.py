"""Zones without a mistake, and every mistake that can be made in them."""

GOOD = """\
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

# code, line, key, and how GOOD is spoilt: this text, by that text.
MISTAKES = [
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
    ("CP115", 6, "zone.dns_domain", '"example.com', '"example..com'),
    ("CP115", 13, "nodes.web1.alias", "web_1", "web 1"),
    ("CP115", 18, "nodes.web2.hostname", "web2.example.com", "web_2"),
    ("CP116", 11, "nodes.web1.hypervisor", "root@gz1", "-oProxyCommand=x"),
    ("CP116", 17, "nodes.web2.hypervisor", "[2001:db8::2]", "2001:db8::2"),
    ("CP117", 20, "nodes.web2.zone.kernel_version", "memory = 512", "kernel_version = 'new'"),
    ("CP118", 21, "nodes.web2.zone.packages[1]", "nginx\"]", "-nginx\"]"),
    ("CP119", 7, "zone.services[0]", "svc:/network/nginx:default", "a b"),
]  # fmt: skip
