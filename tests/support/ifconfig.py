"""A stand-in for ifconfig (illumos, the BSDs) and ipadm, and a hand to set it up with.

It keeps its state in a file, prints what the real ones print, and refuses what they refuse, as far
as their man pages and the transcripts beside the tests tell. The program is this very module. Tests
run it some hundred times, so it imports nothing that is slow to import.
"""

from __future__ import annotations

import fcntl
import json
import sys
import time
from contextlib import contextmanager
from ipaddress import ip_address, ip_interface

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    State = dict[str, Any]

FLAVOURS = ("illumos", "freebsd", "openbsd", "netbsd", "macos", "ipadm")
_LISTINGS = ("-a", "-A", "show-if", "show-addr")


class StandIn:
    """One ifconfig with a state of its own; `path` is the program."""

    def __init__(self, folder: Path, flavour: str, *, kernel: bool = False) -> None:
        """Make it; with `kernel` it also changes the addresses of its network namespace."""
        self.path = folder / "ifconfig"
        # As a module, and not as a copy: so it is compiled once.
        here = __file__.rpartition("/")[0]
        self.path.write_text(
            f"#!{sys.executable} -ISE\nimport sys\nsys.path.insert(0, {here!r})\n"
            "from ifconfig import main\nsys.exit(main(sys.argv))\n"
        )
        self.path.chmod(0o755)
        self._file = str(folder / "ifconfig.json")
        state = {
            "flavour": flavour,
            "kernel": kernel,
            "interfaces": {},
            "taken": [],  # addresses that another host answers for
            "hangs": [],  # at commands with one of these words
            "fails": {},  # likewise: what it says
            "ignores": [],  # likewise: success, and nothing done
            "calls": [],
        }
        self.path.with_suffix(".json").write_text(json.dumps(state))

    @contextmanager
    def change(self) -> Iterator[State]:
        """Change the state while no command runs."""
        with locked(self._file) as state:
            yield state

    def add_interface(self, name: str, *addresses: str, mac: str = "2:8:20:0:0:1") -> None:
        with self.change() as state:
            state["interfaces"][name] = {"mac": mac, "up": True, "carrier": True, "addresses": []}
            for number, text in enumerate(addresses):
                state["interfaces"][name]["addresses"].append(new_address(number, text))

    def add_address(self, name: str, text: str, **marks: bool | str) -> None:
        """Put on an address behind everybody's back."""
        with self.change() as state:
            addresses = state["interfaces"][name]["addresses"]
            addresses.append(new_address(free_unit(addresses), text) | marks)

    def addresses(self, name: str = "net0") -> list[str]:
        with self.change() as state:
            return [one["address"] for one in state["interfaces"][name]["addresses"]]

    def calls(self) -> list[list[str]]:
        """Every command so far but the listings."""
        with self.change() as state:
            return [call for call in state["calls"] if call[0] not in _LISTINGS]

    def has_listed(self) -> bool:
        """Whether the last command was a listing."""
        with self.change() as state:
            return state["calls"][-1][0] in _LISTINGS


@contextmanager
def locked(file: str) -> Iterator[State]:
    with open(file, "r+") as opened:  # noqa: PTH123
        fcntl.flock(opened, fcntl.LOCK_EX)
        state = json.load(opened)
        yield state
        opened.seek(0)
        opened.truncate()
        json.dump(state, opened)


class RefusedError(Exception):
    """What it says before it exits with 1."""


def new_address(unit: int, text: str) -> State:
    return {"unit": unit, "address": text, "up": True, "duplicate": False}


def free_unit(addresses: list[State]) -> int:
    units = {one["unit"] for one in addresses}
    return next(number for number in range(len(units) + 1) if number not in units)


def find(addresses: list[State], text: str) -> State | None:
    wanted = ip_address(text)
    return next((one for one in addresses if ip_interface(one["address"]).ip == wanted), None)


# Listing.


def illumos_stanzas(name: str, port: State) -> Iterator[str]:
    index = list_index(name)
    for version, family in ((4, "IPv4"), (6, "IPv6")):
        of_family = [one for one in port["addresses"] if version_of(one) == version]
        if version == 4 and not any(one["unit"] == 0 for one in of_family):
            of_family.insert(0, {**new_address(0, "0.0.0.0/0"), "up": False})
        for one in of_family:
            flags = [
                *(["UP"] if one["up"] else []),
                *(["BROADCAST"] if version == 4 else []),
                *(["RUNNING"] if port["carrier"] else []),
                "MULTICAST",
                family,
                *(["DUPLICATE"] if one["duplicate"] else []),
            ]
            unit = name if one["unit"] == 0 else f"{name}:{one['unit']}"
            address = ip_interface(one["address"])
            yield f"{unit}: flags=1000843<{','.join(flags)}> mtu 1500 index {index}"
            if version == 4:
                mask = f"{int(address.netmask):x}"
                broadcast = address.network.broadcast_address
                yield f"\tinet {address.ip} netmask {mask} broadcast {broadcast}"
            else:
                yield f"\tinet6 {address} "
            if one["unit"] == 0:
                yield f"\tether {port['mac']} "


def list_index(name: str) -> int:
    return sum(name.encode()) % 100


def version_of(one: State) -> int:
    return ip_interface(one["address"]).version


def bsd_stanzas(flavour: str, name: str, port: State) -> Iterator[str]:
    flags = "UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST" if port["up"] else "BROADCAST,MULTICAST"
    yield f"{name}: flags=8843<{flags}> mtu 1500"
    mac = ":".join(f"{int(part, 16):02x}" for part in port["mac"].split(":"))
    word = {"openbsd": "lladdr", "netbsd": "address:"}.get(flavour, "ether")
    yield f"\t{word} {mac}"
    yield "\tmedia: Ethernet autoselect (1000baseT <full-duplex>)"
    dead = "inactive" if flavour == "macos" else "no carrier"
    yield f"\tstatus: {'active' if port['carrier'] else dead}"
    for one in port["addresses"]:
        address = ip_interface(one["address"])
        length = address.network.prefixlen
        if flavour == "netbsd":
            mark = "0x4<DUPLICATED>" if one["duplicate"] else "0"
            family = "inet" if address.version == 4 else "inet6"
            yield f"\t{family} {address} flags {mark}"
        elif address.version == 4:
            mask = f"{int(address.netmask):#010x}"
            yield f"\tinet {address.ip} netmask {mask} broadcast {address.network[-1]}"
        else:
            mark = " duplicated" if one["duplicate"] else ""
            yield f"\tinet6 {address.ip} prefixlen {length}{mark}"


def listing(state: State) -> Iterator[str]:
    for name, port in state["interfaces"].items():
        if state["kernel"]:
            import subprocess

            shown = subprocess.check_output(["ip", "-o", "link", "show", name], text=True)
            port["carrier"] = "LOWER_UP" in shown
        if state["flavour"] == "illumos":
            yield from illumos_stanzas(name, port)
        else:
            yield from bsd_stanzas(state["flavour"], name, port)


# Changing.


def put_on(state: State, name: str, unit: int, text: str) -> None:
    address = ip_interface(text)
    taken = str(address.ip) in state["taken"]
    one = {**new_address(unit, text), "duplicate": taken}
    if state["flavour"] in ("illumos", "ipadm"):
        one["up"] = not taken
    state["interfaces"][name]["addresses"].append(one)
    in_kernel(state, "replace", name, text)


def take_off(state: State, name: str, one: State) -> None:
    state["interfaces"][name]["addresses"].remove(one)
    in_kernel(state, "del", name, one["address"])


def in_kernel(state: State, verb: str, name: str, text: str) -> None:
    if state["kernel"]:
        import subprocess

        nodad = ["nodad"] if verb == "replace" and ":" in text else []
        subprocess.run(["ip", "addr", verb, text, "dev", name, *nodad], check=True)


def illumos(state: State, unit_name: str, family: str, verb: str, *more: str) -> None:
    name, _, unit = unit_name.partition(":")
    if name not in state["interfaces"]:
        raise RefusedError(f"ifconfig: status: SIOCGLIFFLAGS: {name}: no such interface")
    addresses = state["interfaces"][name]["addresses"]
    assert family in ("inet", "inet6")
    match verb, more:
        case "addif", (text, "up"):
            number = free_unit([*addresses, {"unit": 0}])
            print(f"Created new logical interface {name}:{number}")
            if "addif" in state["fails"] or find(addresses, text.partition("/")[0]):
                addresses.append({**new_address(number, "0.0.0.0/0"), "up": False})
                said = state["fails"].get("addif", "cannot assign requested address")
                raise RefusedError(f"ifconfig: SIOCSLIFADDR: {name}:{number}: {said}")
            put_on(state, name, number, text)
        case "removeif", (text,):
            one = find(addresses, text)
            if one is None:
                raise RefusedError(
                    f"ifconfig: removeif: SIOCLIFREMOVEIF: {name}: no such interface"
                )
            if one["unit"] == 0:
                raise RefusedError(f"ifconfig: removeif: can't remove interface: {name}")
            take_off(state, name, one)
        case "up", ():
            one = next(one for one in addresses if one["unit"] == int(unit or 0))
            one["duplicate"] = str(ip_interface(one["address"]).ip) in state["taken"]
            one["up"] = not one["duplicate"]
        case "unplumb", ():
            addresses[:] = [one for one in addresses if one["unit"] != int(unit)]
        case _:
            raise RefusedError(f"ifconfig: {verb}: bad address")


def shown_by_ipadm(state: State, what: str) -> Iterator[str]:
    for name, port in state["interfaces"].items():
        if what == "show-if":
            yield f"{name}:{'ok' if port['carrier'] else 'failed'}"
            continue
        for one in port["addresses"]:
            how = "duplicate" if one["duplicate"] else "ok" if one["up"] else "down"
            escaped = one["address"].replace(":", "\\:")
            yield f"{name}/{object_of(one)}:{how}:{escaped}"


def object_of(one: State) -> str:
    return str(one.get("object", f"v{one['unit']}"))


def ipadm(state: State, verb: str, *more: str) -> None:
    name, _, called = more[-1].partition("/")
    addresses = state["interfaces"].get(name, {"addresses": []})["addresses"]
    one = next((each for each in addresses if object_of(each) == called), None)
    match verb, more[:-1]:
        case "create-addr", ("-t", "-T", "static", "-a", text):
            if not 0 < len(called) <= 32 or not called.isalnum():
                raise RefusedError(f"ipadm: invalid address object name: {more[-1]}")
            if one is not None:
                raise RefusedError("ipadm: Could not create address: Address object already exists")
            if name not in state["interfaces"] or find(addresses, text.partition("/")[0]):
                raise RefusedError("ipadm: Could not create address: Persistent operation failed")
            put_on(state, name, free_unit(addresses), text)
            addresses[-1]["object"] = called
        case _ if one is None or called == "?":
            raise RefusedError(f"ipadm: could not {verb}: Address object not found")
        case "delete-addr", ():
            take_off(state, name, one)
        case ("refresh-addr", ()) | ("up-addr", ("-t",)):
            one["duplicate"] = str(ip_interface(one["address"]).ip) in state["taken"]
            one["up"] = not one["duplicate"]
        case _:
            raise RefusedError(f"ipadm: unrecognized subcommand: '{verb}'")


def bsd(state: State, name: str, family: str, text: str, verb: str) -> None:
    if name not in state["interfaces"]:
        raise RefusedError(f"ifconfig: interface {name} does not exist")
    addresses = state["interfaces"][name]["addresses"]
    assert (family == "inet6") == (":" in text)
    match verb:
        case "alias":
            address = ip_interface(text)
            others = [ip_interface(one["address"]) for one in addresses]
            same_route = address.version == 4 and address.network.prefixlen != 32
            if find(addresses, str(address.ip)) or (
                same_route and any(address.network == other.network for other in others)
            ):
                raise RefusedError("ifconfig: ioctl (SIOCAIFADDR): File exists")
            put_on(state, name, free_unit(addresses), text)
        case "-alias":
            one = find(addresses, text)
            if one is None:
                raise RefusedError("ifconfig: ioctl (SIOCDIFADDR): Can't assign requested address")
            take_off(state, name, one)
        case _:
            raise RefusedError(f"ifconfig: {verb}: bad value")


def main(argv: list[str]) -> int:
    program, *arguments = argv
    with locked(f"{program}.json") as state:
        state["calls"].append(arguments)
        hangs = not set(arguments).isdisjoint(state["hangs"])
        if not hangs:
            return answer(state, arguments)
    time.sleep(1000)
    return 0


def answer(state: State, arguments: list[str]) -> int:
    if arguments in (["-a"], ["-A"]):
        print("\n".join(listing(state)))
        return 0
    if arguments[0] in ("show-if", "show-addr"):
        print("\n".join(shown_by_ipadm(state, arguments[0])))
        return 0
    if not set(arguments).isdisjoint(state["ignores"]):
        return 0
    changes: dict[str, Callable[..., None]] = {"illumos": illumos, "ipadm": ipadm}
    change = changes.get(state["flavour"], bsd)
    try:
        refuse(state, arguments)
        change(state, *arguments)
    except RefusedError as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


def refuse(state: State, arguments: list[str]) -> None:
    for word, said in state["fails"].items():
        if word in arguments and word != "addif":  # which fails half-way
            raise RefusedError(f"ifconfig: {said}")
