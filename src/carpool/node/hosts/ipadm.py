"""illumos without ifconfig: addresses as address objects, ipadm(8).

ifconfig is preferred where there is one: it also takes off an address that was put on without
ipadm, which ipadm lists as ``net0/?`` and cannot touch. Address objects of ours are temporary, so
they end with the boot, and are called after their address: ``net0/carpoolc0a800c8``.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_interface

from carpool.node.host import AnyInterface
from carpool.node.hosts.ifconfig import Listed, Listing, Port
from carpool.node.hosts.illumos import IllumosHost
from carpool.node.hosts.portable import Argv

_LIST = '"$0" show-if -p -o ifname,state && "$0" show-addr -p -o addrobj,state,addr'
_FIELD = re.compile(r"(?:\\.|[^:\\])+")
"""Between colons; one that is in a value has a backslash before it."""
_FLAGS = {"ok": {"UP", "RUNNING"}, "failed": {"UP"}}
"""Of an interface, by its state; one that is down, offline or disabled has none."""
_NAME_BYTES = 12
"""Of an address that are in a name, which has 32 letters at most."""


class IpadmHost(IllumosHost):
    """A zone with its own IP stack, or a global zone."""

    def list_command(self) -> Argv:
        """Return what lists every interface and every address."""
        return ("/bin/sh", "-c", _LIST, *self._argv(()))

    def read_listing(self, output: str) -> Listing:
        """Read what it printed. Never raises: what cannot be understood is passed over."""
        return parse(output)

    def add_arguments(
        self, interface: str, address: AnyInterface, _others: Sequence[AnyInterface]
    ) -> Argv:
        """Return what puts `address` on until the next boot."""
        name = f"{interface}/carpool{address.packed[-_NAME_BYTES:].hex()}"
        return ("create-addr", "-t", "-T", "static", "-a", str(address), name)

    def remove_arguments(self, listed: Listed) -> Argv:
        """Return what takes an address off."""
        return ("delete-addr", listed.unit)

    def mend_arguments(self, listed: Listed) -> Sequence[Argv]:
        """Return what makes the kernel ask again whether an address is taken."""
        if listed.duplicate:
            return (("refresh-addr", listed.unit),)
        return () if listed.up else (("up-addr", "-t", listed.unit),)

    def undo_arguments(self, _arguments: Argv, _output: str) -> Argv:
        """Return nothing: what ipadm refuses leaves nothing behind."""
        return ()


def parse(text: str) -> Listing:
    """Read interfaces (name:state) and addresses (object:state:address, its colons escaped)."""
    ports: dict[str, Port] = {}
    addresses: list[Listed] = []
    for line in text.splitlines():
        match [field.replace("\\", "") for field in _FIELD.findall(line)]:
            case [name, state]:
                ports[name] = Port(set(_FLAGS.get(state, ())))
            case [unit, state, shown] if "/" in unit:
                try:
                    address = ip_interface(re.sub("%[^/]*", "", shown))
                except ValueError:
                    continue  # of dhcp that has none yet, or of a point-to-point link
                usable = state in ("ok", "duplicate", "tentative", "inaccessible")
                addresses.append(
                    Listed(
                        unit.partition("/")[0],
                        unit,
                        address,
                        up=usable,
                        duplicate=state == "duplicate",
                        tentative=state in ("tentative", "inaccessible"),
                    )
                )
    return Listing(ports, tuple(addresses))
