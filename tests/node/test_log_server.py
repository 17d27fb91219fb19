"""Log servers that read, stall, hang up and are not there: no line is waited for."""

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import cast

import pytest
from tests.support.rfc5424 import read
from tests.support.waiting import turn_until

from carpool.node.log import About, Level, Log, StreamSink
from carpool.node.log_lines import Rfc5424
from carpool.node.log_server import MOST_WAITING, TcpSink, UdpSink
from carpool.node.loop import Loop

LOCALHOST = ip_address("127.0.0.1")
MESSAGE = Rfc5424("carpool", "web1")


class Server:
    """A log server on TCP."""

    def __init__(self, port: int = 0) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.setblocking(False)
        self.port: int = self.listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.received = b""

    def take(self, *, accept: bool = True) -> bool:
        """Take whatever has come. Tell whether it did."""
        try:
            while accept:
                connection, _ = self.listener.accept()
                connection.setblocking(False)
                self.connections.append(connection)
        except BlockingIOError:
            pass
        before = len(self.received)
        for connection in self.connections:
            try:
                while data := connection.recv(65536):
                    self.received += data
            except BlockingIOError:
                continue
        return len(self.received) > before

    def texts(self) -> list[str]:
        """Return the texts of the messages so far, by octet counting (RFC 6587, 3.4.1)."""
        self.take()
        texts, rest = [], self.received
        while rest:
            length, blank, rest = rest.partition(b" ")
            if not blank or len(rest) < int(length):
                break
            assert not length.startswith(b"0")
            texts.append(read(rest[: int(length)]).text)
            rest = rest[int(length) :]
        return texts

    def hang_up(self) -> None:
        for connection in self.connections:
            connection.close()
        self.connections.clear()
        self.received = b""

    def close(self) -> None:
        self.hang_up()
        self.listener.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def sink(server: Server, loop: Loop) -> Iterator[TcpSink]:
    made = TcpSink(LOCALHOST, server.port, MESSAGE, loop)
    yield made
    made.close()


def test_datagrams() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        sink = UdpSink(LOCALHOST, server.getsockname()[1], MESSAGE)
        log = Log(sink)
        log.happened("link", Level.NOTICE, "net0: link down", group="www")
        found = read(server.recv(4096))
        assert (found.msgid, found.text) == ("link", "net0: link down")
        assert found.elements["carpool@32473"]["group"] == "www"
        log.reopen()
        log.error("in a child")
        assert read(server.recv(4096)).text == "in a child"
        sink.close()


def test_a_network_that_is_not_there_loses_datagrams_and_says_so() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        sink = UdpSink(LOCALHOST, server.getsockname()[1], MESSAGE)
        there, sink._to = sink._to, ("255.255.255.255", 1)  # forbidden without SO_BROADCAST
        sink.write(Level.INFO, "lost")
        assert sink.dropped == 1
        sink._to = there
        sink.write(Level.INFO, "back")
        texts = [read(server.recv(4096)).text for _ in range(2)]
        assert texts == ["1 log lines were lost here", "back"]
        sink.close()


def test_a_host_without_that_family_loses_datagrams_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refused)
    sink = UdpSink(ip_address("::1"), 514, MESSAGE)
    sink.write(Level.INFO, "lost")
    assert sink.dropped == 1
    sink.reopen()
    sink.close()


def test_a_stream(server: Server, sink: TcpSink, loop: Loop) -> None:
    sink.write(Level.INFO, "first: é", About("state", "www", {}, 1))
    sink.write(Level.INFO, "second")
    turn_until(loop, lambda: len(server.texts()) == 2)
    sink.write(Level.INFO, "third")
    turn_until(loop, lambda: server.texts() == ["first: é", "second", "third"])
    assert len(server.connections) == 1
    assert sink.dropped == 0


def test_a_server_that_hangs_up_gets_the_next_line_on_a_new_connection(
    server: Server, sink: TcpSink, loop: Loop
) -> None:
    sink.write(Level.INFO, "first")
    turn_until(loop, lambda: server.texts() == ["first"])
    server.hang_up()
    turn_until(loop, lambda: sink._socket is None)
    sink.write(Level.INFO, "second")
    turn_until(loop, lambda: server.texts() == ["second"])


def test_a_server_that_comes_late_gets_what_waits(loop: Loop) -> None:
    there = Server()
    there.close()
    sink = TcpSink(LOCALHOST, there.port, MESSAGE, loop)
    for number in range(3):
        sink.write(Level.INFO, f"line {number}")
    turn_until(loop, lambda: sink._retry.when is not None)
    late = Server(there.port)
    turn_until(loop, lambda: late.texts() == ["line 0", "line 1", "line 2"])
    sink.close()
    late.close()


def test_a_server_that_stalls_is_not_waited_for(server: Server, sink: TcpSink, loop: Loop) -> None:
    sink.write(Level.INFO, "first")
    turn_until(loop, lambda: server.texts() == ["first"])
    took = 0.0
    while not sink.dropped:  # until the buffers of the kernel are full, and ours
        began = time.monotonic()
        for _ in range(100):
            sink.write(Level.INFO, "x" * 1500)
        took = max(took, time.monotonic() - began)
    assert took < 5
    assert sink._waiting_bytes <= MOST_WAITING + 2048
    sink.write(Level.INFO, "lost as well")
    lost = sink.dropped

    def has_all_that_was_taken() -> bool:
        server.take()
        return sink._waiting_bytes == 0

    turn_until(loop, has_all_that_was_taken)
    sink.write(Level.INFO, "back")
    turn_until(loop, lambda: server.texts()[-2:] == [f"{lost} log lines were lost here", "back"])


def test_half_a_message_is_sent_anew_on_the_next_connection(
    server: Server, sink: TcpSink, loop: Loop
) -> None:
    sink.write(Level.INFO, "first")
    turn_until(loop, lambda: server.texts() == ["first"])

    def drained() -> bool:
        server.take()
        return not sink._waiting

    while not sink._sent:
        sink.write(Level.INFO, "x" * 1500)
        if sink._waiting and not sink._sent:  # by chance it took whole messages only
            turn_until(loop, drained)
    waiting = len(sink._waiting)
    server.hang_up()
    turn_until(loop, lambda: len(server.texts()) >= waiting)
    assert set(server.texts()) == {"x" * 1500}


def test_what_waits_at_a_restart_is_sent_by_the_new_program(loop: Loop) -> None:
    there = Server()
    there.close()
    old = Log(TcpSink(LOCALHOST, there.port, MESSAGE, loop))
    old.info("first: é")
    old.info("second")
    turn_until(loop, lambda: cast("TcpSink", old.sinks[0])._retry.when is not None)
    left = json.loads(json.dumps(old.leave()))
    cast("TcpSink", old.sinks[0]).close()

    late = Server(there.port)
    sink = TcpSink(LOCALHOST, late.port, MESSAGE, loop)
    new = Log(StreamSink(2), sink)
    new.restore(left)
    new.info("third")
    turn_until(loop, lambda: late.texts() == ["first: é", "second", "third"])
    assert (new.leave(), sink._waiting_bytes) == ([], 0)
    sink.close()
    late.close()


def test_a_child_says_nothing_on_its_parents_connection(
    server: Server, sink: TcpSink, loop: Loop
) -> None:
    sink.write(Level.INFO, "first")
    turn_until(loop, lambda: server.texts() == ["first"])
    parents = sink._socket
    assert parents is not None
    number = parents.fileno()
    Log(sink).reopen()
    sink.write(Level.INFO, "from the child")
    assert sink.dropped == 1
    assert parents.fileno() == -1, "the number may be another's by now: it is not to be closed"
    assert sink._socket is None
    loop.unwatch(number)
    os.close(number)
