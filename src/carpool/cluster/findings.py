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

    CP0xx: the file as a whole; CP1xx: one key; CP2xx: keys that do not fit together;
    CP3xx: password files; CP4xx: finding out which node this host is.
    """

    UNREADABLE = ("CP001", _ERROR, "the file cannot be read")
    NOT_UTF8 = ("CP002", _ERROR, "the file is not UTF-8")
    SYNTAX = ("CP003", _ERROR, "the cluster file is not TOML")

    UNKNOWN_KEY = ("CP101", _ERROR, "unknown key or table")
    MISSING_KEY = ("CP102", _ERROR, "missing key or table")
    WRONG_TYPE = ("CP103", _ERROR, "wrong type of value")
    OUT_OF_RANGE = ("CP104", _ERROR, "number out of range")
    BAD_NAME = ("CP105", _ERROR, "unusable name of a cluster, node or group")
    BAD_ADDRESS = ("CP106", _ERROR, "not an IP address")
    UNUSABLE_ADDRESS = ("CP107", _ERROR, "an address that no single host can hold")
    BAD_INTERFACE = ("CP108", _ERROR, "unusable interface name")
    NOT_MULTICAST = ("CP109", _ERROR, "not an IPv4 multicast group")
    BAD_TEXT = ("CP110", _ERROR, "empty text, or text with control characters")
    BAD_CHOICE = ("CP111", _ERROR, "not one of the possible values")
    EMPTY = ("CP112", _ERROR, "an empty list or table")
    BAD_UUID = ("CP113", _ERROR, "not a UUID in lower case")
    BAD_NIC_TAG = ("CP114", _ERROR, "unusable nic tag")
    BAD_HOST_NAME = ("CP115", _ERROR, "unusable host name, alias or domain")
    BAD_HYPERVISOR = ("CP116", _ERROR, "not the address of a hypervisor")
    BAD_KERNEL_VERSION = ("CP117", _ERROR, "not a Linux version")
    BAD_PACKAGE = ("CP118", _ERROR, "not the name of a package")
    BAD_FMRI = ("CP119", _ERROR, "not the name of an SMF service")

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

    PASSWORD_UNREADABLE = ("CP301", _ERROR, "the password file cannot be read")
    PASSWORD_OPEN = ("CP302", _ERROR, "the password file is open to everybody")
    PASSWORD_UNUSABLE = ("CP303", _ERROR, "the password file holds no usable password")
    PASSWORD_TOO_LONG_FOR_UCARP = ("CP304", _WARNING, "a password longer than ucarp takes")

    NOT_A_NODE = ("CP401", _ERROR, "this host is none of the nodes")
    SEVERAL_NODES = ("CP402", _ERROR, "this host is several of the nodes")
    NO_SUCH_NODE = ("CP403", _ERROR, "no node has the name asked for")

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
