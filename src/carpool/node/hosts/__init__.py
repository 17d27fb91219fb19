"""What the daemon needs of an operating system, one module for each system."""

import os
import sys

from carpool.node.host import Host, HostError
from carpool.node.log import Log
from carpool.node.loop import Loop

_NATIVE_IFCONFIG = "/native/usr/sbin/ifconfig"
"""Of illumos, in its lx zones: there the kernel takes no changes of addresses over netlink."""
_IFCONFIG, _IPADM = "/sbin/ifconfig", "/sbin/ipadm"
_BSD = ("freebsd", "openbsd", "netbsd", "darwin")


def this_host(loop: Loop, log: Log) -> Host:
    """Return the host of the operating system that this runs on. Raises HostError."""
    # Not at the top: a host imports only what is its own.
    platform: str = sys.platform
    if platform.startswith("linux") and os.access(_NATIVE_IFCONFIG, os.X_OK):
        from carpool.node.hosts.illumos import IllumosHost

        return IllumosHost(loop, log, routing=None, ifconfig=_NATIVE_IFCONFIG)
    if platform.startswith("linux"):
        from carpool.node.hosts.linux import LinuxHost

        return LinuxHost(loop)
    from carpool.node.hosts.routing import open_routing_socket

    if platform.startswith("sunos"):
        from carpool.node.hosts.illumos import IllumosHost

        if os.access(_IPADM, os.X_OK) and not os.access(_IFCONFIG, os.X_OK):
            from carpool.node.hosts.ipadm import IpadmHost

            return IpadmHost(loop, log, routing=open_routing_socket(), ifconfig=_IPADM)
        return IllumosHost(loop, log, routing=open_routing_socket())
    if platform.startswith(_BSD):
        from carpool.node.hosts.bsd import BsdHost

        return BsdHost(loop, log, routing=open_routing_socket())
    raise HostError(f"carpool does not know this operating system: {sys.platform}")
