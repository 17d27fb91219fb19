"""A SmartOS lab for one test, payloads for its zones, and waiting."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_interface
from typing import Any

import pytest

from carpool.lab.network import Lab
from carpool.lab.smartos.hypervisor import Hypervisor
from carpool.lab.smartos.lab import IMAGE, SmartosLab

NEEDS = [
    pytest.mark.namespaces,
    pytest.mark.peer("sshd", "ssh", "ssh-keygen", "nft", "ip"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the SmartOS lab has users of its own: be root"),
]
UUID = "6a9bb8a2-4b1c-4c8c-9e5d-0c8a3d1f7e11"
OTHER_UUID = "0b5b9d0e-6a1f-4d57-8d53-2f3f7a1c9e22"
VIP = "192.168.0.200"

Payload = dict[str, Any]


@contextmanager
def smartos(
    *names: str, disk_bytes: int = 256 << 20, **options: Any
) -> Iterator[tuple[SmartosLab, list[Hypervisor]]]:
    """Yield a lab with hypervisors of these names, which have the image; their logs if it fails."""
    with Lab() as lab, SmartosLab(lab, **options) as datacenter:
        hosts = [
            datacenter.add_hypervisor(
                name, ip_interface(f"192.168.0.{number}/16"), images=[IMAGE], disk_bytes=disk_bytes
            )
            for number, name in enumerate(names, 1)
        ]
        try:
            yield datacenter, hosts
        except BaseException:
            for host in hosts:
                print(f"--- {host.name}\n{host.log.read_text()}")
            raise


@contextmanager
def one_host(**options: Any) -> Iterator[Hypervisor]:
    with smartos("gz1", **options) as (_, (host,)):
        yield host


def payload(number: int = 201, /, **changes: Any) -> Payload:
    """Return the payload of a zone at 192.168.0.NUMBER; None takes a property out."""
    made = {
        "brand": "joyent",
        "image_uuid": IMAGE.uuid,
        "uuid": UUID,
        "alias": f"web{number}",
        "hostname": f"web{number}",
        "nics": [nic(number)],
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def nic(number: int = 201, /, **changes: Any) -> Payload:
    made = {"nic_tag": "external", "ips": [f"192.168.0.{number}/24"], "primary": True, **changes}
    return {name: value for name, value in made.items() if value is not None}


def create(host: Hypervisor, made: Payload) -> str:
    """Make a zone; return its UUID."""
    done = host.run("vmadm create", json.dumps(made))
    assert done.returncode == 0, done.stderr
    return str(made["uuid"])


def in_zone(host: Hypervisor, uuid: str, command: str, stdin: str = "") -> str:
    """Return what a command in a zone prints; it must succeed."""
    done = login(host, uuid, command, stdin)
    assert done[0] == 0, done
    return done[1]


def login(host: Hypervisor, uuid: str, command: str, stdin: str = "") -> tuple[int, str, str]:
    """Return the exit code of a command in a zone, and what it prints."""
    quoted = command.replace("'", "'\\''")
    done = host.run(f"zlogin {uuid} '{quoted}'", stdin)
    return done.returncode, done.stdout, done.stderr


def state(host: Hypervisor, uuid: str, service: str) -> str:
    return login(host, uuid, f"svcs -H -o state {service}")[1].strip()
