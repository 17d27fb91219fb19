"""``carpool metrics``: what this host's daemons are doing, for Prometheus."""

import argparse
import sys
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import AF_INET, AF_INET6, SHUT_RDWR, socket
from threading import Timer
from typing import Any, Final

from carpool.cli.check import show
from carpool.cli.daemons import BRISKLY, add_options, ask_all
from carpool.cli.listen_option import listen_address
from carpool.cli.paragraphs import Paragraphs
from carpool.cli.whole_file import refuse_what_is_no_file, write_whole
from carpool.node.metrics_text import CONTENT_TYPE, metrics_text

EPILOG = """With neither --listen nor --output the metrics are printed.

exit codes: 0 done; 2 wrong usage, or the address or file cannot be used; 3 no daemon runs
here; 4 one does not answer, or cannot be asked. With --listen it serves until it is stopped,
and a daemon that does not answer is carpool_up 0.
"""
DEFAULT_PORT: Final = 9112
_SECONDS_PER_CLIENT: Final = 5


def main(arguments: list[str]) -> int:
    """Print, write or serve metrics; return the exit code."""
    options = parser().parse_args(arguments)
    if options.listen is not None:
        return _serve(options)
    answers, silent, problems, code = ask_all("status", options)
    for problem in problems:
        print(f"carpool metrics: {problem}", file=sys.stderr)
    text = metrics_text(answers, silent)
    if options.output is None:
        show(text)
        return code
    try:
        refuse_what_is_no_file(options.output)
        write_whole(options.output, [text.encode()], 0o644)
    except OSError as error:
        reason = error.strerror or error
        print(f"carpool metrics: cannot write {options.output}: {reason}", file=sys.stderr)
        return 2
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool metrics",
        description="Tell what the daemons of this host are doing, in Prometheus' text format.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    how = made.add_mutually_exclusive_group()
    how.add_argument(
        "--listen",
        type=listen_address(DEFAULT_PORT),
        metavar="ADDRESS[:PORT]",
        help=f"serve http://ADDRESS:PORT/metrics (port {DEFAULT_PORT}); [ADDRESS]:PORT for IPv6",
    )
    how.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write FILE, for the textfile collector of node_exporter",
    )
    add_options(made)
    return made


class _Server(HTTPServer):
    """One client at a time, each with little patience: the daemons are asked by nobody else."""

    def __init__(self, address: tuple[str, int], options: argparse.Namespace) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        super().__init__(address, partial(_Handler, options))

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a client, which may send a byte now and then for ever: the others wait."""
        late = Timer(_SECONDS_PER_CLIENT, _hang_up, (request,))
        late.start()
        try:
            super().finish_request(request, client_address)
        finally:
            late.cancel()

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave a client alone that hangs up or is too slow."""


def _hang_up(client: socket) -> None:
    with suppress(OSError):
        client.shutdown(SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server_version = "carpool"
    sys_version = ""

    def __init__(self, options: argparse.Namespace, *more: object) -> None:
        self._options = options
        super().__init__(*more)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer a scrape."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404, "see /metrics")
            return
        answers, silent, _, _ = ask_all("status", self._options, BRISKLY)
        body = metrics_text(answers, silent).encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each scrape."""


def _serve(options: argparse.Namespace) -> int:
    try:
        server = _Server(options.listen, options)
    except OSError as error:
        host, port = options.listen
        reason = error.strerror or error
        print(f"carpool metrics: cannot listen on {host} port {port}: {reason}", file=sys.stderr)
        return 2
    with server:
        host, _ = options.listen
        shown = f"[{host}]" if ":" in host else host
        print(f"serving http://{shown}:{server.server_port}/metrics", file=sys.stderr, flush=True)
        server.serve_forever()
    return 0
