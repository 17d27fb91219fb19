"""What SMF remembers of a zone's services: those of the image, and those imported since."""

import json
from collections.abc import Iterator
from typing import Any, Final

from carpool.lab.smartos.machines import Vm
from carpool.lab.smartos.places import SEEN_CONFIG
from carpool.lab.smartos.restarter import Instance
from carpool.lab.smartos.smf import Dependency, Method, Service, services
from carpool.lab.smartos.stage import CommandError

_FILE: Final = SEEN_CONFIG / "smf.json"
_SCRIPT_SECONDS: Final = 300
_INERT: Final = {
    "network/physical": True,
    "system/filesystem/local": True,
    "milestone/multi-user": True,
    "smartdc/mdata:fetch": True,
    "network/ssh": False,
    "system/cron": False,
}
"""Services of the image that are only there to be depended on and enabled."""


def load(vm: Vm, *, has_script: bool) -> Iterator[tuple[Service, bool]]:
    """Yield every service, and whether it is enabled, as it was when the zone last ran."""
    known = _read()
    for found in [*_of_image(vm, has_script=has_script), *_imported(known)]:
        service = found
        entry = known.get(service.fmri, {})
        for name, value in entry.get("properties", {}).items():
            service = service.with_property(name, value)
        yield service, entry.get("enabled", service.enabled)


def read_manifest(text: str) -> list[Service]:
    """Return the services of a manifest. Raises CommandError."""
    try:
        return services(text)
    except ValueError as error:
        raise CommandError(str(error)) from None


def note(instance: Instance, manifest: str | None = None) -> None:
    """Remember what is set of a service, and the manifest that it came with."""
    known = _read()
    entry = known.setdefault(instance.service.fmri, {})
    entry["enabled"] = instance.enabled
    if manifest is not None:
        entry["manifest"] = manifest
        entry.pop("properties", None)
    else:
        entry["properties"] = dict(instance.service.properties)
    _write(known)


def forget(fmri: str) -> None:
    """Remember nothing of a service."""
    known = _read()
    known.pop(fmri, None)
    _write(known)


def _of_image(vm: Vm, *, has_script: bool) -> Iterator[Service]:
    nothing = {name: Method(":true", 0) for name in ("start", "stop", "refresh")}
    for name, enabled in _INERT.items():
        full = name if ":" in name else f"{name}:default"
        yield Service(f"svc:/{full}", enabled, "transient", nothing)
    network = Dependency("require_all", "none", ("svc:/network/physical:default",))
    yield Service("svc:/milestone/network:default", True, "transient", nothing, (network,))
    # Ends with SMF_EXIT_ERR_FATAL if the script fails, which parks the service.
    script = "/bin/sh -c '/var/svc/mdata-user-script || exit 95'" if has_script else ":true"
    start = Method(
        script,
        vm.get("mdata_exec_timeout", _SCRIPT_SECONDS),
        environment=(("PATH", "/usr/sbin:/usr/bin"),),
    )
    after = Dependency(
        "require_all",
        "none",
        ("svc:/milestone/network:default", "svc:/smartdc/mdata:fetch"),
    )
    methods = {**nothing, "start": start}
    yield Service("svc:/smartdc/mdata:execute", True, "transient", methods, (after,))


def _imported(known: dict[str, Any]) -> Iterator[Service]:
    for fmri, entry in known.items():
        if "manifest" in entry:
            yield from (one for one in services(entry["manifest"]) if one.fmri == fmri)


def _read() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_FILE.read_text())
    except FileNotFoundError:
        return {}
    return found


def _write(known: dict[str, Any]) -> None:
    new = _FILE.with_suffix(".new")
    new.write_text(json.dumps(known))
    new.replace(_FILE)
