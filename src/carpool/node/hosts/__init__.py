"""What the daemon needs of an operating system, one module for each system."""

import sys

from carpool.node.host import Host, HostError
from carpool.node.log import Log
from carpool.node.loop import Loop

_BSD = ("freebsd", "openbsd", "netbsd", "dragonfly", "darwin")


def this_host(loop: Loop, log: Log) -> Host:
    """Return the host of the operating system that this runs on. Raises HostError."""
    # Not at the top: a host imports only what is its own.
    platform: str = sys.platform
    if platform.startswith("linux"):
        from carpool.node.hosts.linux import LinuxHost

        return LinuxHost(loop)
    from carpool.node.hosts.routing import open_routing_socket

    if platform.startswith("sunos"):
        from carpool.node.hosts.illumos import IllumosHost

        return IllumosHost(loop, log, routing=open_routing_socket())
    if platform.startswith(_BSD):
        from carpool.node.hosts.bsd import BsdHost

        return BsdHost(loop, log, routing=open_routing_socket())
    raise HostError(f"carpool does not know this operating system: {sys.platform}")
