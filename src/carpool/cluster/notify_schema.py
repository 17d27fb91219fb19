"""The keys of a notifier, and which of them each type of notifier has."""

from __future__ import annotations

from carpool.cluster import notify_readers, readers
from carpool.cluster.findings import Rule
from carpool.cluster.kinds import Keys, Kinds
from carpool.cluster.table import Field, Table

TYPES = {
    "mail": Keys(
        ("server", "to"),
        ("from", "port", "security", "user", "secret_file", "ca_file", "verify"),
    ),
    "webhook": Keys(("url",), ("headers", "secret_file", "secret_header", "ca_file", "verify")),
    "nrdp": Keys(("url", "secret_file"), ("host", "service", "ca_file", "verify")),
    "nagios": Keys(("path",), ("host", "service")),
}

STATES = ("master", "backup", "init")
OCCASIONS = (*STATES, "demotion", "conflict", "mismatch", "address", "service")
"""What can be told of: a new state of a group, and kinds of events."""
DEFAULT_OCCASIONS = ("master", "init", "conflict", "service")
NAGIOS_OCCASIONS = ("master", "backup", "init", "demotion", "conflict", "service")
"""Of nrdp and nagios: what brings a status back to OK is told as well."""

PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""RFC 6409 (submission), RFC 8314 (submissions), RFC 5321."""

NOTIFY = Table(
    "[notify.NAME]",
    "Whom to tell when something happens to a group. Each node tells of itself.",
    (
        Field(
            "type",
            readers.Choice(*TYPES),
            "How to tell: " + ", ".join(TYPES) + ".",
            required=True,
        ),
        Field(
            "on",
            notify_readers.Occasions(*OCCASIONS),
            "What to tell of: a node's new state in a group (master, backup, init), or other "
            "events (demotion, conflict, mismatch, address, service).",
            absent="master, init, conflict, service; of nrdp and nagios backup and demotion too",
        ),
        Field(
            "groups",
            readers.Names("groups", '["www"]'),
            "The groups that are told of.",
            absent="all groups",
        ),
        Field(
            "timeout",
            readers.Seconds("10", shortest=0.1),
            "Seconds after which a try is given up.",
            10,
        ),
        Field(
            "retries",
            readers.Integer(0, 100, "5"),
            "How often a failed one is tried again: after 5 s, then 10, 20 and so on up to 300.",
            5,
        ),
        Field(
            "every",
            readers.Seconds("60", shortest=0),
            "After five in a row, seconds for each further one: what happens meanwhile goes into "
            "it. 0 for no limit.",
            60,
        ),
        Field(
            "server",
            notify_readers.ServerName(),
            "Mail server, by its name or address.",
            absent="none",
        ),
        Field(
            "port",
            readers.Integer(1, 65535, "587"),
            "Port of the mail server.",
            absent="587; with tls 465, with no security 25",
        ),
        Field(
            "security",
            readers.Choice("starttls", "tls", "none"),
            "How the way to the mail server is secured: TLS after STARTTLS, TLS from the start, "
            "or not at all.",
            absent='"starttls"',
        ),
        Field(
            "to",
            notify_readers.MailAddresses(),
            "Who gets the mail: an address, or a list of them.",
            absent="none",
        ),
        Field(
            "from",
            notify_readers.MAIL_ADDRESS,
            "Sender of the mail.",
            absent="carpool@ and the node's host name",
        ),
        Field(
            "user",
            notify_readers.UserName("the name of a user", '"carpool@example.com"'),
            "User to log in as at the mail server; the password is in secret_file.",
            absent="none: there is no login",
        ),
        Field(
            "url",
            notify_readers.WebUrl(),
            "Where to post to (webhook), or NRDP's directory on its web server (nrdp).",
            absent="none",
        ),
        Field(
            "headers",
            notify_readers.Headers(),
            "Headers to add to the request; no secrets.",
            absent="none",
        ),
        Field(
            "secret_file",
            readers.FileName(),
            "File whose first line is the secret: the user's password (mail), what signs the body "
            "or goes into secret_header (webhook), the token (nrdp); relative to the cluster file.",
            absent="none",
        ),
        Field(
            "secret_header",
            notify_readers.HeaderName(),
            "Header that is to have the secret as its value.",
            absent="none: the secret signs the body, in X-Carpool-Signature",
        ),
        Field(
            "path",
            notify_readers.Line("the name of a file", '"/var/lib/nagios4/rw/nagios.cmd"'),
            "Nagios' external command file, on the node.",
            absent="none",
        ),
        Field(
            "host",
            readers.PerNode(notify_readers.NagiosName("host", '"web1"')),
            "The node's name in Nagios: one for all nodes, or a table of one per node.",
            absent="the node's host name",
        ),
        Field(
            "service",
            notify_readers.NagiosName("service", '"carpool {group}"'),
            "The service's name in Nagios; {group} stands for that of the group.",
            absent='"carpool {group}"',
        ),
        Field(
            "ca_file",
            notify_readers.Line("the name of a file", '"/etc/ssl/example-ca.pem"'),
            "File of certificates to trust as well, on the node.",
            absent="none: those that the host trusts",
        ),
        Field(
            "verify",
            readers.Boolean(),
            "Whether the server's certificate must be valid.",
            absent="true",
        ),
    ),
)

KINDS = Kinds("notifier", NOTIFY, TYPES, Rule.FOREIGN_NOTIFY_KEY)
