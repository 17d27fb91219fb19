"""The faults: what each is, how it is made, and why it costs what it costs."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from pathlib import Path

from bench import host_faults as host
from bench.peers import INTERFACE, VIP, Hook
from bench.scene import Scene
from carpool.carp.frames import gratuitous_arp
from carpool.lab.faults import crash, heal, lose, partition, plug, unplug

PAUSE = 6  # seconds: twice the backup's patience
HANG = {"b": Hook("exec sleep 30")}
FAIL = {"b": Hook("exit 1", works=False)}
MISSING = {"b": Hook(None)}
CHILDREN = {"b": Hook("sleep 30 & sleep 30 & exit 0")}
FLOOD = {"b": Hook("exec timeout 5 yes flood")}
NOWHERE = Path("/dev/null")
FULL = Path("/dev/full")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `act` makes it, and mends what is to be mended; then it is watched for a while."""

    title: str
    why: str
    """What to know of it: why the daemons differ."""
    act: Callable[[Scene], None]
    watch: float = 5.0
    """Seconds after `act`."""
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    log: Path | None = None
    hold_down: int = 0
    """Seconds, for those daemons that have such a thing."""
    clocks: bool = False
    """Whether each daemon has a wall clock of its own."""
    alone: bool = False
    """Whether other labs must not run beside it."""


def kill(scene: Scene) -> None:
    """Kill every process of the master's daemon."""
    scene.signal("a", signal.SIGKILL)


def crash_node(scene: Scene) -> None:
    """Take the master's power away."""
    crash(scene.lab, scene.zone("a"))


def stop(scene: Scene) -> None:
    """Stop the master's daemon cleanly."""
    scene.stop("a")


def restart(scene: Scene) -> None:
    """Stop and start the master's daemon, as a package upgrade does."""
    scene.stop("a")
    scene.run("a")


def reload(scene: Scene) -> None:
    """Have the master take up new files, or a new program, by the gentlest means that it has."""
    if scene.peer.name == "carpool":
        run = ["--run-dir", str(scene.setup.folder / "run")]
        command = [sys.executable, "-P", "-m", "carpool", "restart", "--node", "a", *run]
        subprocess.run(command, check=True, capture_output=True)
    elif scene.peer.name == "keepalived":
        scene.daemons["a"][0].send_signal(signal.SIGHUP)
    else:
        restart(scene)


def pause(scene: Scene) -> None:
    """Stop the master's processes for a while."""
    scene.signal("a", signal.SIGSTOP)
    time.sleep(PAUSE)
    scene.end()
    scene.signal("a", signal.SIGCONT)


def pull_cable(scene: Scene) -> None:
    """Pull the master's cable for 5 s."""
    unplug(scene.lab, scene.zone("a"))
    time.sleep(5)
    plug(scene.lab, scene.zone("a"))
    scene.end()


def flap(scene: Scene) -> None:
    """Let the master's link go and come back five times."""
    for _ in range(5):
        unplug(scene.lab, scene.zone("a"))
        time.sleep(0.3)
        plug(scene.lab, scene.zone("a"))
        time.sleep(0.7)
    scene.end()


def split(scene: Scene) -> None:
    """Cut the master off behind a live switch port, then join the halves."""
    partition(scene.lab, scene.zone("a"))
    time.sleep(PAUSE)
    heal(scene.lab, scene.zone("a"))
    scene.end()


def split_and_rival_dies(scene: Scene) -> None:
    """Cut the master off, and let the one that took over die before the halves are joined."""
    partition(scene.lab, scene.zone("a"))
    time.sleep(PAUSE)
    crash(scene.lab, scene.zone("b"))
    heal(scene.lab, scene.zone("a"))
    scene.end()


def mute(scene: Scene) -> None:
    """Lose all that the master sends; it hears everything."""
    lose(scene.zone("a"), 100)
    time.sleep(PAUSE)
    lose(scene.zone("a"), 0)
    scene.end()


def deaf_backup(scene: Scene) -> None:
    """Let a switch keep the master's multicasts from the backup, and nothing else."""
    ports = [scene.zone(name).ports[INTERFACE].hub_index for name in "ab"]
    multicast = "ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00"
    rule = f"iif {ports[0]} oif {ports[1]} {multicast} ether type ip drop"
    chain = "forward { type filter hook forward priority 0; }"
    _nft(
        "add table bridge snooping",
        f"add chain bridge snooping {chain}",
        f"add rule bridge snooping forward {rule}",
    )
    time.sleep(PAUSE)
    _nft("delete table bridge snooping")
    scene.end()


def delete_address(scene: Scene) -> None:
    """Take the address off, as an administrator or a network manager would."""
    scene.ip("a", "address", "delete", f"{VIP}/32", "dev", INTERFACE)


def delete_interface(scene: Scene) -> None:
    """Delete the master's interface, and make it again."""
    zone = scene.zone("a")
    port = zone.ports[INTERFACE]
    zone.route.delete_link(port.index)
    time.sleep(2)
    scene.lab.connect(zone, INTERFACE, port.addresses)
    scene.learn()
    scene.end()


def change_mac(scene: Scene) -> None:
    """Give the master's interface another hardware address."""
    scene.ip("a", "link", "set", INTERFACE, "address", "02:00:00:00:00:77")


def change_mtu(scene: Scene) -> None:
    """Give the master's interface another MTU."""
    scene.ip("a", "link", "set", INTERFACE, "mtu", "1280")


def use_by_stranger(scene: Scene) -> None:
    """Let another machine take the address and tell everybody."""
    zone = scene.stranger()
    link = zone.route.link(INTERFACE)
    assert link is not None
    with zone.namespace.entered():
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    scene.begin()
    zone.route.add_address(link.index, IPv4Interface(f"{VIP}/32"))
    with packet:
        packet.sendto(gratuitous_arp(link.mac, VIP.packed), (INTERFACE, 0))


def stop_and_come_back(scene: Scene) -> None:
    """Stop the master; once the other has taken over, with its odd script, start it again."""
    scene.stop("a")
    _wait_at_most(5, lambda: scene.answers()[-1].zone == "b")
    scene.run("a")
    scene.end()


def out_of_descriptors(scene: Scene) -> None:
    """Let the backup open no file any more, and then the master die."""
    scene.without_descriptors("b")
    scene.begin()
    crash(scene.lab, scene.zone("a"))


def two_daemons(scene: Scene) -> None:
    """Start a second daemon on the master with the same files, and stop it after a while."""
    first = scene.daemons["a"]
    (second,) = scene.run("a")
    scene.daemons["a"] = first
    time.sleep(5)
    if second.poll() is None:
        second.send_signal(signal.SIGTERM)
        second.wait(10)
    scene.end()


def _nft(*commands: str) -> None:
    script = "\n".join(commands)
    subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True, capture_output=True)


def _wait_at_most(seconds: float, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)


FAULTS: dict[str, Fault] = {
    "crash": Fault(
        "the master's node loses its power",
        "Nobody can say a word, so all wait for three missed advertisements. ucarp also hears with "
        "up to a second's delay, because its packet capture is buffered.",
        crash_node,
    ),
    "stop": Fault(
        "the master's daemon is stopped cleanly",
        "ucarp leaves without a word. keepalived says priority 0, and the backup still waits for "
        "its skew. carpool bows out, and a backup takes over in milliseconds.",
        stop,
    ),
    "restart": Fault(
        "the master's daemon is stopped and started again",
        "As a clean stop; the old master comes back as a backup.",
        restart,
    ),
    "reload": Fault(
        "the master's daemon takes up its files anew, by the gentlest means that it has",
        "ucarp must be stopped and started. keepalived reads its files again on SIGHUP, with the "
        "program it has; `carpool restart` replaces the program, too, and the peer never notices. "
        "(On a machine that is too busy it refuses; then the round is measured again.)",
        reload,
    ),
    "kill": Fault(
        "the master's daemon is killed (SIGKILL, all its processes)",
        "The address that a dead daemon put on stays on, and the kernel answers for it, unless "
        "it was put on with a lifetime that each advertisement renews, as carpool does. The price "
        "is a second of darkness: the address has gone before a backup may put it on.",
        kill,
    ),
    "pause": Fault(
        "the master's daemon is stopped for 6 s (SIGSTOP) and goes on",
        "The kernel goes on answering for a frozen daemon, as for a killed one. On waking, "
        "carpool reads what has arrived before it speaks.",
        pause,
    ),
    "cable": Fault(
        "the master's cable is pulled for 5 s",
        "The one with the cable out has no way to say so: three missed advertisements.",
        pull_cable,
    ),
    "flap": Fault(
        "the master's link flaps: five times 0.3 s down, 0.7 s up",
        "What is best here is to do nothing. ucarp looks at the link every ten seconds and "
        "misses the flaps; carpool takes the address off after 50 ms, and stays master for half an "
        "advertisement interval in which the link may come back. (Measured by itself: the kernel "
        "tells of a carrier late when many come and go.)",
        flap,
        alone=True,
    ),
    "partition": Fault(
        "the master is cut off behind a live switch port for 6 s",
        "Each half elects its master, as it must. Where the halves meet there are two, until one "
        "has heard the other: with carpool 20 ms and an answer, for who took over from silence "
        "advertises so often (`seek_rival`).",
        split,
    ),
    "partition-rival-dies": Fault(
        "the same, and the node that took over dies as the halves are joined",
        "Nobody is left to tell the survivor that the neighbours still believe in its rival: "
        "only an announcement that it repeats by itself ends that, or their ARP timeouts. "
        "carpool announces every 2 s (`announce_every`).",
        split_and_rival_dies,
        watch=12,
    ),
    "one-way": Fault(
        "all that the master sends is lost for 6 s, and it hears everything",
        "The mute master hears a weaker one take over and stays, since it cannot know.",
        mute,
    ),
    "multicast-filter": Fault(
        "a switch keeps the master's multicasts from the backup for 6 s",
        "The backup must take the silence for a death. The stronger master hears it and answers, "
        "but is not heard: two masters until the filter is gone, with every such protocol.",
        deaf_backup,
    ),
    "vip-deleted": Fault(
        "an administrator deletes the address",
        "ucarp never looks. keepalived becomes backup and at once master again; carpool puts the "
        "address back and announces it.",
        delete_address,
    ),
    "vip-deleted-again-and-again": Fault(
        "a program deletes the address whenever it is there, for 10 s",
        "ucarp never looks. keepalived puts it back as often as it goes. carpool does so four "
        "times, once a second; then it lets another node take over, says so in an error, and is "
        "not the first to try again for a minute.",
        host.insist,
        watch=12,
    ),
    "interface": Fault(
        "the master's interface is deleted, and made again after 2 s",
        "The backup takes over after three missed advertisements.",
        delete_interface,
    ),
    "mac": Fault(
        "the master's MAC address is changed",
        "Neighbours send to the old MAC until they ask again. carpool announces the new one.",
        change_mac,
    ),
    "mtu": Fault("the master's MTU is changed to 1280", "Nobody minds.", change_mtu),
    "stranger": Fault(
        "a stranger puts the address on and announces it once",
        "The neighbours believe whoever spoke last. ucarp and keepalived do not listen; carpool "
        "does, says the stranger's MAC in an error, and announces the address again. (Dark is "
        "here what the stranger answered.)",
        use_by_stranger,
    ),
    "hook-hangs": Fault(
        "clean stop, the new master's script hangs for 30 s, the old one's daemon is started",
        "ucarp waits for its script and sends nothing meanwhile, so that the other one becomes "
        "master, too.",
        stop_and_come_back,
        hooks=HANG,
        watch=8,
    ),
    "hook-fails": Fault(
        "the same, and the script fails at once",
        "With ucarp it is the script that puts the address on.",
        stop_and_come_back,
        hooks=FAIL,
    ),
    "hook-missing": Fault(
        "the same, and there is no such script",
        "As when it fails.",
        stop_and_come_back,
        hooks=MISSING,
    ),
    "hook-floods": Fault(
        "the same, and the script prints as fast as it can for 5 s",
        "ucarp waits for it, as above. carpool reads and drops what is too much.",
        stop_and_come_back,
        hooks=FLOOD,
        log=NOWHERE,
        watch=8,
    ),
    "hook-children": Fault(
        "the same, and the script leaves two programs running, which hold its output",
        "Who waits for a script must not wait for what it has left behind.",
        stop_and_come_back,
        hooks=CHILDREN,
    ),
    "disk-full": Fault(
        "the disk with the logs is full; the master's node loses its power",
        "Nobody needs the disk for a takeover.",
        crash_node,
        log=FULL,
    ),
    "descriptors": Fault(
        "the backup can open no file any more; the master's node loses its power",
        "All have open what a takeover needs, but for ucarp's script. (The limit is set with "
        "prlimit(2), which the script inherits.)",
        out_of_descriptors,
    ),
    "memory": Fault(
        "the backup gets no more memory than it has; the master's node loses its power",
        "A takeover needs none that is not there. (The limit is RLIMIT_AS, set with prlimit(2).)",
        host.out_of_memory,
    ),
    "clock-forward": Fault(
        "the wall clock of the backup is set forward by an hour",
        "carpool's and keepalived's timers run on the kernel's monotonic clocks, which nobody can "
        "set. ucarp's run on the wall clock; but a backup sets its timer anew with each "
        "advertisement, which comes before it looks at the timer.",
        host.set_backup_forward,
        clocks=True,
    ),
    "clock-back": Fault(
        "the wall clock of the master is set back by an hour",
        "A ucarp waits for its next advertisement for an hour, and goes on answering.",
        host.set_master_back,
        clocks=True,
        watch=8,
    ),
    "slow-port": Fault(
        "the master's cable is pulled for 5 s, and then its port forwards nothing for 30 s",
        "As with the spanning tree. Behind such a port a node believes itself alone, and is a "
        "second master until the port forwards, unless it waits for longer: carpool's `hold_down` "
        "is 40 s here; ucarp and keepalived have nothing like it for a link that comes back.",
        host.slow_port,
        hold_down=host.HOLD_DOWN,
    ),
    "boot": Fault(
        "the master's node loses its power, and boots behind a port that forwards nothing for 30 s",
        "The same at a boot; here keepalived has `vrrp_startup_delay`, 40 s as well.",
        host.boot,
        hold_down=host.HOLD_DOWN,
    ),
    "two-daemons": Fault(
        "a second daemon is started on the master with the same files, stopped after 5 s",
        "ucarp's second copy takes the address off when it is stopped, and the first never looks. "
        "keepalived and carpool refuse to start twice.",
        two_daemons,
    ),
}

NOT_MEASURED = {
    "Suspend": (
        "a machine that sleeps takes the bench with it. carpool's clock is the one that counts "
        "sleep, so that a master that wakes up knows how late it is; it says how long the machine "
        "slept, and waits for a master afresh. Tests show that with clocks of their own."
    ),
}
