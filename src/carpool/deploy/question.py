"""The question: a script that asks a global zone what its nodes are, as `observe` reads it.

One script asks for all nodes of a hypervisor, and starts as few processes as it can: so hundreds
of hypervisors cost one round trip each. Sections of the answer begin with "== ", what is said in a
zone with "| ", and its parts with "| % ".
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from carpool.deploy import shell
from carpool.smartos.places import FMRI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carpool.deploy.targets import Target

FIRST_BOOT = "svc:/smartdc/mdata:execute"
"""The service that runs the first-boot script."""
UNIT = "carpool"
"""The service of carpool where systemd keeps it: in lx zones."""

OWN_SERVICES = (FMRI, UNIT)
KNOWN_SERVICES = (*OWN_SERVICES, FIRST_BOOT)

_HEAD = """\
say() { printf '%s\\n' "$*"; }
quote() { sed 's/^/| /'; }
"""

_FILES = """\
set --
for file in @FILES@; do [ ! -f "$file" ] || set -- "$@" "$file"; done
if [ $# -gt 0 ]; then
    echo "% files"
    printf "%s\\n" "$@"
    echo "% modes"
    ls -ln "$@"
    echo "% digests"
    digests_of "$@"
fi
"""

_LX_NET = """\
echo "% net"
if [ -x /native/usr/sbin/ifconfig ]; then /native/usr/sbin/ifconfig -a; else ifconfig -a; fi
"""


def service_name(brand: str) -> str:
    """Return what carpool's service is called in a zone of this brand."""
    return UNIT if brand == "lx" else FMRI


def question(targets: Sequence[Target], *, full: bool = True) -> str:
    """Return the script, for sh of the global zone, that asks about these nodes of it.

    Without ``full`` it asks only what changes by itself: the services and the addresses.
    """
    lines = [shell.ENVIRONMENT + _HEAD]
    for target in targets:
        inside = shlex.quote(_inside(target, full=full))
        lines += [
            f"answer=$(vmadm get {target.uuid} 2>/dev/null </dev/null); code=$?",
            f'[ "$code" = 0 ] || answer=$(vmadm get {target.uuid} 2>&1 >/dev/null </dev/null)',
            *(_needs(target) if full else ()),
            f"say == zone {target.uuid} $code",
            "printf '%s\\n' \"$answer\" | quote",
            f"say == inside {target.uuid}",
            f'[ "$code" != 0 ] || zlogin {target.uuid} {inside} 2>&1 </dev/null | quote',
        ]
    lines.append("say == end")
    return "\n".join(lines) + "\n"


def _needs(target: Target) -> list[str]:
    """Return the lines that ask for what a zone is made from, unless it is made from that."""
    image = shlex.quote(target.image)
    lines = [
        f"case $answer in *{image}*) ;;",
        f"*) imgadm get {image} >/dev/null 2>&1 </dev/null || say == no-image ;; esac",
    ]
    for tag in map(shlex.quote, target.nic_tags):
        lines += [
            f"""case $answer in *'"nic_tag": "'{tag}'"'*) ;;""",
            f"*) nictagadm exists {tag} >/dev/null 2>&1 </dev/null || say == no-tag {tag} ;; esac",
        ]
    return lines


def _inside(target: Target, *, full: bool) -> str:
    lines = [shell.ENVIRONMENT]
    if full:
        # In the order in which ls lists them.
        paths = sorted(file.path for file in target.files)
        lines += [shell.DIGEST, _FILES.replace("@FILES@", shlex.join(paths))]
    if target.brand == "lx":
        # The first-boot script is among what is to be done before the system runs.
        lines.append('echo "% boot"; systemctl is-system-running')
        for name in (UNIT, *target.services):
            quoted = shlex.quote(name)
            lines.append(f"echo {shlex.quote(f'% unit {name}')}")
            lines.append(f"systemctl show -p LoadState -p ActiveState {quoted}")
        lines.append(_LX_NET)
    else:
        lines.append('echo "% services"')
        lines.append(f"svcs -H -o state,fmri {FMRI} {FIRST_BOOT} 2>/dev/null")
        for name in target.services:
            lines.append(f"echo {shlex.quote(f'% service {name}')}")
            lines.append(f"svcs -H -o state {shlex.quote(name)} 2>/dev/null")
        lines.append('echo "% net"; ifconfig -a')
    lines.append('echo "% end $?"')
    return "\n".join(lines)
