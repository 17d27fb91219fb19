"""The keys of a health check, and which of them each type of check has."""

from __future__ import annotations

from carpool.cluster import check_readers, readers, zone_readers
from carpool.cluster.findings import Rule
from carpool.cluster.kinds import Keys, Kinds
from carpool.cluster.table import Field, Table

TYPES = {
    "command": Keys(("command",)),
    "tcp": Keys(("address", "port")),
    "http": Keys(("url",), ("host", "verify", "status", "text")),
    "gateway": Keys(("address",), ("interface",)),
    "interface": Keys(("interface",)),
    "file": Keys(("path",), ("expect", "text")),
}

CHECK = Table(
    "[checks.NAME]",
    "A health check. It runs once on each node that has a group with it, for all such groups.",
    (
        Field(
            "type",
            readers.Choice(*TYPES),
            "What is looked at: " + ", ".join(TYPES) + ".",
            required=True,
        ),
        Field(
            "interval",
            readers.Seconds("2", shortest=0.1),
            "Seconds from one look to the next.",
            2,
        ),
        Field(
            "timeout",
            readers.Seconds("1"),
            "Seconds after which a look without a result is a bad one; less than the interval.",
            absent="1, or half the interval if that is less",
        ),
        Field(
            "rise",
            readers.Integer(1, 100, "2"),
            "Good looks in a row until a bad check is good again.",
            2,
        ),
        Field(
            "fall",
            readers.Integer(1, 100, "3"),
            "Bad looks in a row until a good check is bad.",
            3,
        ),
        Field(
            "action",
            readers.Choice("demote", "backup"),
            "What a bad check does to its groups: demote them, so that a healthy node takes over, "
            "or make them backup, whether or not there is another node.",
            "demote",
        ),
        Field(
            "demote",
            readers.Integer(1, 254, "10"),
            "By how much a bad check demotes; that of several checks adds up.",
            absent="1",
        ),
        Field(
            "command",
            readers.Command(),
            "Program that exits with 0 if all is well; a list to give it arguments.",
            absent="none",
        ),
        Field(
            "address",
            check_readers.HostAddress(),
            "Address to connect to (tcp), or of a neighbour that is to answer ARP or neighbour "
            "discovery (gateway).",
            absent="none",
        ),
        Field("port", readers.Integer(1, 65535, "5432"), "Port to connect to.", absent="none"),
        Field(
            "url",
            check_readers.UrlText(),
            "Page to get, http or https; its host is an address.",
            absent="none",
        ),
        Field(
            "host",
            zone_readers.HOSTNAME,
            "Name of the web server, for the request and the certificate.",
            absent="the address in the url",
        ),
        Field(
            "verify",
            readers.Boolean(),
            "Whether the certificate of an https server must be valid.",
            absent="true",
        ),
        Field(
            "status",
            check_readers.Statuses(),
            "Status that is good, or a list of such.",
            absent="200 to 299",
        ),
        Field(
            "text",
            check_readers.Words(),
            "What the page, or the file, must contain in its first 64 KiB.",
            absent="anything will do",
        ),
        Field(
            "interface",
            readers.PerNode(readers.InterfaceName()),
            "Interface to ask on (gateway), or that must have a carrier (interface): one for all "
            "nodes, or a table of one per node.",
            absent="the node's interface",
        ),
        Field(
            "path",
            readers.FileName(),
            "File to look for, on the node.",
            absent="none",
        ),
        Field(
            "expect",
            readers.Choice("absent", "present"),
            "Whether the file must be absent, or present.",
            absent='"absent"; with a text, "present"',
        ),
    ),
)

KINDS = Kinds("check", CHECK, TYPES, Rule.FOREIGN_CHECK_KEY)
