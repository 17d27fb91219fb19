"""ucarp's 22 options: from the words of a command line to what they mean, or what is wrong.

Stricter than ucarp in three ways, each because what ucarp does there hides a mistake: a number out
of range or with something behind it is refused (ucarp cuts it to 8 bits, and stops reading at the
first odd character); an unknown option ends with exit code 1 (ucarp prints its usage and exits 0);
and every mistake is reported, not only the first.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any

from carpool.cluster.option_file import OptionFileError, read_option_file
from carpool.cluster.password import LONGEST, LONGEST_OF_UCARP, PasswordError, read_password
from carpool.cluster.ucarp_words import Mistake, Operand, Option, scan
from carpool.node.log import FACILITIES
from carpool.node.settings import DEFAULT_MULTICAST

USAGE = """\
usage: carpool ucarp OPTION... [@FILE]...

Keeps one IPv4 address alive, as ucarp does, with ucarp's options:

  -i, --interface=IF       the network interface (default: the first that can be used)
  -s, --srcip=IP           the real address of this host on it
  -v, --vhid=ID            the number of the group, 1 to 255
  -p, --pass=PASSWORD      the password that the group shares; carpool hides it from ps
  -o, --passfile=FILE      read the password from the first line of FILE
  -a, --addr=IP            the virtual address
  -P, --preempt            become master as soon as this node is the better one
  -b, --advbase=SECONDS    time between two advertisements (default 1)
  -k, --advskew=SKEW       delay added to it in 1/256 s; the lowest is preferred (default 0)
  -r, --deadratio=RATIO    how many times advbase a silent master is believed (default 3)
  -u, --upscript=FILE      run FILE on becoming master
  -d, --downscript=FILE    run FILE on becoming backup
  -n, --neutral            do not run the down-script at the start
  -z, --shutdown           run the down-script at the end, if master
  -x, --xparam=VALUE       a further parameter for the scripts
  -m, --mcast=IP           the multicast group (default 224.0.0.18)
  -M, --nomcast            send to the broadcast address instead
  -S, --ignoreifstate      stay master without carrier
  -B, --daemonize          run in the background
  -f, --facility=NAME      the syslog facility (default daemon), or none
  -D, --debug              log more
  -h, --help               show this text

Scripts are called with the interface, the virtual address, and the xparam if there is one.
@FILE stands for the options that are written in FILE: on one line or many, with quotes,
backslashes and #-comments as in a shell.
"""


@dataclass(frozen=True, slots=True)
class UcarpOptions:
    """What a ucarp command line asks for."""

    source: IPv4Address
    vhid: int
    password: bytes = field(repr=False)
    address: IPv4Address
    interface: str | None = None
    """None: the first that can be used."""
    multicast: IPv4Address = DEFAULT_MULTICAST
    preempt: bool = False
    neutral: bool = False
    """Do not run the downscript at the start."""
    advbase: int = 1
    """Seconds, 0 to 255."""
    advskew: int = 0
    """1/256 s, 0 to 255."""
    upscript: str | None = None
    downscript: str | None = None
    dead_ratio: int = 3
    debug: bool = False
    shutdown: bool = False
    """Run the downscript at the end, if master."""
    daemonize: bool = False
    ignore_link: bool = False
    broadcast: bool = False
    facility: str | None = "daemon"
    """syslog's facility, a key of `FACILITIES`; None: no syslog."""
    xparam: str | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """What came of parsing: options, or the reasons to exit with `exit_code`."""

    options: UcarpOptions | None
    usage: bool = False
    """Whether to print `USAGE`: to standard error if there are errors, else to output."""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    exit_code: int = 0
    """1: a wrong or missing option, or no arguments at all; 2: cannot run."""


def parse(arguments: Sequence[str]) -> Parsed:
    """Read the options, and the files that they name: passwords and further options.

    Of an option that is given several times the last one counts. A password file `/dev/fd/N` is
    closed after it has been read, so that scripts do not inherit it.
    """
    if not arguments:
        return Parsed(None, usage=True)
    reader = _Reader()
    reader.read(arguments, [""] * len(arguments))
    if reader.help:
        return Parsed(None, usage=True)
    reader.check()
    if reader.errors:
        return Parsed(
            None,
            reader.unknown,
            tuple(reader.errors),
            tuple(reader.warnings),
            exit_code=1 if reader.wrong else 2,
        )
    return Parsed(UcarpOptions(**reader.values), warnings=tuple(reader.warnings))


class _BadValueError(Exception):
    """The value of an option is wrong; the text says how and what to write instead."""


class _TooLongError(Exception):
    """A password that no CARP node can use."""


def _number(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        number = _strtoul(text)
        if number is None:
            octal = " (a leading 0 means octal)" if text.isascii() and text.isdigit() else ""
            raise _BadValueError(f"{text[:40]!r} is not a number{octal}; use {low} to {high}")
        if not low <= number <= high:
            raise _BadValueError(f"{text[:40]} is out of range; use {low} to {high}")
        return number

    return convert


def _strtoul(text: str) -> int | None:
    """Return the number as strtoul(3) with base 0 reads it: 16, 0x10, 020. None if it is none."""
    digits = text.strip().removeprefix("+").lower()
    hexadecimal = digits.removeprefix("-").startswith("0x")
    octal = digits.removeprefix("-").startswith("0") and not hexadecimal
    if not digits.isascii() or "_" in digits or "o" in digits:  # Python's own notation
        return None
    try:
        return int(digits, 16 if hexadecimal else 8 if octal else 10)
    except ValueError:
        return None


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError:
        mend = "write it as in 192.0.2.10"
        if ":" in text:
            mend = "for IPv6 write a cluster file and use carpool run"
        raise _BadValueError(f"{text[:60]!r} is not an IPv4 address; {mend}") from None


def _host(text: str) -> IPv4Address:
    address = _address(text)
    if not 1 <= address.packed[0] <= 223:
        raise _BadValueError(f"{address} is not the address of one host; use another")
    return address


def _group(text: str) -> IPv4Address:
    address = _address(text)
    if not address.is_multicast:
        raise _BadValueError(
            f"{address} is not a multicast group; use one of 224.0.0.0 to 239.255.255.255"
        )
    return address


def _script(text: str) -> str | None:
    # The daemon may leave this directory before it runs the script.
    return str(Path(text).absolute()) if text else None


def _password(text: str) -> bytes:
    password = os.fsencode(text)
    if not password or b"\n" in password:
        raise _BadValueError(f"a password has 1 to {LONGEST} characters on one line; write another")
    if len(password) > LONGEST:
        raise _TooLongError(
            f"the password has {len(password)} bytes; use at most {LONGEST_OF_UCARP}, "
            "which is all that ucarp takes"
        )
    return password


def _password_file(text: str) -> bytes:
    try:
        return read_password(Path(text))
    except PasswordError as error:
        raise _BadValueError(str(error)) from None
    finally:
        number = text.removeprefix("/dev/fd/")
        if number != text and number.isdecimal() and int(number) > 2:
            with suppress(OSError):
                os.close(int(number))


_FLAGS = {
    "P": "preempt",
    "n": "neutral",
    "D": "debug",
    "z": "shutdown",
    "B": "daemonize",
    "S": "ignore_link",
    "M": "broadcast",
}

_VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "i": ("interface", lambda text: text or None),
    "s": ("source", _host),
    "m": ("multicast", _group),
    "v": ("vhid", _number(1, 255)),
    "p": ("password", _password),
    "o": ("password", _password_file),
    "a": ("address", _host),
    "b": ("advbase", _number(0, 255)),
    "k": ("advskew", _number(0, 255)),
    "r": ("dead_ratio", _number(1, 255)),
    "u": ("upscript", _script),
    "d": ("downscript", _script),
    "x": ("xparam", str),
}

_REQUIRED = {
    "vhid": "the number of the group is missing; add --vhid=ID, 1 to 255",
    "password": "the password is missing; add --passfile=FILE or --pass=PASSWORD",
    "source": "the real address of this host is missing; add --srcip=IP",
    "address": "the virtual address is missing; add --addr=IP",
}


class _Reader:
    """Collects values, errors and warnings from the command line and from files."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.help = False
        self.unknown = False
        self.wrong = False
        self._given: set[str] = set()

    def read(self, words: Sequence[str], places: Sequence[str], *, in_file: bool = False) -> None:
        """Take in `words`; `places` says for each where it stands, as the prefix of a message."""
        for found in scan(words):
            place = places[found.first]
            if isinstance(found, Mistake):
                self.unknown = True
                self._refuse(f"{place}{found.message}")
            elif isinstance(found, Operand):
                self._take_operand(found, place, in_file=in_file)
            elif found.letter == "h":
                self.help = True
            elif found.letter in _FLAGS:
                self.values[_FLAGS[found.letter]] = True
            elif found.letter == "f":
                self._take_facility(found, place)
            else:
                self._take_value(found, place)

    def check(self) -> None:
        """Look for what is missing and for values that do not go together."""
        for name, message in _REQUIRED.items():
            if name not in self._given:
                self._refuse(message)
        interval = (self.values.get("advbase", 1), self.values.get("advskew", 0))
        if interval == (0, 0):
            self._refuse("--advbase and --advskew are both 0: no interval; use --advbase=1")
        if interval == (255, 255):
            self._refuse(
                "--advbase and --advskew are both 255, which says that a node leaves; "
                "lower one of them"
            )
        address = self.values.get("address")
        if address is not None and address == self.values.get("source"):
            self._refuse(
                f"{address} is given as --addr and as --srcip; the virtual address must not be "
                "the real one of any host"
            )
        if len(self.values.get("password", b"")) > LONGEST_OF_UCARP:
            self.warnings.append(
                f"the password has {LONGEST} bytes, and ucarp takes only {LONGEST_OF_UCARP}: "
                "this node can share an address with others of its kind, not with ucarp"
            )
        self.warnings += [
            f"no script called when going {way}"
            for way in ("up", "down")
            if self.values.get(f"{way}script") is None
        ]

    def _take_operand(self, operand: Operand, place: str, *, in_file: bool) -> None:
        if operand.last or not operand.text.startswith("@"):
            where = place or f"argument {operand.first + 1} "
            self.warnings.append(f"{where}is not an option, and ignored")
            return
        path = Path(operand.text[1:])
        if in_file:
            self._refuse(f"{place}a file of options cannot name another one; write it out here")
            return
        try:
            file = read_option_file(path)
        except OptionFileError as error:
            self._refuse(str(error))
            return
        if file.readable_by_all and any(
            isinstance(found, Option) and found.letter == "p" for found in scan(file.words)
        ):
            self.warnings.append(
                f"{path}: holds the password, and every user of this host may read it; "
                f"run: chmod 600 {path}"
            )
        self.read(file.words, [f"{path}:{line}: " for line in file.lines], in_file=True)

    def _take_facility(self, option: Option, place: str) -> None:
        name = option.value.lower()
        if name == "none":
            self.values["facility"] = None
        elif name in FACILITIES:
            self.values["facility"] = name
        else:
            self.warnings.append(
                f"{place}{option.spelled}: syslog has no facility {option.value[:40]!r}; "
                "going on without this option"
            )

    def _take_value(self, option: Option, place: str) -> None:
        name, convert = _VALUES[option.letter]
        self._given.add(name)
        try:
            self.values[name] = convert(option.value)
        except _BadValueError as error:
            self._refuse(f"{place}{option.spelled}: {error}")
        except _TooLongError as error:
            self.errors.append(f"{place}{option.spelled}: {error}")

    def _refuse(self, error: str) -> None:
        self.wrong = True
        self.errors.append(error)
