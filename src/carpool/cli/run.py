"""``carpool run FILE``: the daemon, from a cluster file."""

import argparse
import signal
import sys
from pathlib import Path

from carpool.cluster.findings import Finding, Severity
from carpool.cluster.identify import identify
from carpool.cluster.load import load
from carpool.cluster.model import Cluster, Node
from carpool.cluster.password import PasswordError
from carpool.node.daemon import CannotRunError, Daemon
from carpool.node.detach import open_standard_descriptors
from carpool.node.host import Host, HostError
from carpool.node.hosts import this_host
from carpool.node.log import Level, Log, stderr_sink
from carpool.node.loop import Loop
from carpool.node.plan import plan

EPILOG = """signals: TERM, INT, QUIT and HUP stop cleanly (addresses off, bow out); USR1 logs the
state of every group; USR2 hands every group that is master here to another node.

exit codes: 0 stopped cleanly; 2 the file, the node or the host is not fit to run, and nothing
was touched.
"""


def main(arguments: list[str]) -> int:
    """Run the daemon until it is told to stop. Return the exit code."""
    parser = argparse.ArgumentParser(
        "carpool run",
        description="Run this node's part of a cluster file, in the foreground.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the cluster file (TOML)")
    parser.add_argument(
        "--node",
        metavar="NAME",
        help="which node this is (default: the one with this host's address)",
    )
    parser.add_argument("--debug", action="store_true", help="log rejected frames and more")
    options = parser.parse_args(arguments)

    loaded = load(options.file)
    for finding in loaded.findings:
        print(finding, file=sys.stderr)
    if loaded.cluster is None:
        errors = sum(finding.severity is Severity.ERROR for finding in loaded.findings)
        return _refuse(f"{options.file}: {errors} error{'s' * (errors != 1)}; nothing was touched")
    open_standard_descriptors()
    loop = Loop()
    log = Log(stderr_sink(), level=Level.DEBUG if options.debug else Level.INFO)
    try:
        host = this_host(loop, log)
        node = _identify(loaded.cluster, options.node, host)
        if isinstance(node, Finding):
            return _refuse(str(node))
        groups = plan(loaded.cluster, node)
        if not groups:
            return _refuse(f"{options.file}: node {node.name} is in no group: nothing to run")
        daemon = Daemon(groups, host, loop, log)
        daemon.handle_signals(
            stop_on=(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
        )
        daemon.open()
        log.notice(f"node {node.name}: {len(groups)} group{'s' * (len(groups) != 1)}, starting")
        daemon.run()
        log.notice(f"node {node.name}: stopped")
    except (CannotRunError, HostError, PasswordError) as error:
        return _refuse(str(error))
    return 0


def _identify(cluster: Cluster, name: str | None, host: Host) -> Node | Finding:
    return identify(cluster, [one.interface.ip for one in host.addresses()], name)


def _refuse(text: str) -> int:
    print(f"carpool run: {text}", file=sys.stderr)
    return 2
