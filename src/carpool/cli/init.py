"""``carpool init [FILE]``: a new cluster file and its password, by questions or options."""

import argparse
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from carpool.cli.paragraphs import Paragraphs
from carpool.cli.questions import ask, ask_or_not, yes_or_no
from carpool.cli.scan import seconds_of
from carpool.cluster import readers, zone_readers
from carpool.cluster.findings import Finding, Severity
from carpool.cluster.inputs import read_files
from carpool.cluster.making import NewCluster, NewNode, free_vhid, key_file, make
from carpool.cluster.new_files import CannotWriteError, refuse_existing, write_files
from carpool.cluster.readers import Interface, Reader
from carpool.cluster.source import Source
from carpool.node.listening import CannotListenError, hear_vhids

EPILOG = """On a terminal, what is not given is asked for; with --yes nothing is asked.

A free vhid is one that no --used file has, no cluster file, payload or ucarp option file beside
FILE, and none that was heard with --listen.

examples:
  carpool init web.toml
  carpool init web.toml --yes --node web1=192.168.0.201/24 --node web2=192.168.0.202/24 \\
      --address 192.168.0.200 --interface eth0
  carpool init web.toml --yes --image 62f148f8-6e84-11e4-82c5-efca60348b9f --nic-tag external \\
      --node web1=192.168.0.201/24@gz1 --node web2=192.168.0.202/24@root@gz2 \\
      --address 192.168.0.200 --gateway 192.168.0.1 --resolver 192.168.0.53

exit codes: 0 written; 2 nothing written.
"""

_BESIDE = (".toml", ".json", ".cfg", ".conf")
_MOST_BESIDE = 1000
_ADDRESSES = readers.Addresses('"192.168.0.201/24"')
_HOSTS = zone_readers.Hosts('["192.168.0.1"]')
_GATEWAYS = zone_readers.Hosts('["192.168.0.1"]', only_ipv4=True)


class _RefusedError(Exception):
    """What the user gave cannot be used; the text says why, and the mend."""


def main(arguments: list[str]) -> int:
    """Make the file and return the exit code."""
    options = parser().parse_args(arguments)
    asks = not options.yes and sys.stdin.isatty()
    try:
        if not options.force:
            refuse_existing([options.file, key_file(options.file)])
        wanted = _ask(options) if asks else _take(options)
        text, key, findings = make(wanted, options.file)
        _show(findings)
        # 16 digits: ucarp takes up to 19 bytes.
        password = secrets.token_hex(8).encode()
        write_files(text, options.file, {key: password}, force=options.force)
    except EOFError:
        print("\ncarpool init: the answers ended; nothing was written", file=sys.stderr)
        return 2
    except (_RefusedError, CannotWriteError, CannotListenError) as error:
        print(f"carpool init: {error}", file=sys.stderr)
        return 2
    print(f"written: {options.file} (vhid {wanted.vhid}), {key} (the password)", file=sys.stderr)
    return 0


def _show(findings: Sequence[Finding]) -> None:
    """Print what is wrong with the new file; raises _RefusedError for an error."""
    for finding in findings:
        print(finding, file=sys.stderr)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise _RefusedError("that makes no working cluster; nothing was written")


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool init",
        description="Make a cluster file for one group of nodes, and a password for it.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    add = made.add_argument
    add(
        "file",
        nargs="?",
        type=Path,
        default=Path("cluster.toml"),
        metavar="FILE",
        help="the file to write (default: cluster.toml); the password goes into FILE's name.key",
    )
    add("--yes", action="store_true", help="ask nothing")
    add("--name", type=_one(readers.Name('"web"')), help="name of the cluster (default: FILE's)")
    add(
        "--node",
        type=_node,
        action="append",
        default=[],
        metavar="[NAME=]ADDRESS[@HYPERVISOR]",
        help="a node, with its prefix length; IPv4 and IPv6 with a comma; the first is preferred",
    )
    add(
        "--address",
        type=_addresses,
        action="append",
        default=[],
        metavar="ADDRESS",
        help="the address that the nodes share; may be repeated",
    )
    add(
        "--interface",
        type=_one(readers.InterfaceName()),
        help="where the nodes have it (default: net0 in a zone, eth0 elsewhere)",
    )
    add(
        "--vhid",
        type=_number(readers.Integer(1, 255, "1")),
        help="the group's number, 1 to 255 (default: a free one)",
    )
    add("--preempt", action="store_true", help="a better node that returns takes the address back")
    add(
        "--used",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a file whose vhids are taken; may be repeated",
    )
    add("--listen", metavar="IFACE", help="hear which vhids are taken on this interface")
    add("--seconds", type=seconds_of, default=4.0, help="how long to listen (default: 4)")
    add("--force", action="store_true", help="overwrite files that exist")
    zone = made.add_argument_group("SmartOS zones").add_argument
    zone("--image", type=_one(zone_readers.UUID), metavar="UUID", help="the nodes are zones of it")
    zone(
        "--brand",
        choices=("joyent", "joyent-minimal", "lx"),
        default="joyent",
        help="brand of the zones (default: joyent)",
    )
    zone(
        "--kernel-version",
        type=_one(zone_readers.KERNEL_VERSION),
        metavar="VERSION",
        help="Linux version that zones of brand lx report",
    )
    zone(
        "--nic-tag",
        type=_one(zone_readers.NIC_TAG),
        metavar="TAG",
        help="physical network of the zones",
    )
    zone(
        "--vlan",
        type=_number(readers.Integer(0, 4095, "0")),
        help="VLAN of the zones (default: none)",
    )
    zone(
        "--memory",
        type=_number(readers.Integer(64, 4_194_304, "256")),
        metavar="MIB",
        help="memory of a zone (default: 256)",
    )
    zone(
        "--gateway",
        type=_each(_GATEWAYS),
        action="append",
        default=[],
        metavar="ADDRESS",
        help="default router of the zones; may be repeated",
    )
    zone(
        "--resolver",
        type=_each(_HOSTS),
        action="append",
        default=[],
        metavar="ADDRESS",
        help="DNS server of the zones; may be repeated",
    )
    return made  # fmt: skip


def _read(reader: Reader, value: object) -> Any:
    """Return what the reader makes of a value; raises ArgumentTypeError."""
    source = Source(None)
    read = reader.read(value, ("value",), source)
    for finding in source.findings():
        raise argparse.ArgumentTypeError(f"{finding.message}; {finding.mend}")
    return read


def _one(reader: Reader) -> Callable[[str], Any]:
    return lambda text: _read(reader, text)


def _number(reader: Reader) -> Callable[[str], Any]:
    return lambda text: _read(reader, int(text) if text.isascii() and text.isdigit() else text)


def _each(reader: Reader) -> Callable[[str], Any]:
    return lambda text: _read(reader, [text])[0]


_HYPERVISOR = _one(zone_readers.HYPERVISOR)


def _addresses(text: str) -> tuple[Interface, ...]:
    read: tuple[Interface, ...] = _read(_ADDRESSES, [part.strip() for part in text.split(",")])
    return read


def _own_addresses(text: str) -> tuple[Interface, ...]:
    """Read addresses that have to be on a network."""
    addresses = _addresses(text)
    for address in addresses:
        if address.network.prefixlen == address.max_prefixlen:
            message = f"{address.ip} lacks the prefix length of its network"
            raise argparse.ArgumentTypeError(f"{message}; write for example {address.ip}/24")
    return addresses


def _node(text: str) -> NewNode:
    """Read ``[NAME=]ADDRESS[@HYPERVISOR]``; the name is empty if there is none."""
    before, at, hypervisor = text.partition("@")
    name, _, addresses = before.rpartition("=")
    if name:
        _read(readers.Name('"web1"'), name)
    return NewNode(name, _own_addresses(addresses), _HYPERVISOR(hypervisor) if at else None)


def _take(options: argparse.Namespace) -> NewCluster:
    """Return what the options say; raises _RefusedError if that is not enough."""
    missing = [
        option
        for option, given in (
            ("--node (twice)", len(options.node) > 1),
            ("--address", options.address),
            ("--nic-tag", options.nic_tag or not options.image),
            ("--kernel-version", options.kernel_version or options.brand != "lx"),
        )
        if not given
    ]
    if missing:
        raise _RefusedError(f"add {', '.join(missing)}, or run it on a terminal without --yes")
    hypervisors = [node for node in options.node if node.hypervisor]
    if hypervisors and not options.image:
        raise _RefusedError("a node with a hypervisor is a zone, and needs --image and --nic-tag")
    used = _used(options)
    return _wanted(options, _free(used) if options.vhid is None else options.vhid)


def _wanted(options: argparse.Namespace, vhid: int) -> NewCluster:
    name = options.name or _name_of(options.file)
    zone: dict[str, Any] = {}
    if options.image:
        zone = {
            "brand": options.brand,
            "image": options.image,
            "kernel_version": options.kernel_version,
            "memory": options.memory,
            "nic_tag": options.nic_tag,
            "vlan": options.vlan,
            "gateways": options.gateway or None,
            "resolvers": options.resolver or None,
        }
    first = "net0" if options.image and options.brand != "lx" else "eth0"
    nodes: list[NewNode] = []
    for number, node in enumerate(options.node, 1):
        called = node.name or f"{name}{number}"
        if any(called == other.name for other in nodes):
            raise _RefusedError(f"two nodes are called {called}; give each a name of its own")
        nodes.append(NewNode(called, node.addresses, node.hypervisor))
    return NewCluster(
        name=name,
        nodes=nodes,
        interface=options.interface or first,
        vips=[vip for each in options.address for vip in each],
        vhid=vhid,
        preempt=options.preempt,
        zone={key: value for key, value in zone.items() if value is not None},
    )


def _name_of(file: Path) -> str:
    return file.stem if readers.is_name(file.stem) and file.stem != "cluster" else "www"


def _used(options: argparse.Namespace) -> set[int]:
    """Return the vhids that are taken, as far as one can know."""
    beside = []
    try:
        listed = sorted(options.file.absolute().parent.iterdir())
        beside = [file for file in listed if file.suffix in _BESIDE and file.is_file()]
    except OSError:
        pass  # then the file cannot be written either
    files = [*options.used, *beside[:_MOST_BESIDE]]
    inputs = read_files([file for file in files if file != options.file], secrets=False)
    for read in inputs[: len(set(options.used))]:
        for finding in read.source.findings():
            if finding.code in ("CP001", "CP002", "CP003", "CP004"):
                raise _RefusedError(str(finding))
    used = {claim.vhid.value for read in inputs for claim in read.claims if claim.vhid}
    if options.listen:
        heard = hear_vhids(options.listen, options.seconds)
        names = ", ".join(map(str, sorted(heard))) or "none"
        print(f"heard on {options.listen}: {names}", file=sys.stderr)
        used |= heard
    return used


def _free(used: set[int]) -> int:
    vhid = free_vhid(used)
    if vhid is None:
        raise _RefusedError("all 255 vhids are taken; give one with --vhid")
    return vhid


def _ask(options: argparse.Namespace) -> NewCluster:
    """Ask for what the options do not say."""
    proposed = options.name or _name_of(options.file)
    if options.name is None:
        options.name = ask("Name of the cluster", _one(readers.Name('"web"')), proposed)
    if options.image is None and yes_or_no("Are the nodes SmartOS zones?", default=False):
        options.image = ask("UUID of their image", _one(zone_readers.UUID), "")
    if options.image is not None:
        _ask_zone(options)
    while len(options.node) < 2 or yes_or_no("Another node?", default=False):
        options.node.append(_ask_node(options))
        if len(options.node) == 1:
            print("  The first node is preferred: it is master while all work.")
    if not options.address:
        options.address = [ask("Address that they share", _addresses, "")]
    if options.interface is None:
        first = "net0" if options.image and options.brand != "lx" else "eth0"
        reader = readers.InterfaceName()
        options.interface = ask("Interface that gets it on each node", _one(reader), first)
    if options.vhid is None:
        reader_of_vhid = _number(readers.Integer(1, 255, "1"))
        free = str(_free(_used(options)))
        text = "vhid, the group's number on its network (1-255)"
        options.vhid = ask(text, reader_of_vhid, free)
    return _wanted(options, options.vhid)


def _ask_zone(options: argparse.Namespace) -> None:
    if options.nic_tag is None:
        text = "Nic tag of their network (nictagadm list shows them)"
        options.nic_tag = ask(text, _one(zone_readers.NIC_TAG), "external")
    if options.brand == "lx" and options.kernel_version is None:
        reader = _one(zone_readers.KERNEL_VERSION)
        options.kernel_version = ask("Linux version that they report", reader, "4.10")
    if not options.gateway:
        gateway = ask_or_not("Their router", _each(_GATEWAYS))
        options.gateway = [gateway] if gateway is not None else []
    if not options.resolver:
        resolver = ask_or_not("Their DNS server", _each(_HOSTS))
        options.resolver = [resolver] if resolver is not None else []


def _ask_node(options: argparse.Namespace) -> NewNode:
    number = len(options.node) + 1
    proposed = f"{options.name}{number}"

    def new_name(text: str) -> str:
        name = str(_read(readers.Name('"web1"'), text))
        if any(name == node.name for node in options.node):
            raise argparse.ArgumentTypeError(f"another node is called {name}")
        return name

    name = ask(f"Name of node {number}", new_name, proposed)
    text = "Its own address, with the prefix length, such as 192.168.0.201/24"
    addresses = ask(text, _own_addresses, "")
    hypervisor = None
    if options.image is not None:
        hypervisor = ask_or_not("Its hypervisor, as ssh is to reach it", _HYPERVISOR)
    return NewNode(name, addresses, hypervisor)
