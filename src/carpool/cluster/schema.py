"""Every key of a cluster file: what it takes, its default, and one line about it.

Those of health checks are in ``check_schema`` and those of notifiers in ``notify_schema``, which a
node without them need not load.
``load`` reads files by these tables, and manual pages are written from them.
"""

from __future__ import annotations

from carpool.cluster import readers, zone_readers
from carpool.cluster.fast_rules import Interval
from carpool.cluster.table import Field, Table

CLUSTER = Table(
    "[cluster]",
    "The cluster as a whole. The table may be left out.",
    (Field("name", readers.Name('"web"'), "Name of the cluster, for people.", "carpool"),),
)

NODE = Table(
    "[nodes.NAME]",
    "One machine of the cluster.",
    (
        Field(
            "address",
            readers.Addresses('"192.168.0.201/24"'),
            "The node's own, permanent address; a list if it has IPv4 and IPv6. "
            "By it a host finds out which node it is.",
            required=True,
        ),
        Field(
            "interface",
            readers.InterfaceName(),
            "Network interface that has the address, and gets the virtual ones.",
            required=True,
        ),
        Field(
            "weight",
            readers.Integer(0, 255, "100"),
            "How much the node is preferred, 0 to 255: the heaviest is to be master.",
            100,
        ),
        Field(
            "realtime",
            readers.Boolean(),
            "Whether the daemon may, if the system permits it, have a real-time priority while its "
            "program is replaced; and with a group of the fast profile as long as it runs, with "
            "its memory kept from being paged out.",
            default=True,
        ),
        Field(
            "hostname",
            zone_readers.HOSTNAME,
            "Host name of the node.",
            absent="the node's name",
        ),
        Field(
            "hypervisor",
            zone_readers.HYPERVISOR,
            "Where the node's zone is: the SmartOS global zone, as ssh is to reach it, "
            "[user@]host[:port].",
            absent="none: the node is no zone that carpool makes",
        ),
        Field(
            "alias",
            zone_readers.ALIAS,
            "Alias of the zone, which vmadm lists.",
            absent="the host name",
        ),
        Field(
            "uuid",
            zone_readers.UUID,
            "UUID of the zone.",
            absent="made from the names of the cluster and the node, always the same",
        ),
    ),
    tables=("zone",),
)

ZONE = Table(
    "[zone]",
    "What the SmartOS zone of every node is like; a file without it is of other machines. "
    "A table [nodes.NAME.zone] with the same keys overrides it for one node.",
    (
        Field(
            "brand",
            readers.Choice("joyent", "joyent-minimal", "lx"),
            "Brand of the zone.",
            "joyent",
        ),
        Field(
            "image",
            zone_readers.UUID,
            "UUID of the image that the zone is made from.",
            required=True,
        ),
        Field(
            "kernel_version",
            zone_readers.KERNEL_VERSION,
            "Linux version that the zone reports; brand lx needs it, the others have none.",
            absent="none",
        ),
        Field(
            "memory",
            readers.Integer(64, 4_194_304, "256"),
            "Memory of the zone in MiB.",
            256,
        ),
        Field("quota", readers.Integer(1, 1_048_576, "10"), "Disk space of the zone in GiB.", 10),
        Field(
            "nic_tag",
            zone_readers.NIC_TAG,
            "Tag of the physical network that the zone's nic is on.",
            required=True,
        ),
        Field("vlan", readers.Integer(0, 4095, "0"), "VLAN of the nic; 0 for none.", 0),
        Field(
            "mtu",
            readers.Integer(576, 9000, "1500"),
            "Largest packet of the nic in bytes.",
            absent="that of the nic tag",
        ),
        Field(
            "gateways",
            zone_readers.Hosts('["192.168.0.1"]', only_ipv4=True),
            "IPv4 addresses of the default routers.",
            absent="none",
        ),
        Field(
            "resolvers",
            zone_readers.Hosts('["192.168.0.53"]'),
            "Addresses of the DNS servers.",
            absent="none",
        ),
        Field("dns_domain", zone_readers.DOMAIN, "Domain of the zone.", absent="none"),
        Field(
            "packages",
            zone_readers.Words(zone_readers.PACKAGE),
            "Packages to install at the first boot.",
            absent="python312; for brand lx python3",
        ),
        Field(
            "services",
            zone_readers.Words(zone_readers.FMRI),
            "Services to enable in the zone after carpool.",
            absent="none",
        ),
        Field(
            "autoboot",
            readers.Boolean(),
            "Whether the zone boots with its hypervisor.",
            default=True,
        ),
    ),
)

GROUP = Table(
    "[groups.NAME]",
    "Virtual addresses that move together from node to node.",
    (
        Field(
            "vhid",
            readers.Integer(1, 255, "42"),
            "Virtual host id, 1 to 255: the group's number on its network segment.",
            required=True,
        ),
        Field(
            "addresses",
            readers.Addresses('["192.168.0.200/24"]'),
            "The virtual addresses, IPv4 and IPv6; without a prefix length, /32 or /128.",
            required=True,
        ),
        Field(
            "password_file",
            readers.FileName(),
            "File whose first line is the shared password, 1 to 20 bytes; "
            "relative to the cluster file.",
            required=True,
        ),
        Field(
            "accept_password_files",
            readers.FileNames(3),
            "Files of further passwords, up to 3, with which advertisements are accepted as well: "
            "for a change of the password without an outage.",
            absent="none",
        ),
        Field(
            "replay",
            readers.Choice("window", "strict", "off"),
            "Which advertisements are refused as replays: those that were heard before, also all "
            "that are not in sequence, or none, for OpenBSD.",
            "window",
        ),
        Field(
            "profile",
            readers.Choice("standard", "fast"),
            "How fast the group is: intervals from 1 s on as CARP has them, or of milliseconds, "
            "for which the daemon looks at what the machine can do.",
            "standard",
        ),
        Field(
            "interval",
            Interval(),
            "Time between two advertisements in the fast profile, 4ms to 996ms: rounded to "
            "n/256 s, which is what an advertisement can say.",
            absent="4ms, the shortest; in the standard profile by advbase and advskew",
        ),
        Field(
            "on_late",
            readers.Choice("raise", "refuse"),
            "What the daemon does in the fast profile about an interval that the machine cannot "
            "hold: use a longer one, or not start.",
            "raise",
        ),
        Field(
            "advbase",
            readers.Integer(0, 255, "1"),
            "Seconds between two advertisements of the master, 0 to 255; advskew is added.",
            1,
        ),
        Field(
            "advskew",
            readers.PerNode(readers.Integer(0, 255, "100")),
            "Delay added to advbase in 1/256 s, 0 to 255: the lowest is to be master. "
            "One for all nodes, or a table of one per node.",
            absent="from the weights: 0 for the heaviest, 20 more for each next; in the fast "
            "profile the interval, for all nodes",
        ),
        Field(
            "preempt",
            readers.Boolean(),
            "Whether a node takes over from a master that it outranks.",
            default=False,
        ),
        Field(
            "preempt_delay",
            readers.Seconds("60", shortest=0),
            "Seconds for which a node does not preempt after it started, its link came back, or it "
            "is less demoted.",
            0,
        ),
        Field(
            "hold_down",
            readers.Seconds("30", shortest=0),
            "Seconds by which a node waits longer for a master after it started or its link came "
            "back, unless it hears one: as long as a switch port needs until it forwards.",
            0,
        ),
        Field(
            "together",
            readers.Name('"edge"'),
            "A name that groups share which are to have their master on one node: where one of "
            "them is demoted, loses its link or cannot hold its addresses, so do all.",
            absent="none: the group is on its own",
        ),
        Field(
            "announce_every",
            readers.Seconds("60", shortest=0),
            "Seconds after which a master announces its addresses again, by gratuitous ARP or "
            "neighbour advertisement; 0 for never.",
            absent="2, or 0.1 for each virtual address of the file if that is more",
        ),
        Field(
            "seek_rival",
            readers.Seconds("600", shortest=0),
            "Seconds for which a master that took over because it heard nobody advertises every "
            "20 ms, to find the one that it was cut off from; 0 for never.",
            600,
        ),
        Field(
            "dead_ratio",
            readers.Integer(1, 255, "3"),
            "How many times advbase a backup waits for the master's advertisement, 1 to 255.",
            3,
        ),
        Field(
            "interface",
            readers.PerNode(readers.InterfaceName()),
            "Network interface of this group: one for all nodes, or a table of one per node.",
            absent="the node's interface",
        ),
        Field(
            "nodes",
            readers.Names("nodes", '["web1", "web2"]'),
            "The nodes that can hold the group; among equal weights the first is preferred.",
            absent="all nodes",
        ),
        Field(
            "up",
            readers.Command(),
            "Program to run after becoming master; a list to give it arguments.",
            absent="none",
        ),
        Field(
            "down",
            readers.Command(),
            "Program to run after ceasing to be master, and at the start; may be a list.",
            absent="none",
        ),
        Field(
            "script_timeout",
            readers.Seconds(),
            "Seconds after which a program that is still running is ended.",
            30,
        ),
        Field(
            "source_mac",
            readers.Choice("real", "virtual"),
            "Source of the advertisements: the interface's own MAC address, "
            "or 00:00:5e:00:01:VHID.",
            "real",
        ),
        Field(
            "multicast",
            readers.Multicast(),
            "Multicast group of the IPv4 advertisements.",
            "224.0.0.18",
        ),
        Field(
            "checks",
            readers.Names("checks", '["web"]'),
            "The health checks on which the group depends, by their names.",
            absent="none",
        ),
        Field(
            "services",
            readers.Services(),
            "Services to start on the master, in this order once the address is there, and to stop "
            "in reverse elsewhere: names that systemd or SMF knows, or scripts by their paths.",
            absent="none",
        ),
        Field(
            "service_timeout",
            readers.Seconds("60"),
            "Seconds after which the start or the stop of one service is given up.",
            60,
        ),
        Field(
            "service_demote",
            readers.Integer(0, 254, "10"),
            "By how much a node is demoted whose services do not start; 0 for not at all.",
            0,
        ),
        Field(
            "ignore_link",
            readers.Boolean(),
            "Whether to go on as if the link were up when the interface says it is down.",
            default=False,
        ),
        Field(
            "on_conflict",
            readers.Choice("defend", "yield", "report", "ignore"),
            "What a master does about a stranger that uses one of its addresses: announce it "
            "again, leave it alone for a minute, only say so, or not even look.",
            "defend",
        ),
    ),
)

TABLES = (CLUSTER, ZONE, NODE, GROUP)
