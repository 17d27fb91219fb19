"""Health checks without a mistake, and every mistake that can be made in them."""

GOOD = """\
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
[nodes.web2]
address = "192.168.0.202/24"
interface = "eth0"
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24"]
password_file = "www.key"
checks = ["program", "port", "page", "router", "uplink", "flag"]
[checks.program]
type = "command"
command = ["/opt/check", "--all"]
interval = 10
timeout = 5
rise = 1
fall = 5
action = "backup"
[checks.port]
type = "tcp"
address = "127.0.0.1"
port = 5432
demote = 20
[checks.page]
type = "http"
url = "https://[2001:db8::1]:8443/health?full"
host = "www.example.com"
verify = false
status = [200, 204]
text = "all is well"
[checks.router]
type = "gateway"
address = "192.168.0.1"
[checks.uplink]
type = "interface"
interface = { web1 = "net1", web2 = "eth1" }
interval = 0.5
[checks.flag]
type = "file"
path = "/etc/carpool/maintenance"
"""

# code, line, key, and how GOOD is spoilt: this text, by that text.
MISTAKES = [
    ("CP101", 24, "checks.port.demot", "demote = 20", "demot = 20"),
    ("CP102", 20, "checks.port.type", 'type = "tcp"\n', ""),
    ("CP102", 20, "checks.port.port", "port = 5432\n", ""),
    ("CP102", 12, "checks.program.command", 'command = ["/opt/check", "--all"]\n', ""),
    ("CP102", 25, "checks.page.url", 'url = "https://[2001:db8::1]:8443/health?full"\n', ""),
    ("CP102", 32, "checks.router.address", 'address = "192.168.0.1"\n', ""),
    ("CP102", 35, "checks.uplink.interface", 'interface = { web1 = "net1", web2 = "eth1" }\n', ""),
    ("CP102", 39, "checks.flag.path", 'path = "/etc/carpool/maintenance"\n', ""),
    ("CP103", 11, "groups.www.checks[6]", '"flag"]', '"flag", 5]'),
    ("CP103", 30, "checks.page.status", "[200, 204]", '"200"'),
    ("CP103", 22, "checks.port.address", '"127.0.0.1"', "127"),
    ("CP122", 14, "checks.program.command", '["/opt/check"', '["check"'),
    ("CP104", 17, "checks.program.rise", "rise = 1", "rise = 0"),
    ("CP104", 18, "checks.program.fall", "fall = 5", "fall = 0"),
    ("CP104", 18, "checks.program.fall", "fall = 5", "fall = 101"),
    ("CP104", 15, "checks.program.interval", "interval = 10", "interval = 0.01"),
    ("CP104", 16, "checks.program.timeout", "timeout = 5", "timeout = 0"),
    ("CP104", 24, "checks.port.demote", "= 20", "= 0"),
    ("CP104", 24, "checks.port.demote", "= 20", "= 255"),
    ("CP104", 23, "checks.port.port", "5432", "65536"),
    ("CP104", 30, "checks.page.status[1]", "204", "100"),
    ("CP106", 22, "checks.port.address", "127.0.0.1", "localhost"),
    ("CP106", 34, "checks.router.address", "192.168.0.1", "192.168.0.1/24"),
    ("CP107", 34, "checks.router.address", "192.168.0.1", "224.0.0.1"),
    ("CP108", 37, "checks.uplink.interface.web2", "eth1", "e/1"),
    ("CP110", 31, "checks.page.text", "all is well", ""),
    ("CP111", 21, "checks.port.type", '"tcp"', '"udp"'),
    ("CP111", 19, "checks.program.action", '"backup"', '"stop"'),
    ("CP112", 30, "checks.page.status", "[200, 204]", "[]"),
    ("CP201", 11, "groups.www.checks[6]", '"flag"]', '"flag", "port"]'),
    ("CP206", 37, "checks.uplink.interface.web3", "web2 = ", "web3 = "),
    ("CP701", 11, "groups.www.checks[6]", '"flag"]', '"flag", "prot"]'),
    ("CP702", 39, "checks.flag", ', "flag"]', "]"),
    ("CP703", 16, "checks.program.timeout", "timeout = 5", "timeout = 10"),
    ("CP703", 24, "checks.port.timeout", "demote = 20", "timeout = 2"),
    ("CP704", 24, "checks.port.url", "demote = 20", 'url = "http://127.0.0.1"'),
    ("CP704", 41, "checks.flag.interface", 'path = "/e', 'interface = "net0"\npath = "/e'),
    ("CP705", 20, "checks.program.demote", 'action = "backup"', 'action = "backup"\ndemote = 1'),
    ("CP705", 41, "checks.flag.text", 'path = "/e', 'text = "x"\nexpect = "absent"\npath = "/e'),
    ("CP705", 29, "checks.page.verify", "https:", "http:"),
    ("CP706", 27, "checks.page.url", "[2001:db8::1]", "localhost"),
    ("CP706", 27, "checks.page.url", "[2001:db8::1]", "2001:db8::1"),
    ("CP706", 27, "checks.page.url", "[2001:db8::1]", "[fe80::1%net0]"),
    ("CP706", 27, "checks.page.url", ":8443", ":0"),
    ("CP706", 27, "checks.page.url", ":8443", ":84430"),
    ("CP706", 27, "checks.page.url", "/health", "/a b"),
    ("CP706", 27, "checks.page.url", "/health", "/\\u00fc"),
    ("CP706", 27, "checks.page.url", "https", "ftp"),
    ("CP706", 27, "checks.page.url", "//[", "//me:sesame@["),
]  # fmt: skip
