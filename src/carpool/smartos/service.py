"""carpool's own service: its SMF manifest for a zone."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from carpool.smartos.manifest import Context, Credential, Dependency, Manifest, Method, to_xml
from carpool.smartos.places import USER, ZONE, Places, command, restart_command, stop_timeout

if TYPE_CHECKING:
    from carpool.cluster.model import Cluster, Node

PRIVILEGES = "basic,net_rawaccess,net_icmpaccess,sys_ip_config"
"""Opening a raw socket takes net_icmpaccess, protocol 112 net_rawaccess, addresses sys_ip_config.

ifconfig(8) and ipadm(8) want the authorisation AUTHORISATION as well from all but root.
"""

_REFRESH_SECONDS = 180
"""More than `carpool restart` waits for the trial, for scripts and for the new program."""

AUTHORISATION = "solaris.network.interface.config"
MANAGE_SERVICES = "solaris.smf.manage"
"""What svcadm(8) wants of a user that starts and stops services, as groups may have them."""


def manifest(cluster: Cluster, node: Node, places: Places = ZONE) -> str:
    """Return the SMF manifest of the daemon on this node, as XML.

    With ``--smf`` the start method ends when every socket is open (the daemon stays behind), or
    with SMF_EXIT_ERR_CONFIG (96), which puts the service into maintenance at once.
    """
    # `exec` saves the shell; % begins a token of SMF.
    words = [word.replace("%", "%%") for word in command(node, places)]
    again = shlex.join(word.replace("%", "%%") for word in restart_command(node, places))
    start = shlex.join([*words[:4], "--smf", *words[4:]])
    return to_xml(
        Manifest(
            service="network/carpool",
            common_name="CARP: shared IP addresses",
            description="Keeps IP addresses alive: when the host that has them dies, "
            "another takes them over.",
            methods=(
                Method("start", start, 60),
                Method("stop", ":kill -TERM", stop_timeout(cluster, node)),
                # A file that is unfit is told in the log, and is no reason to park the service.
                Method("refresh", f"{again} || :", _REFRESH_SECONDS),
            ),
            duration="contract",
            # A hook that crashes is no reason to restart the daemon.
            ignore_error="core,signal",
            dependencies=(
                Dependency("network", ("svc:/milestone/network:default",), restart_on="error"),
                Dependency("filesystem", ("svc:/system/filesystem/local:default",)),
            ),
            context=Context(
                Credential(USER, USER, privileges=PRIVILEGES),
                (
                    ("LC_ALL", "C.UTF-8"),
                    ("PATH", "/usr/sbin:/usr/bin:/opt/local/sbin:/opt/local/bin"),
                ),
                working_directory="/",
            ),
        )
    )
