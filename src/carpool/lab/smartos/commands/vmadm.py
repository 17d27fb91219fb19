"""vmadm: zones, from payloads."""

import json
import re
import sys
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from carpool.lab.smartos import boot, machines, payload
from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.machines import Vm
from carpool.lab.smartos.stage import CommandError

_DEFAULT_COLUMNS: Final = "uuid,type,ram,state,alias"
_TYPES: Final = {"joyent": "OS", "joyent-minimal": "OS", "lx": "LX"}


def main(words: Sequence[str]) -> int:
    """Run a subcommand."""
    known = {
        "validate": _validate,
        "create": _create,
        "update": _update,
        "get": _get,
        "json": _get,
        "list": _list,
        "lookup": _lookup,
        "start": _start,
        "stop": _stop,
        "reboot": _reboot,
        "delete": _delete,
        "destroy": _delete,
    }
    if not words or words[0] not in known:
        raise CommandError(f"Invalid command: '{' '.join(words[:1])}'", read.USAGE)
    return known[words[0]](words[1:])


def _validate(words: Sequence[str]) -> int:
    action, *rest = words or [""]
    brand = None
    if action == "update" and rest and rest[0] != "-f":
        brand, *rest = rest
    options, _ = read.options(rest, "f:", anywhere=True)
    if action not in ("create", "update"):
        raise CommandError("validate needs create or update", read.USAGE)
    given = read.read_json(options.get("-f"))
    faults = payload.validate(action, given, brand).as_json()
    if faults:
        print(json.dumps(faults, indent=2), file=sys.stderr)
        return 1
    print(f"VALID '{action}' payload for {brand or given['brand']} brand VMs.")
    return 0


def _create(words: Sequence[str]) -> int:
    options, _ = read.options(words, "f:", anywhere=True)
    given = payload.without_unknown(read.read_json(options.get("-f")))
    faults = payload.validate("create", given).as_json()
    if faults:
        raise CommandError(f"Invalid payload: {json.dumps(faults)}")
    uuid = given.get("uuid") or str(uuid4())
    try:
        with machines.locked(uuid):
            with machines.locked():
                _check_against_host(given, uuid)
                vm = machines.described(given, uuid)
                machines.make(vm)
            _provision(vm)
    except CommandError as error:
        raise CommandError(f"Failed to create VM {uuid}: {error}") from None
    except OSError as error:
        raise CommandError(f"Failed to create VM {uuid}: {error.strerror}") from None
    print(f"Successfully created VM {uuid}", file=sys.stderr)
    return 0


def _check_against_host(given: dict[str, Any], uuid: str) -> None:
    """Look at what only the hypervisor can know. Raises CommandError."""
    host = boot.host()
    others = machines.known()
    if any(other["uuid"] == uuid for other in others):
        raise CommandError(f'vm with UUID "{uuid}" already exists.')
    if given["image_uuid"] not in host["images"]:
        raise CommandError(f"image {given['image_uuid']} not found: import it with imgadm")
    for nic in given.get("nics", []):
        _check_nic(nic, host, others)


def _check_nic(nic: dict[str, Any], host: dict[str, Any], others: Sequence[Vm]) -> None:
    if nic["nic_tag"] not in host["nic_tags"]:
        raise CommandError(f'Invalid nic tag "{nic["nic_tag"]}"')
    if isinstance(nic.get("gateways"), str):
        raise CommandError("nic.gateways.forEach is not a function")
    taken = {
        address: other["uuid"]
        for other in others
        for known in other["nics"]
        for address in known.get("ips", [])
        if address not in ("dhcp", "addrconf")
    }
    for address in nic.get("ips", []):  # only as they are written, allowed_ips not at all
        if address in taken:
            raise CommandError(f"Conflict detected with another vm: {address} is {taken[address]}")


def _provision(vm: Vm) -> None:
    """Make the zone's disk and start it; nothing is left of it if that fails."""
    try:
        boot.install(vm)
        if vm["autoboot"]:
            boot.boot(vm)
        vm["state"] = "stopped"  # as it is told on the disk: a running zone shows by itself
        machines.save(vm)
    except (CommandError, OSError):
        boot.halt(vm, force=True)
        machines.remove(vm["uuid"])
        raise


def _update(words: Sequence[str]) -> int:
    options, rest = read.options(words, "f:", anywhere=True)
    if not rest:
        raise CommandError("update needs a UUID", read.USAGE)
    uuid, *settings = rest
    with machines.locked(uuid):
        vm = machines.load(uuid)
        if settings:
            change = dict(_setting(word) for word in settings)
        else:
            change = read.read_json(options.get("-f"))
        faults = payload.validate("update", change, vm["brand"]).as_json()
        if faults:
            raise CommandError(f"Invalid payload: {json.dumps(faults)}")
        with machines.locked():
            others = [other for other in machines.known() if other["uuid"] != uuid]
            _apply(vm, change, others)
            machines.save(vm)
        if vm["state"] == "running":
            boot.protect(vm)
    print(f"Successfully updated VM {uuid}", file=sys.stderr)
    return 0


def _setting(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals:
        raise CommandError(f"{word}: expected property=value", read.USAGE)
    known = {"true": True, "false": False}
    return name, int(value) if value.isdecimal() else known.get(value, value)


def _apply(vm: Vm, change: dict[str, Any], others: Sequence[Vm]) -> None:
    host = boot.host()
    nics = {nic["mac"]: nic for nic in vm["nics"]}
    for nic in change.get("update_nics", []):
        if nic["mac"] not in nics:
            raise CommandError(f"there is no nic with MAC {nic['mac']}")
        known = nics[nic["mac"]]
        changed = {**known, **nic}
        # What is told both ways follows what was given.
        for new, old in (("ips", ("ip", "netmask")), ("gateways", ("gateway",))):
            if new in nic:
                changed = {name: value for name, value in changed.items() if name not in old}
        _check_nic(changed, host, others)
        known.clear()
        known.update(machines.full_nic(changed, 0, vm["brand"]))
    for mac in change.get("remove_nics", []):
        nics.pop(mac, None)
    vm["nics"] = list(nics.values())
    for nic in change.get("add_nics", []):
        _check_nic(nic, host, others)
        vm["nics"].append(machines.full_nic(nic, len(vm["nics"]), vm["brand"]))
    for name, value in change.items():
        verb, _, what = name.partition("_")
        if name in ("update_nics", "remove_nics", "add_nics"):
            continue
        if verb == "set":
            vm.setdefault(what, {}).update(value)
        elif verb == "remove":
            for key in value:
                vm.get(what, {}).pop(key, None)
        else:
            vm[name] = value


def _get(words: Sequence[str]) -> int:
    print(json.dumps(machines.load(read.one(words, "UUID")), indent=2))
    return 0


def _list(words: Sequence[str]) -> int:
    options, filters = read.options(words, "pHo:s:", anywhere=True)
    columns = options.get("-o", _DEFAULT_COLUMNS).split(",")
    found = _filtered(filters)
    order = options.get("-s", "ram,uuid").split(",")
    for column in reversed(order):
        found.sort(key=lambda vm: _cell(vm, column.lstrip("-+")), reverse=column.startswith("-"))
    read.table(
        [[_cell(vm, column) for column in columns] for vm in found],
        [column.upper() for column in columns],
        head="-H" not in options,
        separator=":" if "-p" in options else "",
    )
    return 0


def _lookup(words: Sequence[str]) -> int:
    options, filters = read.options(words, "j1o:", anywhere=True)
    found = _filtered(filters)
    if "-1" in options and len(found) != 1:
        raise CommandError(f"Requested unique lookup but found {len(found)} results.")
    if "-j" in options:
        if "-o" in options:
            columns = options["-o"].split(",")
            found = [{name: vm[name] for name in columns if name in vm} for vm in found]
        print(json.dumps(found, indent=2))
        return 0
    for vm in found:
        print(vm["uuid"])
    return 0


def _filtered(filters: Sequence[str]) -> list[Vm]:
    wanted = []
    for word in filters:
        name, equals, value = word.partition("=")
        if not equals:
            raise CommandError(f"Invalid filter: {word}", read.USAGE)
        # key=value is the whole value, key=~value an expression that is in it.
        pattern = value[1:] if value.startswith("~") else rf"\A{re.escape(value)}\Z"
        wanted.append((name, re.compile(pattern)))
    return [
        vm
        for vm in machines.known()
        if all(pattern.search(_cell(vm, name)) for name, pattern in wanted)
    ]


def _cell(vm: Vm, column: str) -> str:
    match column:
        case "type":
            return _TYPES.get(vm["brand"], "OS")
        case "ram":
            return str(vm["max_physical_memory"])
    found = read.nested(vm, column)
    if found is None:
        return "-"
    return str(found).lower() if isinstance(found, bool) else str(found)


def _start(words: Sequence[str]) -> int:
    _, rest = read.options(words, "", anywhere=True)
    uuid = read.one(rest, "UUID")
    with machines.locked(uuid):
        vm = machines.load(uuid)
        if vm["state"] == "running":
            raise CommandError(f'Failed to start VM {uuid}: VM is already "running".')
        boot.halt(vm)
        boot.boot(vm)
    print(f"Successfully started VM {uuid}", file=sys.stderr)
    return 0


def _stop(words: Sequence[str]) -> int:
    options, rest = read.options(words, "Ft:", anywhere=True)
    uuid = read.one(rest, "UUID")
    with machines.locked(uuid):
        vm = machines.load(uuid)
        if vm["state"] != "running":
            raise CommandError(f'Failed to stop VM {uuid}: VM is not running: "{vm["state"]}".')
        boot.halt(vm, force="-F" in options)
    print(f"Successfully stopped VM {uuid}", file=sys.stderr)
    return 0


def _reboot(words: Sequence[str]) -> int:
    options, rest = read.options(words, "F", anywhere=True)
    uuid = read.one(rest, "UUID")
    with machines.locked(uuid):
        vm = machines.load(uuid)
        if vm["state"] != "running":
            raise CommandError(f'Failed to reboot VM {uuid}: VM is not running: "{vm["state"]}".')
        boot.halt(vm, force="-F" in options)
        boot.boot(vm)
    print(f"Successfully rebooted VM {uuid}", file=sys.stderr)
    return 0


def _delete(words: Sequence[str]) -> int:
    _, rest = read.options(words, "", anywhere=True)
    uuid = read.one(rest, "UUID")
    with machines.locked(uuid):
        vm = machines.load(uuid)
        boot.halt(vm, force=True)
        machines.remove(uuid)
    print(f"Successfully deleted VM {uuid}", file=sys.stderr)
    return 0
