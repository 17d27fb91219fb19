"""FreeBSD, OpenBSD, NetBSD and macOS: addresses as aliases, ifconfig(8)."""

import os
import sys
from collections.abc import Sequence

from carpool.node.host import AnyInterface
from carpool.node.hosts.ifconfig import Listed
from carpool.node.hosts.portable import Argv, PortableHost, may_open_raw_socket

_LIST_ALL = "-A" if sys.platform.startswith("openbsd") else "-a"
"""OpenBSD lists aliases only with -A."""


class BsdHost(PortableHost):
    """A host with the ifconfig of the BSDs."""

    plain_sockets = False

    def list_arguments(self) -> Argv:
        """Return what makes it list every interface with every address."""
        return (_LIST_ALL,)

    def add_arguments(
        self, interface: str, address: AnyInterface, others: Sequence[AnyInterface]
    ) -> Argv:
        """Return what puts `address` on beside `others`.

        An alias in the network of another IPv4 address wants a netmask of all ones: the route to
        the network is there already (ifconfig(8), ``alias``).
        """
        length = address.network.prefixlen
        if address.version == 4 and any(address.ip in other.network for other in others):
            length = 32
        return (interface, _family(address), f"{address.ip}/{length}", "alias")

    def remove_arguments(self, listed: Listed) -> Argv:
        """Return what takes an address off."""
        return (listed.interface, _family(listed.address), str(listed.address.ip), "-alias")

    def mend_arguments(self, listed: Listed) -> Sequence[Argv]:
        """Return what makes the kernel ask again whether an address is taken: off and on."""
        if not listed.duplicate:
            return ()
        again = self.add_arguments(listed.interface, listed.address, ())
        return (self.remove_arguments(listed), again)

    def missing_privileges(self, *, change_addresses: bool) -> str | None:
        """Return what this process may not do and how to mend it, or None."""
        if may_open_raw_socket() and (os.geteuid() == 0 or not change_addresses):
            return None
        return "this process may not open raw sockets or change addresses; start it as root"


def _family(address: AnyInterface) -> str:
    return "inet" if address.version == 4 else "inet6"
