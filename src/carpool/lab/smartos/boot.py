"""Booting and halting a zone, in the global zone: its namespaces, its nics, its first process."""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from carpool.lab.namespaces import LabError
from carpool.lab.network import until_up
from carpool.lab.smartos import kernel, machines, protection, room, startd, zoneinit
from carpool.lab.smartos.commands import of_lx_zone, of_zone
from carpool.lab.smartos.machines import Vm
from carpool.lab.smartos.places import HOST, TOOLS
from carpool.lab.smartos.stage import CommandError, worker
from carpool.lab.smartos.units import FOLDER
from carpool.netlink import Route

_BOOT_SECONDS: Final = 30.0
_HALT_SECONDS: Final = 60.0  # then it is halted by force: vmadm(8), "stop"
_TOOL_SECONDS: Final = 30


def host() -> dict[str, Any]:
    """Return what the hypervisor is: host.json."""
    found: dict[str, Any] = json.loads(HOST.read_text())
    return found


def install(vm: Vm) -> None:
    """Make the disk of a zone."""
    root = machines.ZONES / vm["uuid"] / "root"
    room.furnish(root, vm.get("hostname") or vm["uuid"])
    commands = of_lx_zone.COMMANDS if vm["brand"] == "lx" else of_zone.COMMANDS
    room.link_commands(root, [path for path in commands if not path.startswith("usr/")])
    if vm["brand"] == "lx":
        (root / FOLDER.relative_to("/")).mkdir(parents=True)
    packages = machines.config(vm["uuid"]) / "packages.json"
    packages.write_text(json.dumps(host()["packages"]))


def boot(vm: Vm) -> None:
    """Start a zone; return when its nics are up and its first process is to start services.

    The caller has the zone's lock. Raises CommandError.
    """
    uuid = vm["uuid"]
    news, tell_us = os.pipe()
    wait, go = os.pipe()
    running = machines.hold_running(uuid, 0)
    child = kernel.fork_first()
    if child == 0:
        os.close(news)
        os.close(go)
        worker(lambda: zoneinit.run(vm, running, tell_us, wait))
    os.close(tell_us)
    os.close(wait)
    try:
        os.pwrite(running, str(child).encode(), 0)
        _expect(b"n", news, f"{uuid}: cannot make the zone's namespaces")
        for number, nic in enumerate(vm["nics"]):
            _connect(port_name(uuid, number), nic, child)
        os.write(go, b"+")
        _expect(b"b", news, f"{uuid}: the zone died while booting")
        if zoneinit.has_network(vm):
            _await_ports(vm)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        for fd in (news, go, running):
            os.close(fd)


def protect(vm: Vm) -> None:
    """Hold a running zone to what its nics may send now: VM.js, updateVnicProperties()."""
    for number, nic in enumerate(vm["nics"]):
        run_tool(["nft", "-f", "-"], protection.rules(port_name(vm["uuid"], number), nic))


def halt(vm: Vm, *, force: bool = False) -> None:
    """Stop a zone's services (unless `force`) and then all that is in it.

    The caller has the zone's lock.
    """
    uuid = vm["uuid"]
    process = machines.first_process(uuid)
    if process is not None:
        if force:
            os.kill(process, signal.SIGKILL)
        else:
            # Without an answer it is no longer there to be asked.
            with suppress(OSError):
                startd.ask({"do": "shutdown"}, machines.config(uuid))
        try:
            machines.until(
                lambda: machines.first_process(uuid) is None, _HALT_SECONDS, f"{uuid} is halting"
            )
        except CommandError:
            os.kill(process, signal.SIGKILL)
    for number in range(len(vm["nics"])):
        port = port_name(uuid, number)
        # Else the kernel removes it when it gets to it, and the zone may boot before.
        run_tool(["ip", "link", "delete", port], check=False)
        run_tool(["nft", "delete", "table", "bridge", port], check=False)


def port_name(uuid: str, number: int) -> str:
    """Return the name of the hypervisor's end of a nic."""
    return f"z{uuid.replace('-', '')[:10]}n{number}"


def run_tool(words: Sequence[str], script: str = "", *, check: bool = True) -> None:
    """Run a program of the machine's on a script. Raises CommandError if it fails."""
    done = subprocess.run(
        [TOOLS / words[0], *words[1:]],
        input=script,
        capture_output=True,
        text=True,
        timeout=_TOOL_SECONDS,
        check=False,
    )
    if check and done.returncode:
        raise CommandError(f"{words[0]}: {done.stderr.strip()}")


def _expect(word: bytes, news: int, otherwise: str) -> None:
    if os.read(news, 1) != word:
        raise CommandError(f"{otherwise}; see the host's log")


def _await_ports(vm: Vm) -> None:
    """Wait until what the zone sends gets through; its own ends of the cables are up by now."""
    try:
        with Route() as route:
            for number in range(len(vm["nics"])):
                until_up(route, port_name(vm["uuid"], number))
    except LabError as error:
        raise CommandError(f"{vm['uuid']}: {error}") from error


def _connect(port: str, nic: dict[str, Any], process: int) -> None:
    """Plug a nic of the zone with that first process into its nic tag's network."""
    links = host()["links"]
    bridge = links.get(f"{nic['nic_tag']}.{nic.get('vlan_id', 0)}")
    far_end = f"name {nic['interface']} address {nic['mac']} netns {process}"
    lines = [
        f"link add {port} type veth peer {far_end}",
        # A VLAN that the switch does not carry: a port that leads nowhere.
        *([f"link set {port} master {bridge}"] if bridge else []),
        f"link set {port} mtu {nic.get('mtu', 1500)} up",
    ]
    run_tool(["ip", "link", "delete", port], check=False)
    run_tool(["ip", "-batch", "-"], "\n".join(lines))
    run_tool(["nft", "-f", "-"], protection.rules(port, nic))
