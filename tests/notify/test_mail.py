"""Mail, handed over to a real SMTP server."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tests.notify.servers import (
    PASSWORD,
    USER,
    closed_port,
    mail_server,
    make_certificates,
    odd_server,
    text_of,
)
from tests.notify.support import job, notice, run

from carpool.notify.job import DELIVERED, FAILED, REFUSED, Job

# The mail server says so of TLS from the start, which it does not know of.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

TO = ["ops@example.com", "boss@example.com"]


def mail(port: int, security: str = "none", *notices: Any, **keys: Any) -> Job:
    secret, timeout = keys.pop("secret", None), keys.pop("timeout", 30)
    given = {"server": "localhost", "port": port, "security": security, "to": TO, **keys}
    return job("mail", *notices, secret=secret, timeout=timeout, **given)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_arrives_over_tls_and_with_a_login(tmp_path: Path, security: str) -> None:
    made = make_certificates(tmp_path)
    with mail_server(security, made.server) as server:
        wanted = mail(server.port, security, user=USER, secret=PASSWORD, ca_file=str(made.ca_file))
        assert run(wanted) == (DELIVERED, "localhost takes it to ops@example.com, boss@example.com")
    (got,) = server.mails
    assert got["Subject"] == "[carpool] www: web2 is MASTER now (192.168.0.200)"
    assert got["From"] == "carpool on web2 <carpool@web2.example.com>"
    assert got["To"] == "ops@example.com, boss@example.com"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Message-ID"].endswith("@web2.example.com>")
    text = text_of(got)
    assert text == (
        "web2 holds the addresses of group www: it is MASTER since 2026-01-02 03:04:05 UTC.\n"
        "Addresses:  192.168.0.200/24\n"
        "Why:        no master heard for 3.078 s\n"
        "Before:     192.168.0.201 [web1] was master, web2 was BACKUP\n"
        "Where:      net0, vhid 42\n"
        "\n"
        "carpool status, on web2, tells how it is now.\n"
    )


def test_a_mail_without_security_to_a_server_that_trusts_this_host() -> None:
    with mail_server("none", login=False) as server:
        wanted = mail(server.port, "none", notice(more=12), **{"from": "ha@example.com"})
        assert run(wanted)[0] == DELIVERED
    assert "ha@example.com" in server.mails[0]["From"]
    text = text_of(server.mails[0])
    assert "There were 12 more changes of www just before" in text


@pytest.mark.parametrize(
    ("security", "name", "keys", "code", "said"),
    [
        ("starttls", "localhost", {"secret": "wrong"}, REFUSED, "user or password is refused: 535"),
        ("tls", "other.example.com", {}, REFUSED, "its certificate is not valid: Hostname mism"),
        ("starttls", "localhost", {"ca_file": None}, REFUSED, "its certificate is not valid: "),
        ("tls", "localhost", {"ca_file": "/nowhere.pem"}, REFUSED, "ca_file /nowhere.pem: No such"),
        ("tls", "localhost", {"server": "127.0.0.2"}, REFUSED, "its certificate is not valid: IP"),
    ],
)  # fmt: skip
def test_what_a_server_has_against_it_is_told(
    tmp_path: Path, security: str, name: str, keys: dict[str, Any], code: int, said: str
) -> None:
    made = make_certificates(tmp_path, name)
    with mail_server(security, made.server) as server:
        if keys.get("server") == "127.0.0.2":
            keys = {"server": "127.0.0.1"}
        given = {"user": USER, "secret": PASSWORD, "ca_file": str(made.ca_file), **keys}
        got = run(mail(server.port, security, **given))
    assert got[0] == code
    assert got[1].startswith(said)
    assert server.mails == []


def test_a_certificate_that_need_not_be_valid(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, "other.example.com")
    with mail_server("tls", made.server) as server:
        wanted = mail(server.port, "tls", user=USER, secret=PASSWORD, verify=False)
        assert run(wanted)[0] == DELIVERED


def test_a_server_without_starttls_gets_no_password() -> None:
    with mail_server("none") as server:
        code, said = run(mail(server.port, "starttls", user=USER, secret=PASSWORD))
    assert code == REFUSED
    assert said.startswith("the server offers no STARTTLS")


def test_a_server_that_is_not_there() -> None:
    with closed_port() as port:
        assert run(mail(port)) == (FAILED, "Connection refused")


def test_a_name_that_cannot_be_looked_up() -> None:
    code, said = run(mail(25, server="mail.invalid"))
    assert code == FAILED
    assert said.startswith("the name cannot be looked up: ")


def hang(connection: socket.socket) -> None:
    time.sleep(30)


def dribble(connection: socket.socket) -> None:
    """Say good day for ever, a byte at a time: no single wait is long."""
    while True:
        connection.send(b"2")
        time.sleep(0.05)


def greet(connection: socket.socket) -> None:
    connection.sendall(b"220 mail\r\n")
    hang(connection)


def hang_up(connection: socket.socket) -> None:
    connection.close()


@pytest.mark.parametrize("speak", [hang, dribble])
def test_a_server_that_takes_too_long(speak: Any) -> None:
    with odd_server(speak) as port:
        start = time.monotonic()
        code, said = run(mail(port, timeout=2))
        assert time.monotonic() - start < 15
    assert (code, said) == (
        FAILED,
        f"not done after 2 s, while connecting to localhost port {port}",
    )


def test_a_server_that_hangs_up_or_speaks_no_tls() -> None:
    with odd_server(hang_up) as port:
        code, said = run(mail(port))
        assert (code, said) == (FAILED, "the server has hung up")
    with odd_server(greet) as port:
        code, said = run(mail(port, "tls"))
    assert code == FAILED
    assert said.startswith("TLS: ")


def test_a_server_that_refuses_the_recipient() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"220 hello\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                refused = line.upper().startswith(b"RCPT")
                connection.sendall(b"550 no such user\r\n" if refused else b"250 ok\r\n")

    with odd_server(speak) as port:
        code, said = run(mail(port))
    assert (code, said) == (REFUSED, "ops@example.com is refused: 550 no such user")
