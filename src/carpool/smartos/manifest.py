"""An SMF manifest: its model, and the XML that svccfg(8) imports.

The model can say wrong things; `manifest_check.check` finds them in the XML. The order of elements
is the DTD's, service_bundle.dtd.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from xml.etree.ElementTree import Element, SubElement, indent, tostring

Grouping: TypeAlias = Literal["require_all", "require_any", "optional_all", "exclude_all"]
RestartOn: TypeAlias = Literal["error", "restart", "refresh", "none"]

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">\n'
)


@dataclass(frozen=True, slots=True)
class Dependency:
    """What must be there before this service starts: services, or files (``type`` path)."""

    name: str
    fmris: tuple[str, ...]
    grouping: Grouping = "require_all"
    restart_on: RestartOn = "none"
    type: Literal["service", "path"] = "service"


@dataclass(frozen=True, slots=True)
class Dependent:
    """A service that is to wait for this one."""

    name: str
    fmri: str
    grouping: Grouping = "require_all"
    restart_on: RestartOn = "none"


@dataclass(frozen=True, slots=True)
class Credential:
    """Whom methods run as, and with which privileges."""

    user: str
    group: str | None = None
    supplementary_groups: str | None = None
    privileges: str | None = None
    limit_privileges: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What methods run in; ``environment`` is pairs of name and value."""

    credential: Credential | None = None
    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """``start``, ``stop`` or ``refresh``: a command for sh, ``:true`` or ``:kill [-SIGNAL]``.

    ``timeout`` is in seconds; 0 is no limit.
    """

    name: str
    exec: str
    timeout: int = 60


@dataclass(frozen=True, slots=True)
class Property:
    """A property of one value, or of several."""

    name: str
    type: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PropertyGroup:
    """Properties that belong together."""

    name: str
    type: str
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One service; ``service`` is its name with its category, such as ``network/carpool``.

    Without ``instance`` it has one instance, ``default``, and can have no other; with it, it has
    the instance of that name and can have more. ``ignore_error`` is what startd is not to restart
    the service for: ``core``, ``signal``. ``manpages`` are pairs of title and section.
    """

    service: str
    common_name: str
    methods: tuple[Method, ...]
    bundle: str = "carpool"
    version: int = 1
    instance: str | None = None
    enabled: bool = False
    duration: str = "contract"
    ignore_error: str | None = None
    dependencies: tuple[Dependency, ...] = ()
    dependents: tuple[Dependent, ...] = ()
    context: Context = field(default_factory=Context)
    property_groups: tuple[PropertyGroup, ...] = ()
    stability: str = "Evolving"
    description: str = ""
    manpages: tuple[tuple[str, str], ...] = ()

    @property
    def fmri(self) -> str:
        """The FMRI of its instance."""
        return f"svc:/{self.service}:{self.instance or 'default'}"


def to_xml(manifest: Manifest) -> str:
    """Return the manifest as XML 1.0 in UTF-8; the same for the same manifest, every time."""
    bundle = Element("service_bundle", type="manifest", name=manifest.bundle)
    service = SubElement(
        bundle, "service", name=manifest.service, type="service", version=str(manifest.version)
    )
    enabled = _boolean(manifest.enabled)
    if manifest.instance is None:
        SubElement(service, "create_default_instance", enabled=enabled)
        SubElement(service, "single_instance")
    for dependency in manifest.dependencies:
        _add_dependency(service, dependency)
    for dependent in manifest.dependents:
        _add_dependent(service, dependent)
    _add_context(service, manifest.context)
    for method in manifest.methods:
        SubElement(
            service,
            "exec_method",
            type="method",
            name=method.name,
            exec=method.exec,
            timeout_seconds=str(method.timeout),
        )
    for group in (_startd(manifest), *manifest.property_groups):
        _add_property_group(service, group)
    if manifest.instance is not None:
        SubElement(service, "instance", name=manifest.instance, enabled=enabled)
    SubElement(service, "stability", value=manifest.stability)
    _add_template(service, manifest)
    indent(bundle)
    return f"{_HEAD}{tostring(bundle, encoding='unicode')}\n"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _startd(manifest: Manifest) -> PropertyGroup:
    properties = [Property("duration", "astring", (manifest.duration,))]
    if manifest.ignore_error is not None:
        properties.append(Property("ignore_error", "astring", (manifest.ignore_error,)))
    return PropertyGroup("startd", "framework", tuple(properties))


def _add_dependency(service: Element, dependency: Dependency) -> None:
    element = SubElement(
        service,
        "dependency",
        name=dependency.name,
        grouping=dependency.grouping,
        restart_on=dependency.restart_on,
        type=dependency.type,
    )
    for fmri in dependency.fmris:
        SubElement(element, "service_fmri", value=fmri)


def _add_dependent(service: Element, dependent: Dependent) -> None:
    element = SubElement(
        service,
        "dependent",
        name=dependent.name,
        grouping=dependent.grouping,
        restart_on=dependent.restart_on,
    )
    SubElement(element, "service_fmri", value=dependent.fmri)


def _add_context(service: Element, context: Context) -> None:
    if context == Context():
        return
    element = SubElement(service, "method_context")
    if context.working_directory is not None:
        element.set("working_directory", context.working_directory)
    if context.project is not None:
        element.set("project", context.project)
    credential = context.credential
    if credential is not None:
        attributes = {
            "user": credential.user,
            "group": credential.group,
            "supp_groups": credential.supplementary_groups,
            "privileges": credential.privileges,
            "limit_privileges": credential.limit_privileges,
        }
        given = {name: value for name, value in attributes.items() if value is not None}
        SubElement(element, "method_credential", given)
    if context.environment:
        environment = SubElement(element, "method_environment")
        for name, value in context.environment:
            SubElement(environment, "envvar", name=name, value=value)


def _add_property_group(service: Element, group: PropertyGroup) -> None:
    element = SubElement(service, "property_group", name=group.name, type=group.type)
    for item in group.properties:
        if len(item.values) == 1:
            SubElement(element, "propval", name=item.name, type=item.type, value=item.values[0])
            continue
        several = SubElement(element, "property", name=item.name, type=item.type)
        if item.values:
            values = SubElement(several, f"{item.type}_list")
            for value in item.values:
                SubElement(values, "value_node", value=value)


def _add_template(service: Element, manifest: Manifest) -> None:
    template = SubElement(service, "template")
    _add_text(SubElement(template, "common_name"), manifest.common_name)
    if manifest.description:
        _add_text(SubElement(template, "description"), manifest.description)
    if manifest.manpages:
        documentation = SubElement(template, "documentation")
        for title, section in manifest.manpages:
            SubElement(documentation, "manpage", title=title, section=section)


def _add_text(element: Element, text: str) -> None:
    SubElement(element, "loctext", {"xml:lang": "C"}).text = text
