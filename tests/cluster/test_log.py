"""The table [log] of a cluster file."""

from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path

import pytest

from carpool.cluster import log_schema
from carpool.cluster.load import load
from carpool.cluster.log_schema import LOG
from carpool.cluster.model import Cluster, Logging, LogServer
from carpool.node.log import FACILITIES, Level
from carpool.smartos.config import config

FILE = """\
[nodes.a]
address = "10.0.0.1/24"
interface = "net0"
[groups.www]
vhid = 1
addresses = ["10.0.0.200/24"]
password_file = "www.key"
"""


def loaded(tmp_path: Path, text: str) -> Cluster:
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    found = load(path, secrets=False)
    assert found.findings == ()
    assert found.cluster is not None
    return found.cluster


def test_the_model_has_the_keys_and_their_defaults() -> None:
    assert [field.name for field in fields(Logging)] == [field.name for field in LOG.fields]
    for field in LOG.fields:
        assert getattr(Logging(), field.name) == field.default


def test_the_words_are_those_of_the_daemon() -> None:
    assert set(log_schema.FACILITIES) == set(FACILITIES)
    assert [level.name.lower() for level in Level] == list(log_schema.LEVELS)


def test_a_file_without_the_table(tmp_path: Path) -> None:
    assert loaded(tmp_path, FILE).log is None
    assert loaded(tmp_path, f"{FILE}[log]\n").log == Logging()


@pytest.mark.parametrize(
    ("text", "server", "written"),
    [
        ("udp://192.0.2.1", ("udp", "192.0.2.1", 514), "udp://192.0.2.1:514"),
        ("tcp://192.0.2.1", ("tcp", "192.0.2.1", 601), "tcp://192.0.2.1:601"),
        ("tcp://[2001:db8::1]:6514", ("tcp", "2001:db8::1", 6514), "tcp://[2001:db8::1]:6514"),
    ],
)
def test_servers(tmp_path: Path, text: str, server: tuple[str, str, int], written: str) -> None:
    log = loaded(tmp_path, f'{FILE}[log]\nserver = "{text}"\nfacility = "local3"\n').log
    assert log is not None
    transport, address, port = server
    assert log.server == LogServer(transport, ip_address(address), port)  # type: ignore[arg-type]
    assert str(log.server) == written


@pytest.mark.parametrize(
    "keys",
    [
        "",
        'format = "json"\nlevel = "warning"',
        'format = "syslog"\nfacility = "local3"',
        'format = "rfc5424"\nfacility = "local3"\nenterprise = 12345',
        'server = "udp://192.0.2.1"\nfacility = "local3"\nenterprise = 12345',
    ],
)
def test_the_file_of_one_node_says_the_same(tmp_path: Path, keys: str) -> None:
    cluster = loaded(tmp_path, f"{FILE}[log]\n{keys}\n")
    assert loaded(tmp_path, config(cluster, cluster.nodes[0])).log == cluster.log
