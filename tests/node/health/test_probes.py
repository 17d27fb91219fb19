"""Probes of every kind against programs, files and servers that are real."""

import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.notify.servers import closed_port
from tests.support.processes import is_alive, open_descriptors
from tests.support.waiting import turn, turn_until

from carpool.node.health import command, http
from carpool.node.health.carrier import CarrierProbe
from carpool.node.health.command import CommandProbe, file_argv
from carpool.node.health.connection import TcpProbe
from carpool.node.health.http import HttpProbe
from carpool.node.health.probe import Probe
from carpool.node.health.settings import File, Http
from carpool.node.host import Interface
from carpool.node.loop import Loop

MS = 1_000_000
LOCAL = ip_address("127.0.0.1")

# Of a www.example.com that signs for itself; for these tests, and good for nothing else.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBhDCCASmgAwIBAgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA93d3cuZXhh
bXBsZS5jb20wIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBoxGDAW
BgNVBAMMD3d3dy5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BLWlYTIXD+3wIYQohj/5Dm1L2NQ85YT+ysatXgGGGBQdac/d0a8VC382gEkegNIU
9aCyZ5PXwjNnQXXLtfqD43mjXjBcMBoGA1UdEQQTMBGCD3d3dy5leGFtcGxlLmNv
bTAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBR1Puvvvjc8+S0l4OndTfH+Xq0q
qDAOBgNVHQ8BAf8EBAMCAoQwCgYIKoZIzj0EAwIDSQAwRgIhAPgBgPHVE27Z+/F5
r/ianRnWMzrcBKNFd5GmftP8rDwBAiEAw3X+BhRrzDig1ln2m5PsgZQI6n/wNC9y
nluvDtXHkZo=
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIrDh2RBPdntrnM9A
boEB18jLduAfZtH9FofRBCDBI0ihRANCAAS1pWEyFw/t8CGEKIY/+Q5tS9jUPOWE
/srGrV4BhhgUHWnP3dGvFQt/NoBJHoDSFPWgsmeT18IzZ0F1y7X6g+N5
-----END PRIVATE KEY-----
"""


def look(loop: Loop, probe: Probe) -> str | None:
    """Start a probe and return what it finds."""
    found: list[str | None] = []
    probe.start(found.append)
    turn_until(loop, lambda: bool(found))
    assert len(found) == 1
    return found[0]


# Programs.


def shell(loop: Loop, script: str) -> CommandProbe:
    return CommandProbe(loop, ("/bin/sh", "-c", script), {"CARPOOL_CHECK": "web"})


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 0", None),
        ("echo words; exit 0", None),
        ('test "$CARPOOL_CHECK" = web', None),
        ("echo; echo no disk; echo more; exit 2", "no disk (exit code 2)"),
        ("echo no disk >&2; exit 2", "no disk (exit code 2)"),
        ("exit 3", "exit code 3 of /bin/sh -c 'exit 3'"),
        ("kill -9 $$", "killed by signal 9 of /bin/sh -c 'kill -9 $$'"),
        ("printf %01000d 7; exit 1", "0" * 200 + " (exit code 1)"),
    ],
)
def test_a_program(loop: Loop, script: str, problem: str | None) -> None:
    probe = shell(loop, script)
    assert look(loop, probe) == problem
    assert look(loop, probe) == problem


def test_a_program_that_cannot_be_started(loop: Loop) -> None:
    missing = CommandProbe(loop, ("/no/such/program",), {})
    assert look(loop, missing) == "cannot run /no/such/program: No such file or directory"
    nul = CommandProbe(loop, ("/bin/true", "\0"), {})
    assert "null" in str(look(loop, nul))


def test_no_descriptor_left_is_a_bad_result(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(command, "spawn", full)
    assert look(loop, shell(loop, "exit 0")) == "cannot run /bin/sh: Too many open files"


def test_a_flood_of_output_is_dropped(loop: Loop) -> None:
    probe = shell(loop, "head -c 30000000 /dev/zero; exit 0")
    assert look(loop, probe) is None
    assert len(probe._output) <= 4096


@pytest.mark.parametrize("end", ["cancel", "exit", "close"])
def test_what_a_program_started_ends_with_it(loop: Loop, tmp_path: Path, end: str) -> None:
    told = tmp_path / "pids"
    last = "exit 0" if end == "exit" else "wait"
    probe = shell(
        loop, f"sleep 60 & trap '' TERM; echo $! $$ > {told}.new; mv {told}.new {told}; {last}"
    )
    found: list[str | None] = []
    probe.start(found.append)
    turn_until(loop, told.exists)
    pids = [int(word) for word in told.read_text().split()]
    if end == "exit":
        turn_until(loop, lambda: bool(found))
        assert found == [None]
    else:
        (probe.cancel if end == "cancel" else probe.close)()
    turn_until(loop, lambda: not any(map(is_alive, pids)))
    assert found == ([None] if end == "exit" else [])
    turn_until(loop, lambda: probe.pid is None)
    assert look(loop, shell(loop, "exit 0")) is None


def test_a_program_that_cannot_be_killed_is_not_started_again(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    real = os.killpg
    monkeypatch.setattr(os, "killpg", lambda pid, _signal: killed.append(pid))
    probe = shell(loop, "exec sleep 60")
    probe.start(lambda _problem: None)
    probe.cancel()
    [pid] = killed
    assert look(loop, probe) == f"process {pid} of an earlier check cannot be killed"
    real(pid, signal.SIGKILL)
    turn_until(loop, lambda: probe.pid is None)


# Files.


@pytest.mark.parametrize(
    ("content", "present", "text", "problem"),
    [
        (None, False, None, None),
        ("", False, None, "{} exists (exit code 1)"),
        ("", True, None, None),
        (None, True, None, "ls: *{}*No such file or directory (exit code *)"),
        ("state=up\n", True, "=up", None),
        ("state=down\n", True, "=up", "{} does not contain the text (exit code 1)"),
        ("a*b", True, "a*b", None),
        ("axb", True, "a*b", "{} does not contain the text (exit code 1)"),
        (None, True, "=up", "ls: *{}*No such file or directory (exit code *)"),
    ],
)
def test_a_file(
    loop: Loop,
    tmp_path: Path,
    content: str | None,
    present: bool,
    text: str | None,
    problem: str | None,
) -> None:
    path = tmp_path / "-two words;$(exit)"
    if content is not None:
        path.write_text(content)
    probe = CommandProbe(loop, file_argv(File(str(path), present, text)), {})
    found = look(loop, probe)
    if problem is None:
        assert found is None
    else:
        assert found is not None
        for part in problem.format(path).split("*"):
            assert part in found


def test_a_file_that_never_answers_can_be_given_up(loop: Loop, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    probe = CommandProbe(loop, file_argv(File(str(pipe), present=True, text="up")), {})
    found: list[str | None] = []
    probe.start(found.append)
    turn(loop, 100 * MS)
    assert found == []
    probe.cancel()
    turn_until(loop, lambda: probe.pid is None)
    assert found == []


def test_a_link_to_nowhere_is_there(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "link"
    path.symlink_to("nowhere")
    probe = CommandProbe(loop, file_argv(File(str(path), present=False)), {})
    assert look(loop, probe) == f"{path} exists (exit code 1)"


def test_a_file_below_a_file_is_absent(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "below"
    assert look(loop, CommandProbe(loop, file_argv(File(str(path), present=False)), {})) is None


# Interfaces.


def test_a_carrier(loop: Loop) -> None:
    there = {
        "up": Interface("up", 1, bytes(6), carrier=True),
        "down": Interface("down", 2, bytes(6), carrier=False),
    }
    assert look(loop, CarrierProbe(there.get, "up")) is None
    assert look(loop, CarrierProbe(there.get, "down")) == "down has no carrier"
    assert look(loop, CarrierProbe(there.get, "gone")) == "there is no interface gone"


# TCP.


@contextmanager
def server(*answers: bytes, tls: bool = False, tmp_path: Path | None = None) -> Iterator[int]:
    """Serve each connection: wait for a request, answer in pieces, hang up. Yield the port."""
    context = None
    if tls:
        assert tmp_path is not None
        (tmp_path / "both.pem").write_text(CERTIFICATE)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "both.pem")
    requests.clear()

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with suppress(OSError), client:
                    talk(client)

    def talk(client: socket.socket) -> None:
        client.settimeout(5)
        if context is not None:
            client = context.wrap_socket(client, server_side=True)
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            more = client.recv(65536)
            if not more:
                return
            data += more
        requests.append(data)
        for answer in answers:
            client.sendall(answer)
            time.sleep(0.01)
        client.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


requests: list[bytes] = []


def test_a_port_that_listens_and_one_that_does_not(loop: Loop) -> None:
    with server() as port:
        probe = TcpProbe(loop, LOCAL, port)
        assert look(loop, probe) is None
        assert look(loop, probe) is None
    assert look(loop, probe) == "Connection refused"


def test_an_address_without_a_way_there(loop: Loop) -> None:
    # Broadcast: TCP does not even try.
    probe = TcpProbe(loop, ip_address("255.255.255.255"), 9)
    assert look(loop, probe) == "Network is unreachable"


def test_a_port_that_connects_to_itself_does_not_count(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server() as port:
        monkeypatch.setattr(socket.socket, "getsockname", lambda _self: ("127.0.0.1", port))
        assert look(loop, TcpProbe(loop, LOCAL, port)) == "nothing listens there"
        monkeypatch.undo()


def test_a_given_up_connection_leaves_nothing(loop: Loop) -> None:
    found: list[str | None] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        probe = TcpProbe(loop, LOCAL, listener.getsockname()[1])
        probe.start(found.append)
        before = open_descriptors()
        probe.cancel()
        probe.cancel()
        assert open_descriptors() == before - 1
    turn(loop, 5 * MS)
    assert found == []


# HTTP.


def test_a_page(loop: Loop) -> None:
    with server(b"HTTP/1.1 200 OK\r\n", b"\r\n", b"all is", b" well") as port:
        plain = Http(LOCAL, port, "/health?x=1")
        assert look(loop, HttpProbe(loop, plain)) is None
        [request] = requests
        assert request.startswith(b"GET /health?x=1 HTTP/1.1\r\n")
        assert f"\r\nHost: 127.0.0.1:{port}\r\n".encode() in request
        with_text = Http(LOCAL, port, "/", host="www.example.com", text="is well")
        assert look(loop, HttpProbe(loop, with_text)) is None
        assert f"\r\nHost: www.example.com:{port}\r\n".encode() in requests[-1]
        other = Http(LOCAL, port, "/", text="is ill")
        assert look(loop, HttpProbe(loop, other)) == "the answer does not contain the text"
        accepted = Http(LOCAL, port, "/", statuses=(204, 404))
        assert look(loop, HttpProbe(loop, accepted)) == "status 200"


def test_a_server_that_is_down_or_hangs_up(loop: Loop) -> None:
    with closed_port() as port:
        assert look(loop, HttpProbe(loop, Http(LOCAL, port, "/"))) == "Connection refused"
    with server() as port:
        assert look(loop, HttpProbe(loop, Http(LOCAL, port, "/"))) == "no answer"


def test_a_server_that_floods_is_cut_short(loop: Loop) -> None:
    with server(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65536] * 100) as port:
        probe = HttpProbe(loop, Http(LOCAL, port, "/", text="never"))
        assert look(loop, probe) == "the answer does not contain the text"


@pytest.fixture
def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make this host trust www.example.com."""
    authorities = tmp_path / "ca.pem"
    authorities.write_text(CERTIFICATE.partition("-----BEGIN PRIVATE")[0])
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    http._context.cache_clear()
    yield
    http._context.cache_clear()


def tls(port: int, *, host: str | None = None, verify: bool = True) -> Http:
    return Http(LOCAL, port, "/", tls=True, host=host, verify=verify, text="well")


@pytest.mark.usefixtures("trusting")
def test_a_page_over_tls(loop: Loop, tmp_path: Path) -> None:
    with server(b"HTTP/1.1 200 OK\r\n\r\nall is well", tls=True, tmp_path=tmp_path) as port:
        assert look(loop, HttpProbe(loop, tls(port, host="www.example.com"))) is None
        wrong = look(loop, HttpProbe(loop, tls(port, host="db.example.com")))
        assert wrong is not None
        assert wrong.startswith("TLS: Hostname mismatch")
        unnamed = look(loop, HttpProbe(loop, tls(port)))
        assert unnamed is not None
        assert unnamed.startswith("TLS: IP address mismatch")
        assert look(loop, HttpProbe(loop, tls(port, verify=False))) is None


def test_a_certificate_that_nobody_vouches_for(loop: Loop, tmp_path: Path) -> None:
    http._context.cache_clear()
    with server(b"HTTP/1.1 200 OK\r\n\r\nall is well", tls=True, tmp_path=tmp_path) as port:
        problem = look(loop, HttpProbe(loop, tls(port, host="www.example.com")))
        assert str(problem).startswith("TLS: self")  # signed


def test_tls_to_a_server_without_it(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        probe = HttpProbe(loop, tls(listener.getsockname()[1], verify=False))
        assert str(look(loop, probe)).startswith("TLS: ")
        thread.join()


def test_a_server_that_says_nothing_can_be_given_up(loop: Loop) -> None:
    found: list[str | None] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for encrypted in (False, True):
            port = listener.getsockname()[1]
            probe = HttpProbe(loop, Http(LOCAL, port, "/", tls=encrypted, verify=False))
            before = open_descriptors()
            probe.start(found.append)
            turn(loop, 20 * MS)
            probe.close()
            assert open_descriptors() == before
    assert found == []
