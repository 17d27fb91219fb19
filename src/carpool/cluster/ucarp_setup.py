"""What a file says to ucarp: the options of one process, checked for what ucarp makes of them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from carpool.cluster.facts import At, Claim, Seat
from carpool.cluster.findings import Rule
from carpool.cluster.password import LONGEST_OF_UCARP, PasswordError, read_password, weakness
from carpool.cluster.wording import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key


_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,9}|0[0-7]{0,9}|[1-9][0-9]{0,9}")


class Given(NamedTuple):
    """An option of a command line, by its long name, and where it stands."""

    name: str
    value: str
    place: Place


class Wrong(NamedTuple):
    """What no option can be made of, and where it stands."""

    rule: Rule
    message: str
    mend: str
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """One ucarp process. ``values`` has what could be read of each option, by its long name.

    Addresses are IPv4Address, numbers int, flags True, and the password is bytes.
    """

    source: Source
    key: Key
    values: dict[str, At[Any]]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the option's value, ``default`` if the file does not give it."""
        found = self.values.get(name)
        return default if found is None else found.value


def read_options(
    found: Iterable[Given | Wrong], text: str, source: Source, *, readable_by_all: bool
) -> Setup:
    """Read the options of one file, reporting its mistakes. Of one given twice the last counts."""
    items = list(found)
    places: dict[Key, Place] = {
        (item.name,): item.place for item in items if isinstance(item, Given)
    }
    source.locate = lambda _: places
    source.text = text
    for item in items:
        if isinstance(item, Wrong):
            source.report(item.rule, (), item.message, item.mend, place=item.place)
    words = {item.name: At(item.value, (item.name,)) for item in items if isinstance(item, Given)}
    return read_setup(words, (), source, readable_by_all=readable_by_all)


def read_setup(
    words: dict[str, At[str]], key: Key, source: Source, *, readable_by_all: bool
) -> Setup:
    """Turn the options' words into values, reporting the wrong ones and what they come to."""
    values: dict[str, At[Any]] = {}
    for name, (word, at) in words.items():
        convert = _CONVERT.get(name)
        if convert is None:
            values[name] = At(word or True, at)
            continue
        try:
            values[name] = At(convert(word), at)
        except _WrongValueError as error:
            source.report(Rule.BAD_OPTION, at, error.args[0], error.args[1])
    setup = Setup(source, key, values)
    for name, example in _REQUIRED.items():
        if name not in words and not (name == "pass" and "passfile" in words):
            message = f"{name} is missing, and ucarp does not start without it"
            source.report(Rule.MISSING_OPTION, key, message, f"add {example}")
    _check_values(setup)
    _check_password(setup, readable_by_all=readable_by_all)
    return setup


def claim_of(setup: Setup) -> Claim:
    """Return what the set-up says of its group."""
    address, vip = setup.values.get("srcip"), setup.values.get("addr")
    advskew = setup.values.get("advskew", At(0, setup.key))
    vhid = setup.get("vhid")
    return Claim(
        source=setup.source,
        key=setup.key,
        name=f"vhid {vhid}" if vhid else "the group",
        cluster=None,
        vhid=setup.values.get("vhid"),
        vips=(At(IPv4Interface(vip.value), vip.key),) if vip else (),
        advbase=setup.values.get("advbase", At(1, setup.key)),
        preempt=setup.values.get("preempt"),
        seats=(Seat(None, address, advskew),),
        password=_password_of(setup),
    )


class _WrongValueError(Exception):
    """What is wrong with an option's word, and the mend."""


def _number(low: int, high: int) -> Callable[[str], int]:
    def convert(word: str) -> int:
        digits = word.strip().lower()
        try:
            # As strtoul(3) with base 0: a leading 0 means octal.
            octal = digits.isdigit() and digits.startswith("0")
            number = int(digits, 8) if octal else int(digits, 16 if "x" in digits else 10)
        except ValueError:
            raise _WrongValueError(
                f"{word[:40]!r} is not a number", f"use {low} to {high}"
            ) from None
        if not low <= number <= high:
            raise _WrongValueError(f"{word[:40]} is out of range", f"use {low} to {high}")
        return number

    return convert


def _address(word: str) -> IPv4Address:
    try:
        address = IPv4Address(word)
    except ValueError:
        message = f"{word[:60]!r} is not an IPv4 address, and ucarp knows no other"
        raise _WrongValueError(message, "write for example 192.168.0.200") from None
    if not 1 <= address.packed[0] <= 223 or address.is_loopback:
        raise _WrongValueError(f"{address} is no host's address", "write the address of one host")
    return address


def _password(word: str) -> bytes:
    password = os.fsencode(word)
    if not 1 <= len(password) <= LONGEST_OF_UCARP or b"\n" in password:
        message = f"the password has {len(password)} bytes"
        raise _WrongValueError(message, f"use 1 to {LONGEST_OF_UCARP}, all on one line")
    return password


_CONVERT: dict[str, Callable[[str], Any]] = {
    "vhid": _number(1, 255),
    "advbase": _number(0, 255),
    "advskew": _number(0, 255),
    "deadratio": _number(1, 255),
    "srcip": _address,
    "addr": _address,
    "pass": _password,
}

_REQUIRED = {
    "vhid": "--vhid=ID, 1 to 255",
    "addr": "--addr=IP, the virtual address",
    "srcip": "--srcip=IP, the real address of this host",
    "pass": "--passfile=FILE, a file with the password",
}


def _check_values(setup: Setup) -> None:
    report, values = setup.source.report, setup.values
    advbase, advskew = setup.get("advbase", 1), setup.get("advskew", 0)
    if advbase == 0:
        message = "with 0 a backup waits for one advertisement only, and takes over at random"
        report(Rule.UCARP_FLAPS, values["advbase"].key, message, "use at least 1")
    if (advbase, advskew) == (255, 255):
        message, mend = "advbase 255 and advskew 255 say that a node leaves", "use a lower advskew"
        report(Rule.BOW_OUT, values["advskew"].key, message, mend)
    if "addr" in values and setup.get("addr") == setup.get("srcip"):
        message = f"{setup.get('addr')} is the real address of this host"
        mend = "choose a free address, which no host has for itself"
        report(Rule.VIP_IS_REAL, values["addr"].key, message, mend)


def _check_password(setup: Setup, *, readable_by_all: bool) -> None:
    report, given = setup.source.report, setup.values.get("pass")
    file = setup.source.file
    if given is not None:
        mend = "write it into a file of mode 600, and name that with --passfile"
        message = "every user of the host can see the password in the output of ps"
        report(Rule.PASSWORD_ON_COMMAND_LINE, given.key, message, mend)
        if readable_by_all:
            message = "every user of the host can read the password in this file"
            report(Rule.PASSWORD_OPEN, given.key, message, f"run: chmod 600 {file}")
        if weak := weakness(given.value):
            report(Rule.WEAK_PASSWORD, given.key, *weak)
    elif "passfile" in setup.values:
        name = setup.values["passfile"]
        try:
            weak = weakness(read_password(_beside(setup, str(name.value))))
        except PasswordError as error:
            # A file of the host that the set-up was copied from need not be here.
            if error.rule is not Rule.PASSWORD_UNREADABLE:
                report(error.rule, name.key, f"{error.path}: {error.message}", error.mend)
        else:
            if weak:
                report(Rule.WEAK_PASSWORD, name.key, *weak)


def _beside(setup: Setup, name: str) -> Path:
    directory = Path() if setup.source.file is None else setup.source.file.parent
    return directory / name


def _password_of(setup: Setup) -> At[bytes] | None:
    if "pass" in setup.values:
        return setup.values["pass"]
    if "passfile" not in setup.values:
        return None
    name = setup.values["passfile"]
    try:
        return At(read_password(_beside(setup, str(name.value))), name.key)
    except PasswordError:
        return None
