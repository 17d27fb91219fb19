"""Faults of the host and its network port: clocks, memory, a port that is slow to forward."""

import os
import resource
import time
from contextlib import suppress
from pathlib import Path

from bench.peers import INTERFACE, NODES, VIP
from bench.scene import Scene
from carpool.lab.faults import crash, heal, partition, plug, unplug

HOUR = 3600
SLOW = 30
"""Seconds until a port forwards: twice the forward delay of IEEE 802.1D."""
HOLD_DOWN = 40
"""For those who have a delay for that."""


def _set_clock(scene: Scene, name: str, seconds: int) -> None:
    clock = scene.setup.clock(name)
    clock.with_suffix(".new").write_text(f"{seconds:+}\n")
    clock.with_suffix(".new").replace(clock)


def set_backup_forward(scene: Scene) -> None:
    """Set the wall clock of the backup forward by an hour."""
    _set_clock(scene, "b", HOUR)


def set_master_back(scene: Scene) -> None:
    """Set the wall clock of the master back by an hour."""
    _set_clock(scene, "a", -HOUR)


def slow_port(scene: Scene) -> None:
    """Pull the master's cable for 5 s; the port has carrier again long before it forwards."""
    zone = scene.zone("a")
    unplug(scene.lab, zone)
    time.sleep(5)
    partition(scene.lab, zone)
    plug(scene.lab, zone)
    time.sleep(SLOW)
    heal(scene.lab, zone)
    scene.end()


def boot(scene: Scene) -> None:
    """Take the master's power away; it boots, and its port is slow to forward."""
    zone = scene.zone("a")
    crash(scene.lab, zone)
    time.sleep(3)
    scene.lab.connect(zone, INTERFACE, [NODES["a"]])
    partition(scene.lab, zone)
    scene.echo("a")
    scene.learn()
    scene.run("a")
    time.sleep(SLOW)
    heal(scene.lab, zone)
    scene.end()


def insist(scene: Scene) -> None:
    """Delete the address as often as it is there, for 10 s, as a network manager would."""
    zone = scene.zone("a")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for address in zone.addresses():
            if address.ip == VIP:
                zone.route.delete_address(zone.ports[INTERFACE].index, address)
        time.sleep(0.2)
    scene.end()


def out_of_memory(scene: Scene) -> None:
    """Give the backup no more memory than it has, and let the master die."""
    for pid in scene.of_daemon("b"):
        with suppress(ProcessLookupError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
            used = pages * os.sysconf("SC_PAGESIZE")
            resource.prlimit(pid, resource.RLIMIT_AS, (used, used))
    scene.begin()
    crash(scene.lab, scene.zone("a"))
