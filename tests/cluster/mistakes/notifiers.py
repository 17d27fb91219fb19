"""Notifiers and services without a mistake, and every mistake that can be made in them."""

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
services = ["apache2", "svc:/network/dns/client:default", "/etc/init.d/app"]
service_demote = 20
service_timeout = 30
[groups.db]
vhid = 43
addresses = ["192.168.0.210/24"]
password_file = "www.key"
[notify.ops]
type = "mail"
server = "mail.example.com"
security = "tls"
to = ["ops@example.com", "boss@example.com"]
from = "carpool@example.com"
user = "carpool"
secret_file = "mail.key"
on = ["master", "conflict"]
groups = ["www"]
timeout = 20
retries = 0
every = 600
[notify.chat]
type = "webhook"
url = "https://chat.example.com:8443/hooks?room=1"
headers = { X-Team = "web" }
secret_file = "chat.key"
secret_header = "Authorization"
ca_file = "/etc/ssl/ca.pem"
[notify.nagios]
type = "nrdp"
url = "https://192.0.2.7/nrdp/"
secret_file = "nrdp.key"
verify = false
host = { web1 = "web1.example.com", web2 = "web2" }
service = "CARP {group}"
[notify.local]
type = "nagios"
path = "/var/lib/nagios4/rw/nagios.cmd"
"""

NRDP = 'url = "https://192.0.2.7/nrdp/"\nsecret_file = "nrdp.key"\nverify = false\n'

# code, line, key, and how GOOD is spoilt: this text, by that text.
MISTAKES = [
    ("CP101", 30, "notify.ops.evrey", "every = 600", "evrey = 600"),
    ("CP102", 18, "notify.ops.type", 'type = "mail"\n', ""),
    ("CP102", 18, "notify.ops.server", 'server = "mail.example.com"\n', ""),
    ("CP102", 31, "notify.chat.url", 'url = "https://chat.example.com:8443/hooks?room=1"\n', ""),
    ("CP102", 38, "notify.nagios.secret_file", 'secret_file = "nrdp.key"\n', ""),
    ("CP102", 45, "notify.local.path", 'path = "/var/lib/nagios4/rw/nagios.cmd"\n', ""),
    ("CP103", 22, "notify.ops.to[1]", '"boss@example.com"', "1"),
    ("CP103", 34, "notify.chat.headers", '{ X-Team = "web" }', '"X-Team: web"'),
    ("CP103", 11, "groups.www.services[1]", '"svc:/network/dns/client:default"', "7"),
    ("CP104", 28, "notify.ops.timeout", "timeout = 20", "timeout = 0"),
    ("CP104", 29, "notify.ops.retries", "retries = 0", "retries = 101"),
    ("CP104", 12, "groups.www.service_demote", "demote = 20", "demote = 255"),
    ("CP110", 34, "notify.chat.headers.X-Team", '"web"', '"a\\nb"'),
    ("CP110", 36, "notify.chat.secret_header", "Authorization", "Author ization"),
    ("CP110", 44, "notify.nagios.service", "CARP {group}", "CARP; {group}"),
    ("CP110", 43, "notify.nagios.host.web2", '"web2"', '"we=b2"'),
    ("CP110", 24, "notify.ops.user", 'user = "carpool"', 'user = "jürgen"'),
    ("CP111", 19, "notify.ops.type", '"mail"', '"email"'),
    ("CP111", 26, "notify.ops.on[1]", '"conflict"', '"conflicts"'),
    ("CP111", 21, "notify.ops.security", 'security = "tls"', 'security = "ssl"'),
    ("CP112", 26, "notify.ops.on", '["master", "conflict"]', "[]"),
    ("CP112", 27, "notify.ops.groups", '["www"]\ntimeout', "[]\ntimeout"),
    ("CP112", 22, "notify.ops.to", '["ops@example.com", "boss@example.com"]', "[]"),
    ("CP115", 20, "notify.ops.server", "mail.example.com", "mail.example.com:25"),
    ("CP201", 27, "notify.ops.groups[1]", '["www"]\ntimeout', '["www", "www"]\ntimeout'),
    ("CP201", 11, "groups.www.services[3]", '.d/app"]', '.d/app", "apache2"]'),
    ("CP206", 43, "notify.nagios.host.web3", "web2 = ", "web3 = "),
    ("CP801", 27, "notify.ops.groups[0]", '["www"]\ntimeout', '["wwww"]\ntimeout'),
    ("CP802", 28, "notify.ops.url", "timeout = 20", 'url = "http://127.0.0.1/"'),
    ("CP802", 47, "notify.local.secret_file", 'path = "/v', 'secret_file = "x"\npath = "/v'),
    ("CP803", 24, "notify.ops.user", 'secret_file = "mail.key"\n', ""),
    ("CP803", 24, "notify.ops.secret_file", 'user = "carpool"\n', ""),
    ("CP803", 35, "notify.chat.secret_header", 'secret_file = "chat.key"\n', ""),
    ("CP803", 37, "notify.chat.ca_file", "https://chat.example.com", "http://127.0.0.1"),
    ("CP804", 21, "notify.ops.security", 'security = "tls"', 'security = "none"'),
    ("CP804", 40, "notify.nagios.url", NRDP, NRDP.replace("https", "http")[:-15]),
    ("CP805", 34, "notify.chat.headers.X-Api-Key", "X-Team", "X-Api-Key"),
    ("CP806", 22, "notify.ops.to[0]", '"ops@example.com"', '"Ops <ops@example.com>"'),
    ("CP807", 33, "notify.chat.url", "chat.example.com", "me:sesame@chat.example.com"),
    ("CP807", 33, "notify.chat.url", ":8443", ":84430"),
    ("CP807", 33, "notify.chat.url", "https://chat", "ftp://chat"),
    ("CP807", 33, "notify.chat.url", "/hooks", "/ho oks"),
    ("CP808", 11, "groups.www.services[0]", '"apache2"', '"-apache2"'),
    ("CP808", 11, "groups.www.services[0]", '"apache2"', '"apache2 --now"'),
    ("CP808", 11, "groups.www.services[2]", '"/etc/init.d/app"', '"../app"'),
    ("CP810", 18, "groups.db.service_demote", "[notify.ops]", "service_demote = 1\n[notify.ops]"),
]  # fmt: skip
