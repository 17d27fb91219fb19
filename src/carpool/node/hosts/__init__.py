"""What the daemon needs of an operating system, one module for each system."""

import sys

from carpool.node.host import Host, HostError
from carpool.node.loop import Loop


def this_host(loop: Loop) -> Host:
    """Return the host of the operating system that this runs on. Raises HostError."""
    if sys.platform.startswith("linux"):
        # Not at the top: a host imports only what is its own.
        from carpool.node.hosts.linux import LinuxHost

        return LinuxHost(loop)
    raise HostError(f"carpool does not know this operating system: {sys.platform}")
