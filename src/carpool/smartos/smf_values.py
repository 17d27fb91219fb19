"""What single values of an SMF manifest must look like, which the DTD leaves open.

Every function returns None for a good value, else one line that says what is wrong and how to
mend it. Rules: smf(7), smf_method(7), svc.startd(8), privileges(7), and uu_check_name() of
libuutil for names.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from difflib import get_close_matches
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import TypeAlias

Problem: TypeAlias = str | None

DURATIONS = {
    "contract": "a daemon that its start method leaves behind; restarted when its last process "
    "ends, and given up after 10 failures in 10 minutes",
    "child": "the start method is the daemon; restarted whenever it ends, for ever",
    "wait": "another word for child",
    "transient": "no daemon: the start method does something once",
}
"""Values of ``startd/duration``, and what they mean (svc.startd(8))."""

PRIVILEGES = frozenset(
    """
    contract_event contract_identity contract_observer cpc_cpu dtrace_kernel dtrace_proc
    dtrace_user file_chown file_chown_self file_dac_execute file_dac_read file_dac_search
    file_dac_write file_downgrade_sl file_flag_set file_link_any file_owner file_read file_setid
    file_upgrade_sl file_write graphics_access graphics_map hyprlofs_control ipc_dac_read
    ipc_dac_write ipc_owner net_access net_bindmlp net_icmpaccess net_mac_aware net_mac_implicit
    net_observability net_privaddr net_rawaccess proc_audit proc_chroot proc_clock_highres
    proc_exec proc_fork proc_info proc_lock_memory proc_meminfo proc_owner proc_prioup
    proc_priocntl proc_secflags proc_session proc_setid proc_taskid proc_zone sys_acct sys_admin
    sys_audit sys_config sys_devices sys_dl_config sys_fs_import sys_ip_config sys_ipc_config
    sys_iptun_config sys_linkdir sys_mount sys_net_config sys_nfs sys_ppp_config sys_res_bind
    sys_res_config sys_resource sys_smb sys_suser_compat sys_time sys_trans_label virt_manage
    win_colormap win_config win_dac_read win_dac_write win_devices win_dga win_downgrade_sl
    win_fontpath win_mac_read win_mac_write win_selection win_upgrade_sl xvm_control
    """.split()  # noqa: SIM905 - 86 quoted names would fill two pages
)
"""Every privilege of an illumos kernel."""

PRIVILEGE_SETS = frozenset({"all", "basic", "none", "zone"})

_IDENTIFIER = r"[A-Za-z][A-Za-z0-9_-]*"
_COMPONENT = rf"(?:[A-Za-z][A-Za-z0-9_.-]*,)?{_IDENTIFIER}"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_SERVICE_FMRI = re.compile(
    rf"(?:svc:)(?://localhost)?/({_COMPONENT}(?:/{_COMPONENT})*)(:{_COMPONENT})?"
)
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}|[0-9]{1,10}")
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(rf"%(?:[%rmsif]|\{{(?:[^{{}}:,\s]+)(?:/{_COMPONENT})?[:,]?\}}|.|\Z)", re.DOTALL)
_GOOD_TOKEN = re.compile(rf"%(?:[%rmsif]|\{{(?:{_COMPONENT}/)?{_COMPONENT}[:,]?\}})")
_KILL = re.compile(r":kill(?:\s+-(\w+))?")
_TIME = re.compile(r"-?\d{1,19}(?:\.\d{1,9})?")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_XML_CHARACTERS = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")

_MOST = 2**64 - 1


def text(value: str) -> Problem:
    """Check that XML 1.0 can hold the text (section 2.2)."""
    if _XML_CHARACTERS.fullmatch(value):
        return None
    return "has control characters, which XML cannot hold; take them out"


def _quoted(value: str) -> str:
    return ascii(value if len(value) <= 60 else f"{value[:57]}...")


def name(value: str) -> Problem:
    """Check the name of a service, an instance, a property group or a property."""
    if _NAME.fullmatch(value) and len(value) <= 119:
        return None
    return (
        f"{_quoted(value)} is not a name of SMF; use letters, digits, - and _, beginning with a "
        "letter (up to 119 in all)"
    )


def instance_name(value: str) -> Problem:
    """Check the name of an instance, a property group or a property: one component."""
    if "/" in value:
        return f"{_quoted(value)} has a slash, which only names of services have; leave it out"
    return name(value)


def service_fmri(value: str) -> Problem:
    """Check an FMRI such as ``svc:/milestone/network:default``."""
    if _SERVICE_FMRI.fullmatch(value):
        return None
    meant = f"svc:/{value.removeprefix('svc:').lstrip('/')}"
    hint = meant if _SERVICE_FMRI.fullmatch(meant) else "svc:/milestone/network:default"
    return f"{_quoted(value)} is not the FMRI of a service; write for example {hint}"


def path_fmri(value: str) -> Problem:
    """Check an FMRI such as ``file://localhost/etc/daemon.conf``."""
    for prefix in ("file://localhost/", "file:///", "file:/"):
        if value.startswith(prefix) and value != prefix and not re.search(r"\s", value):
            return None
    path = value if re.fullmatch(r"/[!-~]+", value) else "/etc/daemon.conf"
    return f"{_quoted(value)} is not the FMRI of a file; write for example file://localhost{path}"


def duration(value: str) -> Problem:
    """Check a value of ``startd/duration``."""
    return _one_of(value, DURATIONS, "a duration")


def privileges(value: str) -> Problem:
    """Check a privilege set: names separated by commas, ``!`` or ``-`` takes one away."""
    if value == ":default":
        return None
    for index, item in enumerate(value.split(",")):
        bare = item.strip().lower()
        taken = bare[:1] in ("!", "-")
        bare = bare.lstrip("!-").removeprefix("priv_")
        if bare in PRIVILEGES or bare in PRIVILEGE_SETS:
            if taken and index == 0:
                return f"takes {bare} away from nothing; begin with a set: basic,!{bare}"
            continue
        return f"there is no privilege {_quoted(item)}; {_meant(bare, PRIVILEGES | PRIVILEGE_SETS)}"
    return None


def user(value: str) -> Problem:
    """Check the name or number of a user."""
    if _USER.fullmatch(value):
        return None
    return f"{_quoted(value)} is not the name or number of a user; use for example: daemon"


def group(value: str) -> Problem:
    """Check the name or number of a group, or ``:default``."""
    if value == ":default" or _USER.fullmatch(value):
        return None
    return f"{_quoted(value)} is not the name or number of a group; use for example: daemon"


def groups(value: str) -> Problem:
    """Check supplementary groups, separated by commas or blanks, or ``:default``."""
    if not re.split(r"[,\s]+", value.strip(", ")) or not value.strip(", "):
        return "names no group; use for example: mail,tty"
    return next(filter(None, map(group, re.split(r"[,\s]+", value.strip(", ")))), None)


def timeout(value: str) -> Problem:
    """Check ``timeout_seconds``: a whole number of seconds, 0 or -1 for no limit."""
    if value == "-1" or (value.isascii() and value.isdecimal() and int(value[:21]) <= _MOST):
        return None
    return f"{_quoted(value)} is not a number of seconds; use 0 (no limit) or more, for example 60"


def directory(value: str) -> Problem:
    """Check a working directory: absolute, or ``:default`` for the user's own."""
    if value == ":default" or value.startswith("/"):
        return text(value)
    return f"{_quoted(value)} is not an absolute path; begin it with /, or use :default"


def environment_name(value: str) -> Problem:
    """Check the name of an environment variable."""
    if _ENVIRONMENT.fullmatch(value):
        return None
    return (
        f"{_quoted(value)} is not the name of a variable; use letters, digits and _, beginning "
        "with a letter"
    )


def method(value: str) -> Problem:
    """Check what a method executes: a command for sh, ``:true``, or ``:kill [-SIGNAL]``."""
    if not value.strip():
        return "is empty; write a command, :true (do nothing) or :kill (signal every process)"
    if value.startswith(":"):
        kill = _KILL.fullmatch(value.strip())
        if value.strip() == ":true" or (kill and (kill[1] is None or _is_signal(kill[1]))):
            return None
        return f"{_quoted(value)} is no method; use :true, or :kill -TERM, or a command"
    for token in _TOKEN.finditer(value):
        if not _GOOD_TOKEN.fullmatch(token[0]):
            return (
                f"{_quoted(token[0])} is no token of a method; use %r %m %s %i %f, "
                "%{group/property}, or %% for a percent sign"
            )
    return text(value)


def _is_signal(word: str) -> bool:
    if word.isdecimal():
        return 1 <= int(word) <= 75  # 41 and more are real-time signals
    bare = f"SIG{word.removeprefix('SIG')}"
    return bare in signal.Signals.__members__ and bare not in {"SIGCLD", "SIGSTKFLT"}


def version(value: str) -> Problem:
    """Check the version of a service: a whole number from 1."""
    if value.isascii() and value.isdecimal() and 1 <= int(value[:11]) < 2**31:
        return None
    return f"{_quoted(value)} is not a version; use a whole number, from 1"


def boolean(value: str) -> Problem:
    """Check a boolean property."""
    if value in ("true", "false"):
        return None
    return f"{_quoted(value)} is not a boolean; use true or false"


def _integer(low: int, high: int) -> Callable[[str], Problem]:
    def check(value: str) -> Problem:
        if re.fullmatch(r"-?[0-9]{1,20}", value) and low <= int(value) <= high:
            return None
        return f"{_quoted(value)} is not a whole number from {low} to {high}"

    return check


def _time(value: str) -> Problem:
    if _TIME.fullmatch(value):
        return None
    return f"{_quoted(value)} is not a time; write seconds, as in 1700000000.5"


def _opaque(value: str) -> Problem:
    if len(value) % 2 == 0 and re.fullmatch(r"[0-9A-Fa-f]*", value):
        return None
    return f"{_quoted(value)} is not opaque data; write pairs of hexadecimal digits"


def _address(*families: type) -> Callable[[str], Problem]:
    example = "2001:db8::1/64" if families == (IPv6Interface,) else "192.0.2.1/24"

    def check(value: str) -> Problem:
        try:
            if isinstance(ip_interface(value), families):
                return None
        except ValueError:
            pass
        return f"{_quoted(value)} is not such an address; write for example {example}"

    return check


def _hostname(value: str) -> Problem:
    if _HOST_NAME.fullmatch(value):
        return None
    return f"{_quoted(value)} is not a host name; write for example www.example.com"


def _uri(value: str) -> Problem:
    if _URI.fullmatch(value):
        return None
    return f"{_quoted(value)} is not a URI; write for example http://www.example.com/"


def _fmri(value: str) -> Problem:
    return path_fmri(value) if value.startswith("file:") else service_fmri(value)


_any_address = _address(IPv4Interface, IPv6Interface)

PROPERTY_TYPES: dict[str, Callable[[str], Problem]] = {
    "astring": text,
    "boolean": boolean,
    "count": _integer(0, _MOST),
    "fmri": _fmri,
    "host": lambda value: _hostname(value) and _any_address(value) and _hostname(value),
    "hostname": _hostname,
    "integer": _integer(-(2**63), 2**63 - 1),
    "net_address": _any_address,
    "net_address_v4": _address(IPv4Interface),
    "net_address_v6": _address(IPv6Interface),
    "opaque": _opaque,
    "time": _time,
    "uri": _uri,
    "ustring": text,
}
"""The check of a value for each type of property."""


def property_type(value: str) -> Problem:
    """Check the name of a property's type."""
    return _one_of(value, PROPERTY_TYPES, "a type of property")


GROUPINGS = ("require_all", "require_any", "optional_all", "exclude_all")
RESTART_ON = ("error", "restart", "refresh", "none")


def grouping(value: str) -> Problem:
    """Check the grouping of a dependency."""
    return _one_of(value, GROUPINGS, "a grouping")


def restart_on(value: str) -> Problem:
    """Check what a dependency restarts the service for."""
    return _one_of(value, RESTART_ON, "a value of restart_on")


def _one_of(value: str, known: object, what: str) -> Problem:
    words = frozenset(known)  # type: ignore[call-overload]
    return None if value in words else f"{_quoted(value)} is not {what}; {_meant(value, words)}"


def _meant(value: str, known: frozenset[str]) -> str:
    close = get_close_matches(value.lower(), sorted(known), 1)
    if close:
        return f"did you mean {close[0]}?"
    return f"use {', '.join(sorted(known))}" if len(known) < 20 else "see privileges(7)"
