"""The SmartOS lab: hypervisors on a LAN, and the operator's workstation beside them."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from typing import Any, Final, Self
from uuid import NAMESPACE_DNS, uuid5

from carpool.lab.namespaces import LabError
from carpool.lab.network import Lab
from carpool.lab.smartos import globalzone, kernel, room
from carpool.lab.smartos.commands import of_global_zone, of_lx_zone, of_zone
from carpool.lab.smartos.globalzone import HostPlan
from carpool.lab.smartos.hypervisor import Hypervisor
from carpool.lab.smartos.operator import Operator

MIB: Final = 1 << 20
OPERATOR: Final = IPv4Interface("192.168.0.254/16")
NIC_TAGS: Final = {"admin": "lan", "external": "lan"}
PACKAGES: Final = ("python311", "python312", "python313", "nginx", "haproxy")
_DISK_BYTES: Final = 256 * MIB
_PLATFORM: Final = "20240101T000000Z"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that zones are made from."""

    uuid: str
    name: str = "base-64-lts"
    version: str = "23.4.0"
    os: str = "smartos"
    type: str = "zone-dataset"


IMAGE: Final = Image("8adac45a-abb8-4d8a-9be8-23ef2b9f4d0c")
LX_IMAGE: Final = Image("5ab9ad58-cd0a-11ed-9eb5-7f3c8a5a2d35", "debian-12", "20230405", "linux")
IMAGES: Final = (IMAGE, LX_IMAGE)


@cache
def why_unsupported() -> str | None:
    """Return why this machine can have no SmartOS lab and what would mend it; None if it can.

    For what namespaces need besides, ask carpool.lab.namespaces.why_unsupported.
    """
    if os.geteuid() != 0 or _mapped_users() < 1 << 16:
        return "the SmartOS lab has users and devices of its own: run as root"
    return room.why_lacking(("sshd", "ssh", "ssh-keygen", "nft", "ip"))


class SmartosLab:
    """Hypervisors on the LAN segments of a lab. A context manager, to be closed before the lab.

    Only for the first process within namespaces.inside, as root: it mounts file systems and gives
    the hypervisors names in /etc/hosts. `nic_tags` says which segment of the lab a tag leads to;
    `vlans` which VLANs its switches carry besides 0; `images` what imgadm can fetch, `packages`
    what pkgin can. The `operator` is on the segment `lan`, as are the hypervisors' own addresses.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        images: Sequence[Image] = IMAGES,
        nic_tags: Mapping[str, str] = NIC_TAGS,
        vlans: Iterable[int] = (),
        packages: Sequence[str] = PACKAGES,
        operator: IPv4Interface | IPv6Interface = OPERATOR,
        parent: Path | None = None,
    ) -> None:
        """Make it, with no hypervisor yet, in a folder of `parent` (None: for temporary files).

        Raises LabError, with the mend, if that cannot be.
        """
        if reason := why_unsupported():
            raise LabError(reason)
        if os.getpid() != 1:
            raise LabError("the SmartOS lab must be made by the main of namespaces.inside")
        self.lab = lab
        self.images = tuple(images)
        self.hypervisors: dict[str, Hypervisor] = {}
        self._nic_tags = dict(nic_tags)
        self._vlans = (0, *vlans)
        self._packages = list(packages)
        self.folder = Path(tempfile.mkdtemp(prefix="carpool-smartos-", dir=parent))
        self._mounts: list[Path] = []
        try:
            self._mount_shared()
            self.operator = Operator(
                lab.add_zone("operator", addresses=[operator]), self.folder / "operator"
            )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_hypervisor(
        self,
        name: str,
        address: IPv4Interface | IPv6Interface,
        *,
        nic_tags: Mapping[str, str] | None = None,
        images: Sequence[Image] = (),
        disk_bytes: int = _DISK_BYTES,
    ) -> Hypervisor:
        """Make a hypervisor that takes SSH on return, and that the operator knows by name.

        `nic_tags` are the lab's if None, `images` those on its disk already. Its disk, with its
        zones, takes of memory what is on it. Raises LabError.
        """
        zone = self.lab.add_zone(name, "admin0", [address])
        disk = self.folder / "disks" / name
        disk.mkdir()
        self._mount("tmpfs", disk, f"size={disk_bytes},mode=755")
        tags = dict(self._nic_tags if nic_tags is None else nic_tags)
        host = {
            "uuid": str(uuid5(NAMESPACE_DNS, name)),
            "platform": _PLATFORM,
            "images": {image.uuid: asdict(image) for image in images},
            "available_images": {image.uuid: asdict(image) for image in self.images},
            "packages": self._packages,
            **self._cable(name, tags),
        }
        public_key = self.operator.key.with_suffix(".pub").read_text()
        globalzone.install(disk, name, public_key, json.dumps(host))
        log = self.folder / "logs" / name
        plan = HostPlan(name, self.folder, disk, log, room.find_tool("sshd"))
        hypervisor = Hypervisor(self.lab, zone, address, plan)
        self.hypervisors[name] = hypervisor
        with (self.folder / "hosts").open("a") as hosts:
            hosts.write(f"{address.ip} {name}\n")
        self.operator.trust(name, address.ip, hypervisor.host_key)
        hypervisor.power_on()
        return hypervisor

    def close(self) -> None:
        """End all hypervisors and forget all that was on them; twice is harmless."""
        for hypervisor in self.hypervisors.values():
            hypervisor.power_off()
        self.hypervisors.clear()
        while self._mounts:
            kernel.unmount(self._mounts.pop())
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mount_shared(self) -> None:
        self._mount("tmpfs", self.folder, "mode=755")
        for name in ("disks", "logs"):
            (self.folder / name).mkdir()
        room.prepare(self.folder)
        for edition, commands, absent in (
            ("global", of_global_zone.COMMANDS, room.NOT_OF_ILLUMOS),
            ("zone", of_zone.COMMANDS, room.NOT_OF_ILLUMOS),
            ("lx", of_lx_zone.COMMANDS, room.NOT_OF_LX),
        ):
            layer = room.make_layer(self.folder / f"{edition}-layer", commands, absent)
            if edition == "lx":
                room.link_python(layer)
            usr = self.folder / f"{edition}-usr"
            usr.mkdir()
            self._mount("overlay", usr, f"lowerdir={layer}:/usr")
        shutil.copy2("/etc/hosts", self.folder / "hosts")
        kernel.bind(self.folder / "hosts", Path("/etc/hosts"))
        self._mounts.append(Path("/etc/hosts"))

    def _mount(self, kind: str, target: Path, options: str) -> None:
        kernel.mount(kind, target, options)
        self._mounts.append(target)

    def _cable(self, name: str, nic_tags: Mapping[str, str]) -> dict[str, Any]:
        """Give a hypervisor a cable and a bridge for each network, and return what leads where."""
        zone = self.lab.zones[name]
        links: dict[str, str] = {}
        tags: dict[str, dict[str, str]] = {}
        for number, segment in enumerate(dict.fromkeys(nic_tags.values())):
            members = [tag for tag, known in nic_tags.items() if known == segment]
            for vlan in self._vlans:
                nic = f"nic{number}" if not vlan else f"nic{number}.{vlan}"
                bridge = f"br{number}" if not vlan else f"br{number}.{vlan}"
                on = segment if not vlan else f"{segment}.{vlan}"
                port = self.lab.connect(zone, nic, segment=on)
                made = zone.route.add_bridge(bridge)
                zone.route.set_link(port.index, master=made.index)
                zone.route.set_link(made.index, up=True)
                links |= {f"{tag}.{vlan}": bridge for tag in members}
            link = zone.route.link(f"nic{number}")
            assert link is not None
            tags |= {tag: {"link": link.name, "mac": link.mac.hex(":")} for tag in members}
        return {"nic_tags": tags, "links": links}


def _mapped_users() -> int:
    """Return how many user ids there are in our user namespace."""
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[2]) for line in lines)
