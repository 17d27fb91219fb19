"""What the doctor can find: the register of faults, with what each means and how it is mended.

A name is for users to search for and to quote, so it is never reused and keeps its meaning.
"""

from enum import Enum, unique


@unique
class Fault(Enum):
    """One kind of fault: its public name, its title, what it means, and the mend."""

    NOT_RUNNING = (
        "doctor-not-running",
        "no daemon answers here",
        (
            "The cluster file has this host as a node, and no daemon of that node answers. It "
            "takes no address over, and if no other node does either, nobody has it."
        ),
        "start it: carpool run FILE, or its service; its log says why it ended",
    )
    CAPABILITIES = (
        "doctor-capabilities",
        "a capability is missing",
        (
            "Advertising takes CAP_NET_RAW, and to hold an address takes CAP_NET_ADMIN. Without"
            " the first a node neither speaks nor hears, so it is master beside the master or "
            "cannot start; without the second it cannot take the address."
        ),
        (
            "run the daemon as root, or give its service both: AmbientCapabilities=CAP_NET_RAW "
            "CAP_NET_ADMIN of systemd, --cap-add of a container"
        ),
    )
    LINK = (
        "doctor-link",
        "the interface cannot be used",
        (
            "An interface that is missing, switched off or without a carrier hears nobody and "
            "reaches nobody. Its groups are not master here."
        ),
        "mend the cable or the name, or switch it on: ip link set NAME up",
    )
    FIREWALL = (
        "doctor-firewall",
        "this host's packet filter drops advertisements",
        (
            "Advertisements are IP protocol 112. Dropped on input, a backup does not hear the "
            "master and becomes one beside it; dropped on output, the others do not hear this "
            "one."
        ),
        (
            "accept protocol 112 both ways on this interface; nftables: meta l4proto 112 accept; "
            "iptables: -p 112 -j ACCEPT in INPUT and OUTPUT"
        ),
    )
    SILENT = (
        "doctor-silent",
        "a master that says nothing",
        (
            "The daemon says that it is master, and none of its advertisements left the host. "
            "Every backup takes over from it."
        ),
        (
            "look into its log for what its system refuses; a packet filter on output, or a "
            "frozen daemon, does this"
        ),
    )
    ADDRESSES = (
        "doctor-addresses",
        "nodes with different virtual addresses",
        (
            "The virtual addresses are part of what an advertisement signs. Nodes that do not "
            "have exactly the same ones reject each other, and each is master."
        ),
        "give the group the same addresses on every node",
    )
    PASSWORD = (
        "doctor-password",
        "nodes with different passwords",
        (
            "An advertisement is signed with the password. Nodes that do not share it reject "
            "each other, and each is master."
        ),
        "give the group the same password on every node",
    )
    VHID = (
        "doctor-vhid",
        "nodes with different vhids",
        (
            "The advertisement has our password and our addresses, and another vhid. Nodes take"
            " it for another group's, so each is master of the same addresses."
        ),
        "give the group the same vhid on every node",
    )
    VHID_CLASH = (
        "doctor-vhid-clash",
        "somebody else uses the vhid",
        (
            "CARP clusters and VRRP routers share the protocol number and, over IPv4, the MAC "
            "addresses that are made from the vhid. Two of them with one number reject each "
            "other's advertisements, and switches see one MAC address in two places."
        ),
        (
            "give one of them another vhid: carpool scan IFACE tells which are free; if the sender "
            "is a node of yours, put it into the file, and give it the same password and addresses"
        ),
    )
    ADVBASE = (
        "doctor-advbase",
        "nodes with different advbase",
        (
            "A backup waits for three times its own advbase. If the master's is longer, the "
            "backup takes over between two of its advertisements, again and again. advbase is "
            "not signed, so nothing else notices."
        ),
        "give the group the same advbase on every node",
    )
    EQUAL_SKEW = (
        "doctor-equal-skew",
        "preempt between nodes of equal advskew",
        (
            "With preempt the node of the lowest advskew takes the address back. Among equals "
            "none is preferred: ucarp and the kernels then yield by rules of their own, and "
            "both may do so at once, or neither."
        ),
        "give each node another advskew",
    )
    CONSTANT_COUNTER = (
        "doctor-constant-counter",
        "a peer that repeats one counter",
        (
            "The counter is what tells an advertisement from its replay. OpenBSD sends one for "
            "as long as it runs; so does somebody who replays what was recorded. carpool "
            'refuses it, unless the group has replay = "off", and then there are two masters.'
        ),
        'if the sender is an OpenBSD of yours: replay = "off"; if not, find who sends',
    )
    REPLAY = (
        "doctor-replay",
        "advertisements that were heard before",
        (
            "Somebody sends again what was sent before, by intent or through a loop in the "
            "network. carpool refuses it; ucarp and the kernels obey, and stay backups of a "
            "master that is gone."
        ),
        (
            "find the sender by its MAC address in the switch; a new password ends it: "
            "docs/replay.md"
        ),
    )
    TTL = (
        "doctor-ttl",
        "advertisements through a router",
        (
            "An advertisement leaves with a TTL of 255, and nobody takes less: it has come "
            "through a router, or something on the way rewrites it."
        ),
        "put the nodes on one network; stop what forwards or rewrites 224.0.0.18",
    )
    MULTICAST_GROUP = (
        "doctor-multicast-group",
        "advertisements to another multicast group",
        (
            "Nodes hear only the group that their file names (224.0.0.18 where it names none). "
            "With different ones they do not hear each other, and each is master."
        ),
        "set `multicast` (ucarp: --mcast) to the same group on every node",
    )
    MULTICAST = (
        "doctor-multicast",
        "a node that answers, and whose multicast does not arrive",
        (
            "The other node has the address, so it is master or was, and answers single frames;"
            " its advertisements, which are multicast, do not arrive here. Most often a switch "
            "or bridge with IGMP snooping (IPv6: MLD snooping) forgets who listens, because no "
            "querier asks; or protocol 112 is dropped on the way. Its daemon may also have died "
            "and left the address behind."
        ),
        (
            "look with carpool status whether that node is master; then give the switch a querier, "
            "or switch its snooping off; 224.0.0.18 and all of 224.0.0.0/24 it should flood in any "
            "case (RFC 4541 section 2.1.2)"
        ),
    )
    MAC_FILTER = (
        "doctor-mac-filter",
        "advertisements from a virtual MAC address that do not arrive",
        (
            "The advertisements leave with the source 00:00:5e:00:01:VHID, and another node "
            "does not hear them while its own arrive. Link protection of a hypervisor, a MAC "
            "filter, or port security of a switch drops what does not come from the port's own "
            "MAC address."
        ),
        'set source_mac = "real" for the group (the default), or allow the address on the port',
    )
    ONE_WAY = (
        "doctor-one-way",
        "a node that does not hear another",
        (
            "Two nodes advertise, and the slower one would be backup if it heard the faster "
            "one. So the way is open in one direction only, or the slower one drops or rejects "
            "what arrives."
        ),
        (
            "run carpool doctor on the node that does not hear: a packet filter, IGMP snooping "
            "on its port, or its own file"
        ),
    )
    UNANSWERED = (
        "doctor-unanswered",
        "a master that does not answer for the address",
        (
            "A master advertises, and nobody answers when asked who has the address: clients "
            "reach nobody. Link protection that does not list the address (allowed_ips of "
            "SmartOS) does this, or the address is not on the master's interface."
        ),
        "allow the address on the master's port; look there whether its interface has it",
    )
    STRANGER = (
        "doctor-stranger",
        "a stranger uses the address",
        (
            "A machine that does not advertise answers for the virtual address. Clients reach "
            "it or the master, by chance."
        ),
        "find it by its MAC address in the switch, and give it another address",
    )
    OWN_ADDRESS = (
        "doctor-own-address",
        "advertisements from this host's own address",
        (
            "What this host did not send arrives from its own address: another machine has the "
            "same real address, or a loop in the network brings its own frames back. Nodes "
            "reject it, so each of the two is master."
        ),
        (
            "give each node an address of its own; if the MAC address is this host's, look for "
            "a loop"
        ),
    )
    PEER_GONE = (
        "doctor-peer-gone",
        "a node that does not answer",
        (
            "The node is in the cluster file, and does not answer at any of its addresses. "
            "While it is away nobody takes over from this one; or the network is split, and it "
            "is master on the other side."
        ),
        "start it, or mend the network between; if it has been removed, take it out of the file",
    )
    BARRED = (
        "doctor-barred",
        "a node that must not be master, and nobody else is",
        "A demotion of 255 forbids this node to be master, and no other node advertises.",
        (
            "take it back: carpool promote, carpool maintenance off, or mend what the health "
            "check looks at"
        ),
    )
    LOSS = (
        "doctor-loss",
        "advertisements that are lost, or late",
        (
            "Some of a master's advertisements do not arrive, or it is late with them: a lossy or "
            "overloaded network, or a host that stalls. If dead_ratio of them in a row are "
            "missing, a backup takes over from a master that is alive."
        ),
        (
            "run carpool doctor on that node as well, which measures how it stalls; carpool "
            "check --loss PERCENT tells the dead_ratio that bears such a loss"
        ),
    )
    STALLS = (
        "doctor-stalls",
        "this host stalls",
        (
            "A process that wanted to wake up got the processor far too late. A master that "
            "stalls is late with its advertisements, and a backup takes over from it."
        ),
        (
            "look for what takes the processor: too many machines on one hypervisor (steal in "
            "top), snapshots, swapping; or give the group a longer advbase"
        ),
    )
    CLOCK = (
        "doctor-clock",
        "the clock jumps",
        (
            "The time of day was set back or forth by a step. carpool's timers do not follow "
            "it; those of ucarp do, and so it takes over too soon or much too late."
        ),
        "let one program keep the clock, by slewing: chrony, or ntpd",
    )
    TWO_MASTERS = (
        "doctor-two-masters",
        "two masters, for a reason that does not show here",
        "More than one node advertises the group for longer than an election takes.",
        "run carpool doctor with the cluster file on each of them",
    )
    NO_MASTER = (
        "doctor-no-master",
        "no master, for a reason that does not show here",
        "Nobody advertised the group, and nobody answers for its addresses.",
        "run carpool doctor with the cluster file on a node that should be master",
    )

    def __init__(self, code: str, title: str, means: str, mend: str) -> None:
        self.code = code
        self.title = title
        self.means = means
        self.mend = mend


BY_CODE = {fault.code: fault for fault in Fault}


def markdown() -> str:
    """Return all faults for docs/doctor.md: a table, then what each means."""
    lines = ["| finding | |", "| --- | --- |"]
    lines += [f"| [`{one.code}`](#{one.code}) | {one.title} |" for one in Fault]
    for one in Fault:
        lines += ["", f"### {one.code}", "", one.means, "", f"*Mend:* {one.mend}."]
    return "\n".join(lines) + "\n"
