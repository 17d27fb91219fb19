"""What of a cluster file reaches the daemon."""

from ipaddress import ip_address
from pathlib import Path

from tests.support.cluster_files import cluster_at

from carpool.node.plan import plan

FILE = """\
[nodes.a]
address = "192.0.2.1/24"
interface = "net0"
[nodes.b]
address = ["192.0.2.2/24", "2001:db8::2/64"]
interface = "net0"
[nodes.c]
address = "192.0.2.3/24"
interface = "net0"
[groups.two]
vhid = 1
addresses = ["192.0.2.100/24"]
password_file = "key"
nodes = ["a", "b"]
[groups.all]
vhid = 2
addresses = ["192.0.2.101/24"]
password_file = "key"
"""


def test_the_neighbours_are_the_other_nodes_of_the_group(tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text("0123456789abcdef\n")
    file = tmp_path / "cluster.toml"
    file.write_text(FILE)
    cluster = cluster_at(file, secrets=True)
    two, everyone = plan(cluster, cluster.nodes[0])
    b = (ip_address("192.0.2.2"), ip_address("2001:db8::2"))
    assert two.neighbours == b
    assert everyone.neighbours == (*b, ip_address("192.0.2.3"))


def test_where_a_node_speaks_from_another_interface_nobody_knows_its_address(
    tmp_path: Path,
) -> None:
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text("0123456789abcdef\n")
    file = tmp_path / "cluster.toml"
    file.write_text(FILE.replace("vhid = 2", 'vhid = 2\ninterface = { c = "net1" }'))
    cluster = cluster_at(file, secrets=True)
    two, everyone = plan(cluster, cluster.nodes[0])
    assert two.neighbours
    assert everyone.neighbours == ()
