"""What can be wrong with a cluster file, and how it is told to the user.

``Rule`` is the register of every kind of mistake. Its codes are for users to search for and to
quote, so a code is never reused and never changes its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Severity(StrEnum):
    """An error keeps the cluster from starting; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING


@unique
class Rule(Enum):
    """One kind of mistake: its code, its severity, and its title in a few words.

    CP0xx: the file as a whole; CP1xx: one key; CP2xx: what does not fit together; CP3xx:
    passwords; CP4xx: finding out which node this host is; CP5xx: zones; CP6xx: ucarp's options;
    CP7xx: health checks; CP8xx: notifications and services.
    """

    UNREADABLE = ("CP001", _ERROR, "the file cannot be read")
    NOT_UTF8 = ("CP002", _ERROR, "the file is not UTF-8")
    SYNTAX = ("CP003", _ERROR, "the cluster file is not TOML")
    NOT_JSON = ("CP004", _ERROR, "the payload is not JSON")
    NOT_PAYLOAD = ("CP005", _ERROR, "the JSON is not what vmadm makes a zone from")
    UNCLOSED_QUOTE = ("CP006", _ERROR, "a quote is opened and not closed")

    UNKNOWN_KEY = ("CP101", _ERROR, "unknown key or table")
    MISSING_KEY = ("CP102", _ERROR, "missing key or table")
    WRONG_TYPE = ("CP103", _ERROR, "wrong type of value")
    OUT_OF_RANGE = ("CP104", _ERROR, "number out of range")
    BAD_NAME = ("CP105", _ERROR, "unusable name of a cluster, node or group")
    BAD_ADDRESS = ("CP106", _ERROR, "not an IP address")
    UNUSABLE_ADDRESS = ("CP107", _ERROR, "an address that no single host can hold")
    BAD_INTERFACE = ("CP108", _ERROR, "unusable interface name")
    NOT_MULTICAST = ("CP109", _ERROR, "not an IPv4 multicast group")
    BAD_TEXT = ("CP110", _ERROR, "empty text, or characters in it that cannot be used")
    BAD_CHOICE = ("CP111", _ERROR, "not one of the possible values")
    EMPTY = ("CP112", _ERROR, "an empty list or table")
    BAD_UUID = ("CP113", _ERROR, "not a UUID in lower case")
    BAD_NIC_TAG = ("CP114", _ERROR, "unusable nic tag")
    BAD_HOST_NAME = ("CP115", _ERROR, "unusable host name, alias or domain")
    BAD_HYPERVISOR = ("CP116", _ERROR, "not the address of a hypervisor")
    BAD_KERNEL_VERSION = ("CP117", _ERROR, "not a Linux version")
    BAD_PACKAGE = ("CP118", _ERROR, "not the name of a package")
    BAD_FMRI = ("CP119", _ERROR, "not the name of an SMF service")
    BAD_INTERVAL = ("CP120", _ERROR, "not a time with a unit")
    BAD_LOG_SERVER = ("CP121", _ERROR, "not a log server by its address")
    NO_PATH = ("CP122", _WARNING, "a program without its path")

    REPEATED = ("CP201", _ERROR, "the same thing listed twice")
    SHARED_VIP = ("CP202", _ERROR, "a virtual address in two groups")
    VIP_IS_REAL = ("CP203", _ERROR, "a virtual address that is a node's real address")
    SHARED_REAL = ("CP204", _ERROR, "two nodes with the same real address")
    SHARED_VHID = ("CP205", _ERROR, "two groups with the same vhid on one segment")
    UNKNOWN_NODE = ("CP206", _ERROR, "a node that is not in the file")
    NOT_MEMBER = ("CP207", _ERROR, "a node that is not in this group")
    BOW_OUT = ("CP208", _ERROR, "advbase and advskew that mean leaving")
    NO_INTERVAL = ("CP209", _WARNING, "advbase 0 with advskew 0")
    EQUAL_ADVSKEW = ("CP210", _WARNING, "preempt between nodes of equal advskew")
    SPLIT_SUBNET = ("CP211", _ERROR, "nodes of one group on different IP networks")
    SPLIT_SEGMENT = ("CP212", _ERROR, "nodes of one group on different nic tags or VLANs")
    SAME_HYPERVISOR = ("CP213", _WARNING, "nodes of one group on one hypervisor")
    SAME_HOST_NAME = ("CP214", _WARNING, "two nodes with the same host name")
    SAME_UUID = ("CP215", _ERROR, "two zones with the same UUID")
    VIP_OFF_SUBNET = ("CP216", _WARNING, "a virtual address outside the node's networks")
    UNEQUAL_VHID = ("CP217", _ERROR, "nodes of one group with different vhids")
    UNEQUAL_VIPS = ("CP218", _ERROR, "nodes of one group with different virtual addresses")
    UNEQUAL_PASSWORD = ("CP219", _ERROR, "nodes of one group with different passwords")
    UNEQUAL_ADVBASE = ("CP220", _ERROR, "nodes of one group with different advbase")
    IMPATIENT = ("CP221", _WARNING, "a backup that cannot wait for a master's advertisement")
    NOT_TOGETHER = ("CP222", _WARNING, "groups that are to move together, and cannot")
    IDLE_DELAY = ("CP223", _WARNING, "preempt_delay without preempt")
    NOT_FAST = ("CP224", _ERROR, "a key of the fast profile in a group of another")
    TWO_INTERVALS = ("CP225", _ERROR, "two keys that set the interval")
    LOSSY = ("CP226", _WARNING, "a dead_ratio too low for the loss of the network")
    REPLAY_OFF = ("CP227", _WARNING, "a group that refuses no replay")
    IDLE_LOG_KEY = ("CP228", _WARNING, "a key of the log that does nothing")

    PASSWORD_UNREADABLE = ("CP301", _ERROR, "the password file cannot be read")
    PASSWORD_OPEN = ("CP302", _ERROR, "the password file is open to everybody")
    PASSWORD_UNUSABLE = ("CP303", _ERROR, "the password file holds no usable password")
    PASSWORD_TOO_LONG_FOR_UCARP = ("CP304", _WARNING, "a password longer than ucarp takes")
    WEAK_PASSWORD = ("CP305", _WARNING, "a password that is easily guessed")
    PASSWORD_ON_COMMAND_LINE = ("CP306", _WARNING, "a password on a command line")
    PASSWORD_IN_METADATA = ("CP307", _WARNING, "a password where others than root can read it")

    NOT_A_NODE = ("CP401", _ERROR, "this host is none of the nodes")
    SEVERAL_NODES = ("CP402", _ERROR, "this host is several of the nodes")
    NO_SUCH_NODE = ("CP403", _ERROR, "no node has the name asked for")

    UNKNOWN_PROPERTY = ("CP501", _ERROR, "a property that this brand of zone does not have")
    MISSING_PROPERTY = ("CP502", _ERROR, "a property that this brand of zone must have")
    DATASET_UUID = ("CP503", _ERROR, "dataset_uuid, which vmadm validate refuses")
    IP_AND_NETMASK = ("CP504", _WARNING, "the outdated ip and netmask instead of ips")
    TEXT_FOR_LIST = ("CP505", _ERROR, "a string where a list belongs")
    NO_PREFIX = ("CP506", _ERROR, "an address of a nic without its prefix length")
    PREFIXED_ALLOWED_IP = ("CP507", _ERROR, "an allowed address with a prefix length")
    TOO_MANY_ADDRESSES = ("CP508", _ERROR, "more addresses than a nic can have")
    SPOOFING = ("CP509", _WARNING, "link protection switched off")
    BAD_PRIMARY = ("CP510", _ERROR, "primary that is not true on just one nic")
    VIP_IN_IPS = ("CP511", _ERROR, "a virtual address among the zone's own")
    VIP_NOT_ALLOWED = ("CP512", _ERROR, "a virtual address that the nic may not use")
    TWO_PREFIXES = ("CP513", _ERROR, "one address with two prefix lengths")
    UNPINNED_IMAGE = ("CP514", _ERROR, "an image that is not pinned by its UUID")
    GATEWAY_IS_SELF = ("CP515", _ERROR, "a gateway that is the zone itself")
    GATEWAY_OFF_SUBNET = ("CP516", _ERROR, "a gateway outside the zone's networks")
    GATEWAY_IN_CLUSTER = ("CP517", _ERROR, "a gateway that is a peer or the virtual address")
    RESOLVER_SLIP = ("CP518", _WARNING, "a resolver that looks like a slip of the pen")
    MUCH_MEMORY = ("CP519", _WARNING, "far more memory than the zone needs")
    HOST_NAME_NOT_DNS = ("CP520", _WARNING, "a host name that DNS cannot have")
    NESTED_METADATA = ("CP521", _ERROR, "metadata that is not flat")
    REPEATED_PROPERTY = ("CP522", _ERROR, "a property twice in one object")
    ZONE_INTERFACE = ("CP523", _WARNING, "an interface that the zone will not have")
    DYNAMIC_ADDRESS = ("CP524", _WARNING, "a node whose address is not fixed")

    UNKNOWN_OPTION = ("CP601", _ERROR, "an option that ucarp does not have")
    BAD_OPTION = ("CP602", _ERROR, "an option's value that ucarp cannot use")
    MISSING_OPTION = ("CP603", _ERROR, "an option that ucarp must have")
    BARE_WORD = ("CP604", _WARNING, "a word that ucarp ignores")
    UCARP_FLAPS = ("CP605", _WARNING, "an advbase with which ucarp flaps")

    UNKNOWN_CHECK = ("CP701", _ERROR, "a health check that is not in the file")
    UNUSED_CHECK = ("CP702", _WARNING, "a health check that no group depends on")
    CHECK_TIMEOUT = ("CP703", _ERROR, "a timeout that is not less than the interval")
    FOREIGN_CHECK_KEY = ("CP704", _ERROR, "a key that this type of check does not have")
    CHECK_CONTRADICTION = ("CP705", _ERROR, "two keys of a check that exclude each other")
    BAD_URL = ("CP706", _ERROR, "not a URL of a host by its address")
    CHECK_NEEDS_LINUX = ("CP707", _ERROR, "a check that a SmartOS zone cannot run")

    UNKNOWN_GROUP = ("CP801", _ERROR, "a group that is not in the file")
    FOREIGN_NOTIFY_KEY = ("CP802", _ERROR, "a key that this type of notifier does not have")
    NOTIFY_CONTRADICTION = ("CP803", _ERROR, "keys of a notifier that do not fit together")
    SECRET_IN_CLEAR = ("CP804", _WARNING, "a secret that goes over the network in clear")
    SECRET_IN_FILE = ("CP805", _WARNING, "a secret in the cluster file itself")
    BAD_MAIL_ADDRESS = ("CP806", _ERROR, "not a mail address")
    BAD_NOTIFY_URL = ("CP807", _ERROR, "not a URL of http or https")
    BAD_SERVICE = ("CP808", _ERROR, "not the name of a service, nor a script")
    SERVICE_AT_BOOT = ("CP809", _WARNING, "a service that the zone starts by itself")
    IDLE_SERVICE_KEY = ("CP810", _WARNING, "a key of services in a group without services")

    def __init__(self, code: str, severity: Severity, title: str) -> None:
        self.code = code
        self.severity = severity
        self.title = title


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: where it is, what it is, and how to mend it; ``str`` is one line of text.

    ``line`` and ``column`` are 1-based, None where none can be named; ``key`` is dotted, empty
    for the file as a whole; ``file`` is None for a cluster that never was a file.
    """

    code: str
    severity: Severity
    file: Path | None
    line: int | None
    key: str
    message: str
    mend: str
    column: int | None = None

    def __str__(self) -> str:
        parts = (self.file, self.line, self.column)
        place = ":".join(str(part) for part in parts if part is not None)
        head = ": ".join(part for part in (place, self.severity.value, self.key) if part)
        return f"{head}: {self.message}; {self.mend} [{self.code}]"
