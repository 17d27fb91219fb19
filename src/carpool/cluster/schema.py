"""Every key of a cluster file: what it takes, its default, and one line about it.

``load`` reads files by these tables, and manual pages are written from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from carpool.cluster import readers

if TYPE_CHECKING:
    from carpool.cluster.readers import Reader


@dataclass(frozen=True, slots=True)
class Field:
    """One key. ``default`` is as TOML gives it, None if an absent key means something else.

    ``absent`` says in words what an absent key means then.
    """

    name: str
    reader: Reader
    doc: str
    default: object = None
    absent: str = ""
    required: bool = False

    @property
    def default_doc(self) -> str:
        """The default as a manual page shows it."""
        if self.required:
            return "required"
        if self.absent:
            return self.absent
        if isinstance(self.default, bool):
            return "true" if self.default else "false"
        return f'"{self.default}"' if isinstance(self.default, str) else str(self.default)


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of table; ``header`` is how its header is written."""

    header: str
    doc: str
    fields: tuple[Field, ...]


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
            absent="from the weights: 0 for the heaviest, 20 more for each next",
        ),
        Field(
            "preempt",
            readers.Boolean(),
            "Whether a node takes over from a master that it outranks.",
            default=False,
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
            readers.Names(),
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
            "Program to run after ceasing to be master; a list to give it arguments.",
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
            "ignore_link",
            readers.Boolean(),
            "Whether to go on as if the link were up when the interface says it is down.",
            default=False,
        ),
    ),
)

TABLES = (CLUSTER, NODE, GROUP)
