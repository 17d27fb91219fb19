"""sysinfo: what this hypervisor is, as JSON."""

import json
import socket
from collections.abc import Sequence

from carpool.lab.smartos import boot


def main(_: Sequence[str]) -> int:
    """Print it."""
    host = boot.host()
    tags = host["nic_tags"]
    links = {it["link"]: it["mac"] for it in tags.values()}
    found = {
        "Live Image": host["platform"],
        "System Type": "SunOS",
        "Hostname": socket.gethostname(),
        "UUID": host["uuid"],
        "Zpool": "zones",
        "MiB of Memory": "65536",
        "CPU Total Cores": 8,
        "Network Interfaces": {
            link: {
                "MAC Address": mac,
                "Link Status": "up",
                "NIC Names": [tag for tag, it in tags.items() if it["link"] == link],
            }
            for link, mac in links.items()
        },
    }
    print(json.dumps(found, indent=2))
    return 0
