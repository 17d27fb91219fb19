"""The commands of a zone; pkgin is on its own disk, all others are in /usr."""

from collections.abc import Mapping
from typing import Final

from carpool.lab.smartos.commands import (
    accounts,
    digest,
    ifconfig,
    mdata,
    pkgin,
    svcadm,
    svccfg,
    svcs,
    uname,
    zonename,
)
from carpool.lab.smartos.stage import Command

COMMANDS: Final[Mapping[str, Command]] = {
    "opt/local/bin/pkgin": pkgin.main,
    "usr/bin/svcprop": svcs.properties,
    "usr/bin/svcs": svcs.main,
    "usr/bin/digest": digest.main,
    "usr/bin/uname": uname.main,
    "usr/bin/zonename": zonename.main,
    "usr/sbin/groupadd": accounts.add_group,
    "usr/sbin/ifconfig": ifconfig.main,
    "usr/sbin/mdata-delete": mdata.delete,
    "usr/sbin/mdata-get": mdata.get,
    "usr/sbin/mdata-list": mdata.names,
    "usr/sbin/mdata-put": mdata.put,
    "usr/sbin/svcadm": svcadm.main,
    "usr/sbin/svccfg": svccfg.main,
    "usr/sbin/useradd": accounts.add_user,
}
"""By the path of the command."""
