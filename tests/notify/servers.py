"""Real servers on this machine for notifiers to talk to: mail, web, NRDP, and broken ones."""

from __future__ import annotations

import asyncio
import hmac
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import trustme
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD, TOKEN = "carpool", "open-sesame-1234", "nrdp-token-5678"


@dataclass
class Certificates:
    """A certification authority of our own, and a server's certificate for localhost."""

    ca_file: Path
    server: ssl.SSLContext


def make_certificates(folder: Path, name: str = "localhost") -> Certificates:
    ca = trustme.CA()
    ca_file = folder / f"ca-{name}.pem"
    ca.cert_pem.write_to_path(str(ca_file))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(server)
    return Certificates(ca_file, server)


class _Keeps(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)


@dataclass
class MailServer:
    """What a mail server has taken, and where it listens."""

    port: int
    mails: list[Message]


@contextmanager
def mail_server(
    security: str,
    server: ssl.SSLContext | None = None,
    *,
    login: bool = True,
    host: str = "127.0.0.1",
) -> Iterator[MailServer]:
    """Run a mail server that wants a login; `security` as in a cluster file."""

    def authenticate(
        _server: SMTP, _session: object, _envelope: object, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    handler = _Keeps()

    def connected() -> SMTP:
        return SMTP(
            handler,
            hostname="mail.example.com",
            tls_context=server if security == "starttls" else None,
            require_starttls=security == "starttls",
            auth_required=login,
            auth_require_tls=security == "starttls",
            authenticator=authenticate,
        )

    loop = asyncio.new_event_loop()
    tls = server if security == "tls" else None
    listening = loop.run_until_complete(loop.create_server(connected, host, 0, ssl=tls))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield MailServer(listening.sockets[0].getsockname()[1], handler.mails)
    finally:
        listening.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def text_of(mail: Message) -> str:
    """Return the text of a mail in one part."""
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


@dataclass
class Request:
    """What was posted to a web server."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebServer:
    """What was posted, and where it listens."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)


Answer = Callable[[Request], tuple[int, bytes]]


@contextmanager
def web_server(
    answer: Answer = lambda _request: (204, b""),
    server: ssl.SSLContext | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[WebServer]:
    """Run a web server."""
    made = WebServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            request = Request(self.path, dict(self.headers), self.rfile.read(length))
            made.requests.append(request)
            status, body = answer(request)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            pass

    httpd = HTTPServer((host, port), Handler)
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
    if server is not None:
        httpd.socket = server.wrap_socket(httpd.socket, server_side=True)
    made.port = httpd.server_address[1]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def nrdp(request: Request) -> tuple[int, bytes]:
    """Answer as NRDP does: status 200 always, its own in XML."""

    def said(status: int, message: str) -> tuple[int, bytes]:
        text = f"<result><status>{status}</status><message>{message}</message></result>"
        return 200, text.encode()

    form = parse_qs(request.body.decode())
    token = form.get("token", [""])[0]
    if not token:
        return said(-1, "NO TOKEN")
    if not hmac.compare_digest(token, TOKEN):
        return said(-1, "BAD TOKEN")
    if form.get("cmd") != ["submitcheck"]:
        return said(-1, "NO COMMAND")
    try:
        results = list(ET.fromstring(form["XMLDATA"][0]).iter("checkresult"))
    except ET.ParseError:
        return said(-1, "BAD XML")
    names = {"hostname", "servicename", "state", "output"}
    good = all({part.tag for part in one} == names for one in results)
    good &= all(one.get("type") == "service" for one in results)
    return said(0, "OK") if results and good else said(-1, "BAD XML")


@contextmanager
def odd_server(speak: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[int]:
    """Run a server that does something to each connection; yield its port."""
    listener = socket.create_server((host, 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with suppress(OSError):
            speak(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in connections:
            connection.close()


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nobody listens now."""
    with socket.create_server((host, 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port of this machine on which nobody listens, and nobody else can meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]
