"""illumos (SmartOS, OmniOS, OpenIndiana): addresses as logical interfaces, ifconfig(8).

Why ifconfig where there is one, and not ipadm(8), for which see ipadm.py: it takes off an address
whoever has put it on, ``ifconfig net0:1 plumb`` of a script included; it tells the MAC; and what it
puts on lasts until the next boot, as it should.

The kernel asks the network for half a second whether an address that comes up is taken, and then
announces it five times, two seconds apart. If the old master still answers, it marks the address
DUPLICATE and asks again only after 300 seconds; ``up`` makes it ask at once.
"""

import re
from collections.abc import Sequence

from carpool.node.host import AnyInterface
from carpool.node.hosts.ifconfig import Listed
from carpool.node.hosts.portable import Argv, PortableHost, may_open_raw_socket

_MADE = re.compile(r"Created new logical interface (\S+)")
"""What addif says."""


class IllumosHost(PortableHost):
    """A zone with its own IP stack, of any brand, or a global zone."""

    plain_sockets = True

    def list_arguments(self) -> Argv:
        """Return what makes it list every interface with every address."""
        return ("-a",)

    def add_arguments(
        self, interface: str, address: AnyInterface, _others: Sequence[AnyInterface]
    ) -> Argv:
        """Return what puts `address` on, as the next free logical interface."""
        return (interface, _family(address), "addif", str(address), "up")

    def remove_arguments(self, listed: Listed) -> Argv:
        """Return what takes an address off, with its logical interface."""
        return (listed.interface, _family(listed.address), "removeif", str(listed.address.ip))

    def mend_arguments(self, listed: Listed) -> Sequence[Argv]:
        """Return what makes the kernel ask again whether an address is taken."""
        if listed.up and not listed.duplicate:
            return ()
        return ((listed.unit, _family(listed.address), "up"),)

    def undo_arguments(self, arguments: Argv, output: str) -> Argv:
        """Return what takes off a logical interface that has been made and got no address."""
        made = _MADE.search(output)
        return (made[1], arguments[1], "unplumb") if made else ()

    def missing_privileges(self, *, change_addresses: bool) -> str | None:
        """Return what this process may not do and how to mend it, or None.

        Whether it may change addresses shows only when it does.
        """
        if may_open_raw_socket():
            return None
        wanted = "net_rawaccess,net_icmpaccess"
        if change_addresses:
            wanted += ",sys_ip_config"
        return (
            "this process may not open raw sockets; start it as root, or with the privileges "
            f"basic,{wanted}"
        )


def _family(address: AnyInterface) -> str:
    return "inet" if address.version == 4 else "inet6"
