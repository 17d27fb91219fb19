"""The first-boot script of a zone, which is safe at every boot."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from carpool.smartos.config import config
from carpool.smartos.places import (
    FMRI,
    STATE,
    USER,
    ZONE,
    Places,
    key_file,
    managed_services,
    metadata_key,
    secrets,
)
from carpool.smartos.service import AUTHORISATION, MANAGE_SERVICES, manifest
from carpool.smartos.templates import template
from carpool.smartos.unit import lx_unit
from carpool.smartos.vip import vip_down, vip_up

if TYPE_CHECKING:
    from carpool.cluster.model import Cluster, Node, Zone

UNIT = "/etc/systemd/system/carpool.service"


def user_script(
    cluster: Cluster,
    node: Node,
    zone: Zone,
    *,
    vip_scripts: bool = False,
    places: Places = ZONE,
    unit_file: str = UNIT,
) -> str:
    """Return the script for the node's ``zone``, for sh: POSIX.

    It has all files in it that the zone needs but two: the passwords, which it takes from the
    zone's metadata, and the program, which `carpool apply` puts there. With ``vip_scripts``, and in
    an lx zone, it puts vip-up and vip-down there too.
    """
    home, lx = places.configuration, zone.brand == "lx"
    scripts = []
    if vip_scripts or lx:
        scripts = [
            _put(f"{home}/vip-up", vip_up(cluster, node), 755),
            _put(f"{home}/vip-down", vip_down(cluster, node), 755),
        ]
    files = [_put(places.config, config(cluster, node))]
    for secret in secrets(cluster, node):
        key = shlex.quote(f"{home}/{key_file(secret)}")
        files.append(f'put {key} 600 "$user" metadata {shlex.quote(metadata_key(secret))}')
    if managed_services(cluster, node) and not lx:
        rights = shlex.quote(f"{AUTHORISATION},{MANAGE_SERVICES}")
        files.append(f'usermod -A {rights} "$user" || fail "cannot authorise the user $user"')
    if lx:
        platform = template("firstboot-lx.sh")
        files.append(_put(unit_file, lx_unit(cluster, node, places)))
    else:
        platform = template("firstboot-smf.sh", authorisation=AUTHORISATION, fmri=FMRI)
        files.append(_put(f"{home}/carpool.xml", manifest(cluster, node, places)))
    return template(
        "firstboot.sh",
        home=shlex.quote(home),
        state=STATE,
        user=USER,
        platform=platform.strip(),
        packages=f"ensure {shlex.join(zone.packages)}" if zone.packages else "",
        scripts="\n".join(scripts),
        files="\n".join(files),
        services="\n".join(f"enable_service {shlex.quote(name)}" for name in zone.services),
    )


def _put(file: str, text: str, mode: int = 644) -> str:
    """Return the lines of sh that write the text, which ends with a newline, into a file."""
    end = "END"
    while end in text.splitlines():
        end += "-"
    return f"put {shlex.quote(file)} {mode} root cat <<'{end}'\n{text}{end}"
