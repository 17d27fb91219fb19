"""The commands of a hypervisor."""

from collections.abc import Mapping
from typing import Final

from carpool.lab.smartos.commands import (
    digest,
    ifconfig,
    imgadm,
    nictagadm,
    sysinfo,
    uname,
    vmadm,
    zlogin,
    zonename,
)
from carpool.lab.smartos.stage import Command

COMMANDS: Final[Mapping[str, Command]] = {
    "usr/bin/sysinfo": sysinfo.main,
    "usr/bin/digest": digest.main,
    "usr/bin/uname": uname.main,
    "usr/bin/zonename": zonename.main,
    "usr/sbin/ifconfig": ifconfig.main,
    "usr/sbin/imgadm": imgadm.main,
    "usr/sbin/nictagadm": nictagadm.main,
    "usr/sbin/vmadm": vmadm.main,
    "usr/sbin/zlogin": zlogin.main,
}
"""By the path of the command."""
