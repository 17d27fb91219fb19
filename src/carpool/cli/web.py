"""``carpool web``: a page that shows the cluster as its nodes see it."""

import argparse
import logging
import os
import stat
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from shutil import which
from socket import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from carpool.cli.listen_option import listen_address
from carpool.cli.paragraphs import Paragraphs
from carpool.cli.ssh_options import add_ssh_options
from carpool.cluster.findings import Severity
from carpool.cluster.load import load
from carpool.node.rundir import default_run_directories

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carpool.cluster.model import Cluster
    from carpool.deploy.ssh import Access
    from carpool.web.asking import Finder
    from carpool.web.sources import Source

DEFAULT_PORT: Final = 8112
TOKEN_VARIABLE: Final = "CARPOOL_WEB_TOKEN"  # noqa: S105 - its name
_SHORTEST_TOKEN: Final = 16
_MOST_BYTES: Final = 4096

EPILOG = f"""Without FILE it asks the daemons of this host, over their control sockets; with FILE
the zones of the cluster file, over SSH as carpool status FILE does. With --ssh it asks other
hosts, too, such as --ssh root@web2 or --ssh web2=root@192.0.2.2: each by the ssh of this system,
with its own configuration and keys, and without a question; carpool must be installed there.

Without a token the page only shows. With one, whoever signs in with it may yield, demote, promote
and set maintenance. Make one: (umask 077; openssl rand -hex 16 > web.token), and name it with
--token-file or put it into {TOKEN_VARIABLE}. There is no TLS: off this machine, go through an SSH
tunnel or a proxy that has it.

exit codes: 0 it was stopped; 2 wrong usage, a file is wrong, or the address cannot be used.
"""


class UnfitError(Exception):
    """It cannot begin; the text says why and how to mend it."""


def main(arguments: list[str]) -> int:
    """Serve the page until a signal comes. Return the exit code."""
    options = parser().parse_args(arguments)
    try:
        return _run(options)
    except UnfitError as error:
        print(f"carpool web: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool web",
        description="Serve a page that shows the cluster as its nodes see it: who holds each "
        "group, who held it, and where the nodes disagree.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a cluster file (TOML)")
    made.add_argument(
        "--listen",
        type=listen_address(DEFAULT_PORT),
        default=("127.0.0.1", DEFAULT_PORT),
        metavar="ADDRESS[:PORT]",
        help=f"where to serve (default 127.0.0.1:{DEFAULT_PORT}); [ADDRESS]:PORT for IPv6",
    )
    made.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which browsers may ask for the page, such as that of a proxy; repeatable",
    )
    made.add_argument(
        "--name", help="what the page calls all this (default: the file's name, or this host's)"
    )
    made.add_argument(
        "--token-file", type=Path, metavar="FILE", help="the token of those who may act"
    )
    made.add_argument(
        "--run-dir",
        type=Path,
        action="append",
        metavar="DIR",
        help="where control sockets are (default without FILE: "
        f"{' or '.join(map(str, default_run_directories()))}); repeatable",
    )
    made.add_argument(
        "--lab", action="store_true", help="show the labs (carpool lab) that run on this machine"
    )
    made.add_argument(
        "--ssh",
        type=_destination,
        action="append",
        default=[],
        metavar="[NODE=]DESTINATION",
        help="a host whose daemon is asked through ssh DESTINATION; repeatable",
    )
    add_ssh_options(made)
    return made


def _run(options: argparse.Namespace) -> int:
    for library in ("starlette", "uvicorn", "jinja2"):
        try:
            import_module(library)
        except ImportError as error:
            raise UnfitError(
                f"{error.name} is not installed; run in a checkout of carpool: pip install '.[web]'"
            ) from None
    from carpool.web.app import Site
    from carpool.web.asking import Asking
    from carpool.web.ledger import Ledger
    from carpool.web.server import serve

    logging.basicConfig(format="carpool web: %(message)s", level=logging.WARNING)
    logging.getLogger("carpool.web").setLevel(logging.INFO)
    if ip_address(options.listen[0]).is_unspecified and not options.host:
        raise UnfitError(
            f"--listen {options.listen[0]}: requests for a name that is not known are refused; "
            "say with --host by which name or address browsers will ask for this page"
        )
    token = _token(options.token_file)
    cluster = None if options.file is None else _load(options.file)
    ledger = Ledger(None if cluster is None else _members(cluster))
    access = _access(options)
    zones = [] if cluster is None else _zones(access, cluster)
    hosts = _hosts(options.ssh, access, cluster)
    finders = _finders(options, local=not zones)
    listener = _listen(options.listen)
    asking = Asking(ledger, [*zones, *hosts], finders)
    host, port = listener.getsockname()[:2]
    site = Site(
        ledger,
        asking.source,
        name=options.name or (cluster.name if cluster else os.uname().nodename),
        token=token,
        hosts={"localhost", "127.0.0.1", "::1", host, *(name.lower() for name in options.host)},
        acted=asking.ask_now,
        problem=lambda: asking.problem,
    )
    shown = f"[{host}]" if ":" in host else host
    how = "for all to see, and to act on with the token" if token else "for all to see"
    if not ip_address(host).is_loopback:
        print(
            f"carpool web: {host} is not this machine alone: the page is there without TLS, {how}; "
            "an SSH tunnel or a proxy is safer",
            file=sys.stderr,
        )
    print(f"serving http://{shown}:{port}/", file=sys.stderr, flush=True)
    try:
        serve(site, listener)
    finally:
        asking.close()
    return 0


def _destination(text: str) -> tuple[str | None, str]:
    """Return the node, if it is named, and where ssh is to go."""
    name, equals, destination = text.rpartition("=")
    if not destination.isprintable() or not destination.strip() or destination.startswith("-"):
        raise argparse.ArgumentTypeError(f"{text}: not a host for ssh, such as root@web2")
    if equals and (not name or name.startswith("-")):
        raise argparse.ArgumentTypeError(f"{text}: before the = is no name of a node")
    return name or None, destination


def _listen(address: tuple[str, int]) -> socket:
    from carpool.web.server import listen

    host, port = address
    try:
        return listen(host, port)
    except OSError as error:
        raise UnfitError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --listen"
        ) from None


def _token(path: Path | None) -> str | None:
    """Return the token, None if there is none. It is never on the command line: ps shows that."""
    if path is None:
        token, where = os.environ.pop(TOKEN_VARIABLE, None), TOKEN_VARIABLE
        if token is None:
            return None
        if not token.isascii():
            raise UnfitError(f"{where}: a token is plain ASCII text")
    else:
        where = str(path)
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                token = file.read(_MOST_BYTES).decode("ascii").strip()
        except OSError as error:
            raise UnfitError(f"{path}: {error.strerror}; write the token into it") from None
        except UnicodeDecodeError:
            raise UnfitError(f"{path}: a token is plain ASCII text") from None
        if stat.S_ISREG(mode) and mode & 0o077:
            raise UnfitError(f"{path}: others may read it; run: chmod 600 {path}")
    if len(token) < _SHORTEST_TOKEN:
        raise UnfitError(
            f"{where}: a token has {_SHORTEST_TOKEN} characters at least; make one: "
            "openssl rand -hex 16"
        )
    return token


def _load(file: Path) -> "Cluster":
    loaded = load(file, secrets=False)
    for finding in loaded.findings:
        if finding.severity is Severity.ERROR:
            print(finding, file=sys.stderr)
    if loaded.cluster is None:
        raise UnfitError(f"{file}: mend the errors above")
    return loaded.cluster


def _members(cluster: "Cluster") -> "Mapping[str, Sequence[str]]":
    return {group.name: [one.node for one in group.members] for group in cluster.groups}


def _access(options: argparse.Namespace) -> "Access":
    """Return how to get to zones and hosts."""
    from carpool.deploy.ssh import Access

    access = Access(options.identity, options.known_hosts, options.ssh_config)
    for path in (access.identity, access.known_hosts, access.ssh_config):
        if path is not None and not path.is_file():
            raise UnfitError(f"{path}: there is no such file")
    return access


def _zones(access: "Access", cluster: "Cluster") -> "Sequence[Source]":
    """Return the zones of the cluster file; none if it has none."""
    nodes = [node for node in cluster.nodes if node.zone is not None and node.hypervisor]
    if not nodes:
        return []
    from carpool.deploy.errors import DeployError
    from carpool.web.zones import zone_sources

    try:
        return zone_sources(nodes, access)
    except DeployError as error:
        raise UnfitError(str(error)) from None


def _host(destination: str) -> str:
    """Return the host of [USER@]HOST, or of ssh://[USER@]HOST[:PORT]."""
    if "://" in destination:
        with suppress(ValueError):
            return urlsplit(destination).hostname or destination
    return destination.rpartition("@")[2] or destination


def _hosts(
    wanted: "Sequence[tuple[str | None, str]]", access: "Access", cluster: "Cluster | None"
) -> "Sequence[Source]":
    """Return the hosts to be asked through ssh, by the names that the cluster file has for them."""
    if not wanted:
        return []
    if which("ssh") is None:
        raise UnfitError("--ssh: there is no program ssh; install an SSH client")
    from carpool.web.hosts import HostSource

    known = {}
    for node in cluster.nodes if cluster else ():
        known[node.name] = node.name
        known.update({str(address.ip): node.name for address in node.addresses})
    made: dict[str, Source] = {}
    for name, destination in wanted:
        host = _host(destination)
        called = name or known.get(host, host)
        if called in made:
            raise UnfitError(f"--ssh: two hosts for {called}; name the nodes: --ssh NODE={host}")
        is_named = bool(name) or host in known
        made[called] = HostSource(called, destination, named=is_named, access=access)
    return list(made.values())


def _finders(options: argparse.Namespace, *, local: bool) -> "list[Finder]":
    """Return what looks for daemons of this host: as asked for, or where they are by default."""
    from carpool.web.sources import SocketSource, lab_directories, local_sockets

    def make(directories: "Sequence[Path]") -> "Mapping[str, partial[SocketSource]]":
        found = local_sockets(directories)
        return {node: partial(SocketSource, node, path) for node, path in found.items()}

    finders: list[Finder] = []
    if options.lab:
        finders.append(lambda: make(lab_directories()))
    if options.run_dir:
        finders.append(lambda: make(options.run_dir))
    if not finders and local:
        finders.append(lambda: make(default_run_directories()))
    return finders
