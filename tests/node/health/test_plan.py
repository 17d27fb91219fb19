"""Which checks a node runs, and what they look at there."""

from ipaddress import ip_address
from pathlib import Path

from tests.support.cluster_files import cluster_of

from carpool.node.health.plan import plan_checks
from carpool.node.health.settings import Carrier, Command, File, Gateway, Http, Target, Tcp

FILE = """\
[nodes.a]
address = ["10.1.0.1/24", "10.0.0.1/24", "2001:db8::1/64"]
interface = "net0"
[nodes.b]
address = "10.0.0.2/24"
interface = "eth0"
[groups.www]
vhid = 1
addresses = ["10.0.0.100/24"]
password_file = "key"
checks = ["program", "gate", "gate6", "side", "uplink"]
[groups.db]
vhid = 2
addresses = ["10.0.0.101/24"]
password_file = "key"
nodes = ["a"]
checks = ["program", "port", "page", "gone", "there"]
[checks.program]
type = "command"
command = ["/bin/true", "x"]
action = "backup"
[checks.gate]
type = "gateway"
address = "10.0.0.254"
[checks.gate6]
type = "gateway"
address = "fe80::1"
[checks.side]
type = "gateway"
address = "10.9.0.254"
interface = "net9"
[checks.uplink]
type = "interface"
interface = { a = "net1" }
[checks.port]
type = "tcp"
address = "10.0.0.3"
port = 80
[checks.page]
type = "http"
url = "https://10.0.0.3"
status = 404
[checks.gone]
type = "file"
path = "/gone"
[checks.there]
type = "file"
path = "/there"
text = "up"
"""


def targets(folder: Path, name: str) -> dict[str, Target]:
    made = cluster_of(folder, FILE)
    node = made.node(name)
    assert node is not None
    return {check.name: check.target for check in plan_checks(made, node)}


def test_targets(tmp_path: Path) -> None:
    address = ip_address
    assert targets(tmp_path, "a") == {
        "program": Command(("/bin/true", "x")),
        "gate": Gateway(address("10.0.0.254"), "net0", address("10.0.0.1")),
        "gate6": Gateway(address("fe80::1"), "net0", address("2001:db8::1")),
        "side": Gateway(address("10.9.0.254"), "net9", None),
        "uplink": Carrier("net1"),
        "port": Tcp(address("10.0.0.3"), 80),
        "page": Http(address("10.0.0.3"), 443, "/", tls=True, statuses=(404,)),
        "gone": File("/gone", present=False),
        "there": File("/there", present=True, text="up"),
    }


def test_a_node_runs_what_its_own_groups_need(tmp_path: Path) -> None:
    assert targets(tmp_path, "b") == {
        "program": Command(("/bin/true", "x")),
        "gate": Gateway(ip_address("10.0.0.254"), "eth0", ip_address("10.0.0.2")),
        "gate6": Gateway(ip_address("fe80::1"), "eth0", None),
        "side": Gateway(ip_address("10.9.0.254"), "net9", None),
        "uplink": Carrier("eth0"),
    }


def test_a_check_of_two_groups_runs_once(tmp_path: Path) -> None:
    made = cluster_of(tmp_path, FILE)
    program = plan_checks(made, made.nodes[0])[0]
    assert program.groups == ("www", "db")
    assert program.demote is None
    assert plan_checks(made, made.nodes[1])[0].groups == ("www",)
