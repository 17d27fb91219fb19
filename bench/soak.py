"""Three nodes and a random fault every few seconds: how long dark, how long two, how much memory.

Faults hit one node at a time and are mended before the next, sometimes only just: the daemons are
killed, stopped, restarted, frozen, cut off and robbed, and the nodes lose their power. Only the
daemon of node `c` is left alive, however it is treated, so that its memory can be compared.

    python -m bench.soak --minutes 10 --seed 1 [--json FILE]
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.observer import answering
from bench.peers import INTERFACE, NODES, PEERS, VIP
from bench.scene import MILLISECOND, NOISE, Scene
from carpool.lab.faults import crash, heal, lose, partition, plug, unplug
from carpool.lab.namespaces import LabError, inside, why_unsupported
from carpool.lab.probe import outages

SKEWS = {"a": 0, "b": 50, "c": 100}
VETERAN = "c"
ASK_EVERY = 5 * MILLISECOND
SETTLE = 10.0  # seconds at the end

Act = Callable[[Scene, str, Random], None]


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was made, to which node, whether that was master, and when it began (ns)."""

    fault: str
    node: str
    master: bool
    when: int


def stop(scene: Scene, node: str, random: Random) -> None:
    """Stop the daemon, and start it later."""
    scene.stop(node)
    time.sleep(random.uniform(0, 5))
    scene.run(node)


def kill(scene: Scene, node: str, random: Random) -> None:
    """Kill the daemon, and start it later."""
    scene.signal(node, signal.SIGKILL)
    time.sleep(random.uniform(0, 6))
    scene.run(node)


def power(scene: Scene, node: str, random: Random) -> None:
    """Take the node's power away; it boots later."""
    crash(scene.lab, scene.zone(node))
    time.sleep(random.uniform(1, 6))
    scene.lab.connect(scene.zone(node), INTERFACE, [NODES[node]])
    scene.echo(node)
    scene.learn()
    scene.run(node)


def pause(scene: Scene, node: str, random: Random) -> None:
    """Freeze the daemon for a while."""
    scene.signal(node, signal.SIGSTOP)
    time.sleep(random.uniform(0.5, 8))
    scene.signal(node, signal.SIGCONT)


def give_up(scene: Scene, node: str, _: Random) -> None:
    """Let the daemon hand over, if it is master."""
    scene.daemons[node][0].send_signal(signal.SIGUSR2)


def pull_cable(scene: Scene, node: str, random: Random) -> None:
    """Pull the cable for a while."""
    unplug(scene.lab, scene.zone(node))
    time.sleep(random.uniform(0.1, 6))
    plug(scene.lab, scene.zone(node))


def split(scene: Scene, node: str, random: Random) -> None:
    """Cut the node off behind a live switch port for a while."""
    partition(scene.lab, scene.zone(node))
    time.sleep(random.uniform(0.1, 8))
    heal(scene.lab, scene.zone(node))


def lossy(scene: Scene, node: str, random: Random) -> None:
    """Lose a third of what the node sends, for a while."""
    lose(scene.zone(node), 33)
    time.sleep(random.uniform(2, 8))
    lose(scene.zone(node), 0)


def delete_address(scene: Scene, node: str, _: Random) -> None:
    """Delete the virtual address, if it is there."""
    zone = scene.zone(node)
    for address in zone.addresses():
        if address.ip == VIP:
            zone.route.delete_address(zone.ports[INTERFACE].index, address)


def delete_interface(scene: Scene, node: str, random: Random) -> None:
    """Delete the interface, and make it again."""
    zone = scene.zone(node)
    zone.route.delete_link(zone.ports[INTERFACE].index)
    time.sleep(random.uniform(0, 4))
    scene.lab.connect(zone, INTERFACE, [NODES[node]])
    scene.learn()


def change_mac(scene: Scene, node: str, random: Random) -> None:
    """Give the interface another hardware address."""
    mac = f"02:00:00:{random.randrange(256):02x}:{random.randrange(256):02x}:01"
    scene.ip(node, "link", "set", INTERFACE, "address", mac)


FAULTS: dict[str, Act] = {
    "clean stop, later a start": stop,
    "SIGKILL, later a start": kill,
    "power lost, later a boot": power,
    "SIGSTOP, later SIGCONT": pause,
    "told to give up mastership": give_up,
    "cable pulled": pull_cable,
    "cut off behind a live port": split,
    "a third of the frames lost": lossy,
    "address deleted": delete_address,
    "interface deleted and made": delete_interface,
    "MAC address changed": change_mac,
}
DEADLY = (stop, kill, power)


def soak(minutes: float, seed: int, folder: Path) -> dict[str, Any]:
    """Run it in a lab of its own and return the figures."""
    random = Random(seed)
    struck: list[Struck] = []
    with Scene(PEERS["carpool"], folder, skews=SKEWS, ask_every=ASK_EVERY) as scene:
        memory = [_memory(scene)]
        began = time.monotonic_ns()
        while time.monotonic_ns() - began < minutes * 60e9:
            struck.append(_strike(scene, random))
            print(f"{(struck[-1].when - began) / 1e9:7.1f} s  {struck[-1]}", file=sys.stderr)
            time.sleep(random.uniform(1, 5))
        time.sleep(SETTLE)
        recovered = scene.cost().recovered
        memory.append(_memory(scene))
        figures = _figures(scene, struck, began)
    return {"seed": seed, "minutes": minutes, "recovered": recovered, "memory": memory, **figures}


def _strike(scene: Scene, random: Random) -> Struck:
    """Make a fault: half of them to the master, if there is one."""
    master = scene.answers()[-1].zone
    node = master if random.random() < 0.5 else random.choice(scene.nodes)
    allowed = [name for name, act in FAULTS.items() if node != VETERAN or act not in DEADLY]
    fault = random.choice(allowed)
    begun = Struck(fault, node, node == master, time.monotonic_ns())
    FAULTS[fault](scene, node, random)
    return begun


def _memory(scene: Scene) -> int:
    """Return the resident memory of the veteran, in KiB: of the daemon, without its guard."""
    status = Path(f"/proc/{scene.daemons[VETERAN][0].pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def _figures(scene: Scene, struck: list[Struck], began: int) -> dict[str, Any]:
    """Return all dark time and all time of two (ms), and what each kind of fault had of it."""
    now = time.monotonic_ns()
    macs = scene.macs
    gaps = [(gap.start, gap.duration) for gap in outages(scene.answers(), at_least=NOISE)]
    dark = [(start, duration) for start, duration in gaps if start >= began]
    two = [
        (start, stop - start)
        for start, stop, answered in answering(scene.seen(), now)
        if start >= began and len(answered & macs) > 1
    ]
    kinds: dict[str, dict[str, Any]] = {}
    for one, following in zip(struck, [*struck[1:], None], strict=True):
        since = one.when - NOISE  # the last answer came before the fault
        until = following.when - NOISE if following else now
        kind = kinds.setdefault(
            one.fault, {"times": 0, "master": 0, "dark": 0.0, "longest": 0.0, "two": 0.0}
        )
        mine = [length for start, length in dark if since <= start < until]
        kind["times"] += 1
        kind["master"] += one.master
        kind["dark"] += sum(mine) / MILLISECOND
        kind["longest"] = max([kind["longest"], *(length / MILLISECOND for length in mine)])
        kind["two"] += sum(length for start, length in two if since <= start < until) / 1e6
    return {
        "faults": len(struck),
        "seconds": (now - began) / 1e9,
        "dark": sum(length for _, length in dark) / MILLISECOND,
        "two": sum(length for _, length in two) / MILLISECOND,
        "kinds": kinds,
    }


def _run(minutes: float, seed: int, folder: Path) -> int:
    try:
        figures = soak(minutes, seed, folder)
    except TimeoutError as error:
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()[-2000:]}", file=sys.stderr)
        print(error, file=sys.stderr)
        return 1
    (folder / "figures").write_text(json.dumps(figures))
    return 0


def main() -> int:
    """Check that this machine can, then do."""
    parser = argparse.ArgumentParser("python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1, help="for the same faults again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the daemons' logs there")
    options = parser.parse_args()
    reason = why_unsupported()
    if reason:
        print(f"bench.soak: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            status = inside(lambda: _run(options.minutes, options.seed, folder))
        except LabError as error:
            print(f"bench.soak: {error}", file=sys.stderr)
            return 2
        if options.logs:
            options.logs.mkdir(parents=True, exist_ok=True)
            for log in folder.glob("*.log"):
                (options.logs / log.name).write_text(log.read_text())
        if status != 0:
            return status
        figures = json.loads((folder / "figures").read_text())
    command = f"python -m bench.soak --minutes {options.minutes:g} --seed {options.seed}"
    figures |= {"command": command, "date": time.strftime("%Y-%m-%d", time.gmtime())}
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
