"""The first process of a zone: its file system, its network, its services."""

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from carpool.lab.network import until_up
from carpool.lab.smartos import kernel, places, repository, room, startd
from carpool.lab.smartos.commands import of_zone
from carpool.lab.smartos.lxinit import LxZone
from carpool.lab.smartos.machines import ZONES, Vm
from carpool.lab.smartos.restarter import Restarter
from carpool.lab.smartos.stage import Stage, keep_only
from carpool.lab.zone import write_settings
from carpool.netlink import Route

_SETTINGS: Final = {
    "ipv4/ip_forward": "0",
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
}
_SCRIPT: Final = Path("/var/svc/mdata-user-script")
_TOOL_SECONDS: Final = 30


def run(vm: Vm, running: int, tell: int, wait: int) -> int:
    """Be the zone until it is shut down.

    The process is the first of its process namespace. A byte goes to `tell` when there is a
    network namespace, and after a byte from `wait` (its nics are there) another, when it is up.
    `running` is kept open.
    """
    _, tell, wait = keep_only(running, tell, wait)
    os.setsid()
    kernel.unshare(kernel.NEW_NETWORK | kernel.NEW_MOUNTS | kernel.NEW_HOSTNAME | kernel.NEW_IPC)
    os.write(tell, b"n")
    if os.read(wait, 1) != b"+":
        return 1
    os.close(wait)
    hostname = vm.get("hostname") or vm["uuid"]
    socket.sethostname(hostname)
    _enter(vm)
    write_settings(_SETTINGS)
    _configure_network(vm)
    _write_user_script(vm)
    lx = vm["brand"] == "lx"
    zone = LxZone(_SCRIPT) if lx else _Zone(vm, has_network=has_network(vm))
    os.write(tell, b"b")
    os.close(tell)
    return zone.run()


def has_network(vm: Vm) -> bool:
    """Return whether the network of a zone can be set up: no address is allowed with a prefix."""
    # zonecfg takes these; the kernel then refuses the nic's list of addresses as a whole.
    return not any("/" in one for nic in vm["nics"] for one in nic.get("allowed_ips", []))


class _Zone:
    """The event loop of a zone with SMF: commands, requests about services, and the services."""

    def __init__(self, vm: Vm, *, has_network: bool) -> None:
        self._stage = Stage(of_zone.COMMANDS)
        self._restarter = Restarter(self._stage.watch, self._stage.unwatch)
        startd.serve(self._stage.watch, self._answer)
        for service, enabled in repository.load(vm, has_script=_SCRIPT.exists()):
            self._restarter.add(service, enabled=enabled)
        if not has_network:
            self._restarter.mark("network/physical", "The network of the zone cannot be set up.")

    def run(self) -> int:
        while not self._restarter.stopped:
            self._restarter.step()
            self._stage.turn(self._restarter.deadline)
        return 0

    def _answer(self, request: Mapping[str, Any]) -> object:
        restarter = self._restarter
        match request:
            case {"do": "list"}:
                return restarter.describe()
            case {"do": "enable" | "disable" as verb, "fmri": pattern}:
                restarter.enable(pattern, enabled=verb == "enable")
                repository.note(restarter.find(pattern))
            case {"do": "restart", "fmri": pattern}:
                restarter.restart(pattern)
            case {"do": "refresh", "fmri": pattern}:
                restarter.refresh(pattern)
            case {"do": "clear", "fmri": pattern}:
                restarter.clear(pattern)
            case {"do": "mark", "fmri": pattern}:
                restarter.mark(pattern, "Maintenance requested by an administrator.")
            case {"do": "import", "manifest": text}:
                for service in repository.read_manifest(text):
                    restarter.add(service)
                    repository.note(restarter.find(service.fmri), text)
            case {"do": "delete", "fmri": pattern, "force": force}:
                repository.forget(restarter.delete(pattern, force=force))
            case {"do": "set", "fmri": pattern, "name": name, "value": value}:
                repository.note(restarter.set_property(pattern, name, value))
            case {"do": "shutdown"}:
                restarter.shut_down()
        restarter.step()
        return None


def _enter(vm: Vm) -> None:
    home = ZONES / vm["uuid"]
    root = home / "root"
    kernel.bind(root, root, writable=True)
    room.mount_devices(root)
    config = root / places.SEEN_CONFIG.relative_to("/")
    config.mkdir(exist_ok=True)
    kernel.bind(home / "config", config, writable=True)
    usr = places.LX_USR if vm["brand"] == "lx" else places.ZONE_USR
    room.enter(root, usr, places.TOOLS)


def _configure_network(vm: Vm) -> None:
    """Set up addresses and routes, and wait until they can be used."""
    lines = ["link set lo up"]
    for nic in vm["nics"]:
        name = nic["interface"]
        lines.append(f"link set {name} mtu {nic.get('mtu', 1500)} up")
        fixed = [one for one in nic.get("ips", []) if one not in ("dhcp", "addrconf")]
        lines += [f"address add {address} dev {name}" for address in fixed]
    primary = [nic for nic in vm["nics"] if nic.get("primary")]
    gateways = [one for nic in primary for one in nic.get("gateways", [])]
    if has_network(vm):
        lines += [f"route append default via {gateway}" for gateway in gateways]
    else:
        lines = lines[:1]
    _ip(lines)
    if has_network(vm):
        with Route() as route:
            for nic in vm["nics"]:
                until_up(route, nic["interface"])
    Path("/etc/defaultrouter").write_text("".join(f"{one}\n" for one in gateways))
    resolvers = "".join(f"nameserver {one}\n" for one in vm.get("resolvers", []))
    Path("/etc/resolv.conf").write_text(resolvers)


def _ip(lines: list[str]) -> None:
    # A gateway that cannot be reached costs its route, and nothing else.
    subprocess.run(
        [places.TOOLS / "ip", "-force", "-batch", "-"],
        input="\n".join(lines),
        text=True,
        timeout=_TOOL_SECONDS,
        check=False,
    )


def _write_user_script(vm: Vm) -> None:
    _SCRIPT.unlink(missing_ok=True)
    script = vm["customer_metadata"].get("user-script")
    if script:
        _SCRIPT.touch(mode=0o700)
        _SCRIPT.write_text(script)
