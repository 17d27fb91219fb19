"""The zones of a hypervisor as it keeps them on its disk: /zones/UUID.

`config/vm.json` is the zone as vmadm describes it, `root` its file system. Whether a zone runs is
told by a lock that its first process holds for life. For stand-ins, in the global zone.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Final, TypeAlias

from carpool.lab.smartos.stage import CommandError

ZONES: Final = Path("/zones")
_HOST_LOCK: Final = Path("/.lab/state/lock")
_REMOVE_SECONDS: Final = 10

Vm: TypeAlias = dict[str, Any]
"""A zone as `vmadm get` prints it."""


def config(uuid: str) -> Path:
    """Return the directory of what the hypervisor knows of a zone."""
    return ZONES / uuid / "config"


def known() -> list[Vm]:
    """Return all zones, in the order they were made."""
    found = []
    for path in ZONES.glob("*/config/vm.json"):
        with suppress(FileNotFoundError):
            found.append(_load(path))
    return sorted(found, key=lambda vm: vm["create_timestamp"])


def load(uuid: str) -> Vm:
    """Return a zone. Raises CommandError if there is none such."""
    try:
        return _load(config(uuid) / "vm.json")
    except FileNotFoundError:
        raise CommandError(f"{uuid}: No such zone configured") from None


def save(vm: Vm) -> None:
    """Write a zone to the disk, at once or not at all."""
    path = config(vm["uuid"]) / "vm.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(vm))
    new.replace(path)


def make(vm: Vm) -> None:
    """Put a new zone on the disk."""
    try:
        config(vm["uuid"]).mkdir(parents=True)
        config(vm["uuid"]).chmod(0o700)
        (ZONES / vm["uuid"] / "root").mkdir()
        save(vm)
    except OSError:  # the disk is full
        remove(vm["uuid"])
        raise


def remove(uuid: str) -> None:
    """Take a zone off the disk; also one that is there by half. CommandError if that cannot be."""

    def is_gone() -> bool:
        # What has only now been killed may have written something meanwhile.
        shutil.rmtree(ZONES / uuid, ignore_errors=True)
        return not (ZONES / uuid).exists()

    until(is_gone, _REMOVE_SECONDS, f"{uuid} is being removed")


def first_process(uuid: str) -> int | None:
    """Return the id of the zone's first process; None if the zone does not run."""
    try:
        with (config(uuid) / "running").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


def hold_running(uuid: str, process: int) -> int:
    """Say that the zone runs, with that first process, as long as the result is open."""
    fd = os.open(config(uuid) / "running", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.truncate(fd, 0)
    os.write(fd, str(process).encode())
    return fd


@contextmanager
def locked(uuid: str | None = None) -> Iterator[None]:
    """Be the only one to change the zone, or with None, to add one to the hypervisor."""
    path = _HOST_LOCK if uuid is None else Path(f"{_HOST_LOCK}-{uuid}")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def now() -> str:
    """Return the time as vmadm writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def until(condition: Any, seconds: float, what: str) -> None:
    """Wait for a condition; CommandError if it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CommandError(f"timed out: {what}")
        time.sleep(0.005)


def described(payload: dict[str, Any], uuid: str) -> Vm:
    """Return a new zone made of a payload, with the defaults of vmadm."""
    vm: Vm = {
        "zonename": uuid,
        "autoboot": True,
        "cpu_shares": 100,
        "max_physical_memory": 256,
        "quota": 10,
        "resolvers": [],
        "owner_uuid": "00000000-0000-0000-0000-000000000000",
        "customer_metadata": {},
        "internal_metadata": {},
        "tags": {},
        **payload,
        "uuid": uuid,
        "v": 1,
        "zonepath": f"/zones/{uuid}",
        "create_timestamp": now(),
        "state": "provisioning",
    }
    nics = payload.get("nics", [])
    vm["nics"] = [full_nic(nic, number, vm["brand"]) for number, nic in enumerate(nics)]
    if vm["nics"] and not any(nic.get("primary") for nic in vm["nics"]):
        vm["nics"][0]["primary"] = True
    return vm


def full_nic(nic: dict[str, Any], number: int, brand: str) -> dict[str, Any]:
    """Return a nic with its defaults, in the new form (`ips`, `gateways`) and the old."""
    interface = f"eth{number}" if brand == "lx" else f"net{number}"
    full = {"interface": interface, "mac": _random_mac(), **nic}
    if "ips" not in full and "ip" in full:
        dhcp = full["ip"] == "dhcp"
        full["ips"] = ["dhcp" if dhcp else str(_interface(full["ip"], full["netmask"]))]
    if "gateways" not in full and "gateway" in full:
        full["gateways"] = [full["gateway"]]
    if full.get("gateways"):
        full["gateway"] = full["gateways"][0]
    first = full["ips"][0] if full.get("ips") else "dhcp"
    if first not in ("dhcp", "addrconf"):
        full["ip"] = str(ip_interface(first).ip)
        full["netmask"] = str(ip_interface(first).netmask)
    return full


def _interface(address: str, netmask: str) -> object:
    return ip_interface(f"{address}/{netmask}")


def _random_mac() -> str:
    return ":".join(f"{octet:02x}" for octet in (0x02, 0x08, 0x20, *os.urandom(3)))


def _load(path: Path) -> Vm:
    vm: Vm = json.loads(path.read_text())
    if vm["state"] != "provisioning":
        vm["state"] = "running" if first_process(vm["uuid"]) else "stopped"
    vm["zone_state"] = "running" if vm["state"] == "running" else "installed"
    return vm
