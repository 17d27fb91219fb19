"""What a health check costs the daemon: its own CPU time per look, and the longest it was busy.

    python -m bench.health [--looks 500]

Each type looks again and again at something on this host that is well. The program is /bin/true,
the web server one of Python's in a process of its own. The gateway is left out: it takes a network.
"""

import argparse
import http.server
import multiprocessing
import platform
import resource
import statistics
import sys
import tempfile
import time
from ipaddress import ip_address
from multiprocessing.connection import Connection
from pathlib import Path

from carpool.carp.timing import SECOND
from carpool.node.health.make import make_probe
from carpool.node.health.settings import (
    Carrier,
    CheckSettings,
    Command,
    File,
    Http,
    Target,
    Tcp,
)
from carpool.node.host import Interface
from carpool.node.loop import Loop

_LOCAL = ip_address("127.0.0.1")


def serve(ready: Connection) -> None:
    """Answer every GET with 200, without a word in the log."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"all is well")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.send(server.server_port)
    server.serve_forever()


def measure(target: Target, looks: int) -> tuple[float, float]:
    """Return the CPU time of one look, and the median time that its start took, in milliseconds."""
    loop = Loop()
    settings = CheckSettings("bench", target, (), 2 * SECOND, SECOND, 2, 3, 1)
    interface = Interface("net0", 1, b"\2\0\0\0\0\1", carrier=True)
    probe = make_probe(settings, loop, lambda _name: interface)
    starts: list[float] = []

    def look() -> None:
        if len(starts) == looks:
            loop.stop()
            return
        begun = time.perf_counter()
        probe.start(found)
        starts.append(time.perf_counter() - begun)

    def found(problem: str | None) -> None:
        assert problem is None, problem
        loop.call_at(loop.now(), look)

    before = _cpu_time()
    look()
    loop.run()
    spent = _cpu_time() - before
    probe.close()
    loop.close()
    return spent / looks * 1e3, statistics.median(starts) * 1e3


def _cpu_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(arguments: list[str]) -> int:
    """Measure every type and print a table."""
    parser = argparse.ArgumentParser("python -m bench.health", description="Cost of a check.")
    parser.add_argument("--looks", type=int, default=500, help="looks of each type (500)")
    options = parser.parse_args(arguments)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    with tempfile.TemporaryDirectory() as folder:
        targets: dict[str, Target] = {
            "interface": Carrier("net0"),
            "tcp": Tcp(_LOCAL, port),
            "http": Http(_LOCAL, port, "/", text="well"),
            "command": Command(("/bin/true",)),
            "file": File(str(Path(folder) / "absent"), present=False),
        }
        print(f"{platform.machine()}, Python {platform.python_version()}, {options.looks} looks")
        print("| check | CPU of the daemon per look | its start, median |")
        print("| --- | --- | --- |")
        for name, target in targets.items():
            cpu, start = measure(target, options.looks)
            print(f"| {name} | {cpu:.2f} ms | {start:.2f} ms |")
    server.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
