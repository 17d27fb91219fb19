"""A daemon that logs JSON on its host and messages to a log server on the network."""

import json
import socket
from pathlib import Path

import pytest
from tests.support.lan import PASSWORD, carpool
from tests.support.pair import Pair
from tests.support.rfc5424 import Read, read

pytestmark = pytest.mark.namespaces


def receive(server: socket.socket) -> bytes:
    """Return all that one connection brings until it ends."""
    connection, _ = server.accept()
    connection.settimeout(20)
    received = b""
    while data := connection.recv(65536):
        received += data
    connection.close()
    return received


def messages(stream: bytes) -> list[Read]:
    found = []
    while stream:
        length, _, stream = stream.partition(b" ")
        found.append(read(stream[: int(length)]))
        stream = stream[int(length) :]
    return found


def test_every_line_is_json_here_and_a_message_at_the_log_server(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        with lan.client.namespace.entered():
            server = socket.create_server(("10.0.9.9", 0))
        server.settimeout(20)
        file = lan.file()
        port = server.getsockname()[1]
        file.write_text(
            f'{file.read_text()}[log]\nserver = "tcp://10.0.9.9:{port}"\nfacility = "local3"\n'
        )
        left = lan.run(lan.left, file, "--log", "json")
        lan.until_holders("left")
        asked = ("restart", "--node", "left", "--run-dir", str(lan.run_directory))
        restart = lan.start(lan.left, carpool(*asked, "--force"))
        lan.until(lambda: restart.process.poll() is not None)
        assert restart.process.returncode == 0, restart.text()
        before = messages(receive(server))
        lan.until_logged(left, "restarted")
        assert left.stop() == 0
        after = messages(receive(server))
        server.close()
        text = left.text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["node"] for line in lines} == {"left"}
    states = [line for line in lines if line.get("kind") == "state"]
    assert [line["details"]["to"] for line in states[:2]] == ["BACKUP", "MASTER"]
    assert states[1]["group"] == "www"
    assert "no master heard" in states[1]["details"]["cause"]
    # The same lines, in the same order, on one connection for each program.
    assert [one.text for one in (*before, *after)] == [line["text"] for line in lines]
    assert {one.facility for one in (*before, *after)} == {19}
    sent = [one.elements["carpool@32473"] for one in before if one.msgid == "state"]
    assert [one["group"] for one in sent] == ["www"] * len(sent)
    assert [int(one["seq"]) for one in sent[:2]] == [line["seq"] for line in states[:2]]
    assert PASSWORD not in text
