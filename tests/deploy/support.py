"""What the tests of a deployment share: a goal, and answers as a global zone would give them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from tests.smartos.clusters import ZONE, cluster, passwords

from carpool.cluster.model import Cluster, Zone
from carpool.deploy.observe import FileState, Inside, Observed
from carpool.deploy.targets import Goal, Program, Target, goal
from carpool.smartos.payload import Compat

PROGRAM = Program(b"the program")
SECRET = b"s3cret, pw"


def made_goal(
    zone: Zone = ZONE,
    made: Cluster | None = None,
    program: Program = PROGRAM,
    compat: Compat = Compat.NONE,
) -> Goal:
    made = made or cluster(zone)
    return goal(made, passwords(made, SECRET), program, compat)


def vm_of(target: Target, **changes: Any) -> dict[str, Any]:
    """Return what `vmadm get` says of a zone that was made from the target's payload."""
    vm: dict[str, Any] = copy.deepcopy(dict(target.payload))
    vm |= {"state": "running", "zone_state": "running", "tags": {}, "cpu_shares": 100}
    vm.pop("mdata_exec_timeout")
    for nic in vm["nics"]:
        nic |= {"mac": "02:08:20:00:00:01", "interface": "net0", "netmask": "255.255.255.0"}
    return vm | changes


def inside_of(target: Target, *addresses: str, **changes: Any) -> Inside:
    """Return a zone in which everything is as it shall be."""
    made = Inside(
        files={file.path: FileState(file.mode, file.digests[0]) for file in target.files},
        service="online",
        boot="online",
        services=dict.fromkeys(target.services, "online"),
        addresses=frozenset(map(ip_address, addresses)),
    )
    return replace(made, **changes)


def observed_of(target: Target, *addresses: str, **changes: Any) -> Observed:
    """Return a node that is as it shall be."""
    made = Observed(target.node, True, (), vm_of(target), inside_of(target, *addresses))
    return replace(made, **changes)


def absent(target: Target, *, image: bool = False) -> Observed:
    return Observed(target.node, image, (), None, None)


def answer_text(target: Target, vm: Mapping[str, Any] | None, inside: str = "") -> str:
    """Return what the global zone answers about one node."""
    said = "No such zone configured" if vm is None else json.dumps(vm, indent=2)
    quoted = "".join(f"| {line}\n" for line in said.split("\n"))
    within = "".join(f"| {line}\n" for line in inside.split("\n") if line)
    return f"== zone {target.uuid} {int(vm is None)}\n{quoted}== inside {target.uuid}\n{within}"
