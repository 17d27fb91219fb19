"""The commands of an lx zone: Linux's in /usr, and those of illumos in /native."""

from collections.abc import Mapping
from typing import Final

from carpool.lab.smartos.commands import apt, ifconfig, mdata, systemctl
from carpool.lab.smartos.stage import Command

COMMANDS: Final[Mapping[str, Command]] = {
    "native/usr/sbin/ifconfig": ifconfig.main,
    "native/usr/sbin/mdata-delete": mdata.delete,
    "native/usr/sbin/mdata-get": mdata.get,
    "native/usr/sbin/mdata-list": mdata.names,
    "native/usr/sbin/mdata-put": mdata.put,
    "usr/bin/apt-get": apt.main,
    "usr/bin/journalctl": systemctl.journal,
    "usr/bin/systemctl": systemctl.main,
}
"""By the path of the command; those in /native are on the zone's own disk."""
