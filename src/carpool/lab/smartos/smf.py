"""What an SMF manifest says of a service, as far as a restarter needs to know.

Sources: service_bundle(5), smf_method(7), svc.startd(8).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from carpool.smartos.manifest_xml import Fault, Tag, grammar_faults, parse

_DEFAULT_PATH: Final = "/usr/sbin:/usr/bin"
_TOKEN: Final = re.compile(r"%(?:\{([^{}]+?)[:,]?\}|(.))")


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a service waits for: services or files, by FMRI."""

    grouping: str
    restart_on: str
    fmris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """A command for sh, `:true`, or `:kill [-SIGNAL]`, and whom it runs as.

    `timeout` is in seconds, 0 for none. `privileges` is empty where none are named.
    """

    exec: str
    timeout: int
    user: str = "root"
    group: str = ""
    privileges: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    directory: str = "/"


@dataclass(frozen=True, slots=True)
class Service:
    """One instance; `duration` is contract, child (wait) or transient."""

    fmri: str
    enabled: bool = False
    duration: str = "contract"
    methods: Mapping[str, Method] = field(default_factory=dict)
    dependencies: tuple[Dependency, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> str:
        """The file that takes what the methods print: network-carpool:default.log."""
        return f"/var/svc/log/{self.fmri.removeprefix('svc:/').replace('/', '-')}.log"

    def method(self, name: str) -> Method:
        """Return a method, its tokens expanded; one that does nothing if there is none such."""
        found = self.methods.get(name, Method(":true", 0))
        return replace(
            found,
            exec=_TOKEN.sub(lambda token: self._expand(token, name), found.exec),
            environment=(("SMF_FMRI", self.fmri), *found.environment),
        )

    def with_property(self, name: str, value: str) -> "Service":
        """Return the service with a property of another value."""
        properties = {**self.properties, name: value}
        duration = properties.get("startd/duration", self.duration)
        return replace(self, properties=properties, duration=duration)

    def _expand(self, token: re.Match[str], method: str) -> str:
        if token[1]:
            name = token[1] if "/" in token[1] else f"application/{token[1]}"
            return self.properties.get(name, "")
        service, _, instance = self.fmri.removeprefix("svc:/").rpartition(":")
        known = {"%": "%", "m": method, "s": service, "i": instance, "f": self.fmri, "r": ""}
        return known.get(token[2], "")


def services(manifest: str) -> list[Service]:
    """Return the instances of a manifest. Raises ValueError, which says what svccfg would."""
    root = parse(manifest)
    if isinstance(root, Fault):
        raise ValueError(str(root))  # noqa: TRY004  a wrong text, not a wrong type
    faults = [] if root.name == "service_bundle" else [f"<{root.name}> is no manifest"]
    faults += [str(fault) for fault in grammar_faults(root)]
    if root.get("type") != "manifest":
        faults.append("not a manifest")
    if faults:
        raise ValueError("\n".join(faults))
    return [found for tag in root.all("service") for found in _instances(tag)]


def matching(pattern: str, fmris: Iterable[str]) -> list[str]:
    """Return the FMRIs that an abbreviation means, as svcs(1) reads it: carpool, network/carpool.

    Globs are not known.
    """
    bare = re.sub(r"^(svc:)?/*(localhost/)?", "", pattern)
    return [
        fmri
        for fmri in fmris
        if (name := fmri.removeprefix("svc:/")) == bare
        or name.partition(":")[0] == bare
        or name.endswith(f"/{bare}")
        or name.partition(":")[0].endswith(f"/{bare}")
        or (bare.startswith(":") and name.endswith(bare))
    ]


def _instances(service: Tag) -> Iterator[Service]:
    for default in service.all("create_default_instance"):
        yield _instance([service], "default", default.get("enabled") == "true")
    for tag in service.all("instance"):
        yield _instance([service, tag], tag.get("name"), tag.get("enabled") == "true")


def _instance(levels: list[Tag], name: str, enabled: bool) -> Service:
    properties = {
        f"{group.get('name')}/{item.get('name')}": _value(item)
        for level in levels
        for group in level.all("property_group")
        for item in group.children
        if item.name in ("propval", "property")
    }
    contexts = [context for level in levels for context in level.all("method_context")]
    methods = {
        method.get("name"): _method(method, [*contexts, *method.all("method_context")])
        for level in levels
        for method in level.all("exec_method")
    }
    return Service(
        f"svc:/{levels[0].get('name')}:{name}",
        enabled,
        properties.get("startd/duration", "contract"),
        methods,
        tuple(_dependency(one) for level in levels for one in level.all("dependency")),
        properties,
    )


def _value(item: Tag) -> str:
    if item.name == "propval":
        return item.get("value")
    return " ".join(node.get("value") for values in item.children for node in values.children)


def _dependency(tag: Tag) -> Dependency:
    fmris = tuple(fmri.get("value") for fmri in tag.all("service_fmri"))
    return Dependency(tag.get("grouping"), tag.get("restart_on"), fmris)


def _method(tag: Tag, contexts: list[Tag]) -> Method:
    credential = {
        name: value
        for context in contexts
        for found in context.all("method_credential")
        for name, value in found.attributes.items()
    }
    environment = {"PATH": _DEFAULT_PATH}
    for context in contexts:
        for table in context.all("method_environment"):
            environment.update((one.get("name"), one.get("value")) for one in table.children)
    directories = [context.get("working_directory") for context in contexts]
    return Method(
        tag.get("exec"),
        max(0, int(tag.get("timeout_seconds"))),
        credential.get("user", "root"),
        credential.get("group", ""),
        tuple(name for name in credential.get("privileges", "").split(",") if name),
        tuple(environment.items()),
        next((one for one in reversed(directories) if one), "/"),
    )
