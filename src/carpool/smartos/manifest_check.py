"""What is wrong with an SMF manifest: what the DTD says of it, and all that the DTD leaves open.

svccfg takes a manifest whose duration, privilege or FMRI is misspelt, and the service then goes to
maintenance, or worse, waits for ever.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from carpool.smartos import smf_values as smf
from carpool.smartos.manifest_xml import Fault, Tag, grammar_faults, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STARTD = frozenset(
    {
        "duration",
        "ignore_error",
        "need_session",
        "utmpx_prefix",
        "critical_failure_count",
        "critical_failure_period",
    }
)
_REFERENCE = re.compile(r"%\{([^{}:,\s]+)[:,]?\}")
_FRAMEWORK = ("general", "general_ovr", "restarter", "restarter_actions", "startd")
"""Property groups that every service has at run time."""


def check(text: str) -> tuple[Fault, ...]:
    """Return everything wrong with the manifest, in the order of its lines."""
    root = parse(text)
    if isinstance(root, Fault):
        return (root,)
    if root.name != "service_bundle":
        return (Fault(root.line, f"<{root.name}> is no manifest; that is a <service_bundle>"),)
    faults = list(grammar_faults(root))
    if root.get("type") != "manifest":
        message = f"type={root.get('type')!r} is no manifest; write type='manifest'"
        faults.append(Fault(root.line, message))
    for tag in root.walk():
        for attribute, value_check in _VALUES.get(tag.name, {}).items():
            if attribute in tag.attributes and (wrong := value_check(tag.attributes[attribute])):
                faults.append(Fault(tag.line, f"<{tag.name} {attribute}>: {wrong}"))
        for rule in _RULES.get(tag.name, ()):
            faults += rule(tag)
    return tuple(sorted(faults, key=lambda fault: (fault.line or 0, fault.message)))


def _property_value(tag: Tag) -> Iterator[Fault]:
    value_check = smf.PROPERTY_TYPES.get(tag.get("type"))
    if value_check is not None and (wrong := value_check(tag.get("value"))):
        yield Fault(tag.line, f"property {tag.get('name')}: {wrong}")


def _property_list(tag: Tag) -> Iterator[Fault]:
    kind = tag.get("type")
    value_check = smf.PROPERTY_TYPES.get(kind)
    for values in tag.children:
        if values.name != f"{kind}_list":
            message = f"property {tag.get('name')}: is of type {kind} and has a <{values.name}>"
            yield Fault(values.line, f"{message}; make it <{kind}_list>")
            continue
        for node in values.children:
            if value_check is not None and (wrong := value_check(node.get("value"))):
                yield Fault(node.line, f"property {tag.get('name')}: {wrong}")


def _dependency(tag: Tag) -> Iterator[Fault]:
    where, kind = f"dependency {tag.get('name')}", tag.get("type")
    fmri_check = {"service": smf.service_fmri, "path": smf.path_fmri}.get(kind)
    if fmri_check is None:
        yield Fault(tag.line, f"{where}: type {kind!r} is neither service nor path")
        return
    for fmri in tag.all("service_fmri"):
        if wrong := fmri_check(fmri.get("value")):
            yield Fault(fmri.line, f"{where}: {wrong}")
    if tag.get("delete") != "true" and not any(tag.all("service_fmri")):
        yield Fault(tag.line, f"{where}: names no service; add a <service_fmri>")


def _only_service(tag: Tag) -> Iterator[Fault]:
    for fmri in tag.all("service_fmri"):
        if wrong := smf.service_fmri(fmri.get("value")):
            yield Fault(fmri.line, f"<{tag.name} {tag.get('name')}>: {wrong}")


def _method(tag: Tag) -> Iterator[Fault]:
    if tag.get("name") == "start" and tag.get("exec").startswith(":kill"):
        yield Fault(tag.line, "the start method kills; write the command that starts the daemon")


def _environment(tag: Tag) -> Iterator[Fault]:
    names = Counter(variable.get("name") for variable in tag.children)
    for name in (name for name, count in names.items() if count > 1):
        yield Fault(tag.line, f"the variable {name} is set more than once; leave one")


def _startd_group(tag: Tag) -> Iterator[Fault]:
    if tag.get("name") != "startd":
        return
    if tag.get("type") != "framework":
        yield Fault(tag.line, "property group startd: its type must be framework")
    for item in tag.children:
        name, value = item.get("name"), item.get("value")
        if item.name in ("propval", "property") and name not in _STARTD:
            known = ", ".join(sorted(_STARTD))
            yield Fault(item.line, f"startd knows no property {name!r}; it knows {known}")
        elif name == "duration" and (wrong := smf.duration(value)):
            yield Fault(item.line, f"startd/duration: {wrong}")
        elif name == "ignore_error" and not set(value.split(",")) <= {"core", "signal"}:
            message = f"startd/ignore_error: {value!r} is unknown; use core, signal or core,signal"
            yield Fault(item.line, message)


def _unique(tag: Tag) -> Iterator[Fault]:
    """Look for names given twice: all of these are property groups of one service."""
    seen: set[str] = set()
    for child in tag.children:
        if child.name in ("dependency", "exec_method", "property_group"):
            name = child.get("name")
            if name in seen:
                what = "dependencies, methods and property groups share their names"
                yield Fault(child.line, f"there is a {name!r} already: {what}; rename one")
            seen.add(name)
    for kind in ("dependent", "instance"):
        names: set[str] = set()
        for child in tag.all(kind):
            if child.get("name") in names:
                yield Fault(child.line, f"there is a {kind} {child.get('name')!r} already")
            names.add(child.get("name"))


def _service_methods(tag: Tag) -> Iterator[Fault]:
    """Look for methods without which svc.startd(8) puts a service into maintenance."""
    if any(tag.all("restarter")):
        return
    own = {method.get("name") for method in tag.all("exec_method")}
    of_instances = [
        {method.get("name") for method in instance.all("exec_method")}
        for instance in tag.all("instance")
        if not any(instance.all("restarter"))
    ]
    for name in ("start", "stop"):
        bare = any(name not in methods for methods in of_instances)
        if name not in own and (bare or not of_instances):
            yield Fault(tag.line, f"there is no {name} method; add one (:true does nothing)")


def _references(tag: Tag) -> Iterator[Fault]:
    """Look for properties that are not there: these expand to nothing, without a word."""
    groups: dict[str, set[str]] = {}
    for found in tag.walk():
        if found.name == "property_group":
            names = (child.get("name") for child in found.children)
            groups.setdefault(found.get("name"), set()).update(names)
    for method in (found for found in tag.walk() if found.name == "exec_method"):
        for reference in _REFERENCE.findall(method.get("exec").replace("%%", "")):
            group, _, name = reference.rpartition("/")
            group = group or "application"
            if group not in _FRAMEWORK and name not in groups.get(group, ()):
                message = f"%{{{reference}}}: there is no property {name} in a group {group}"
                yield Fault(method.line, f"{message}; add it")


_VALUES: dict[str, dict[str, Callable[[str], smf.Problem]]] = {
    "service": {"name": smf.name, "version": smf.version},
    "instance": {"name": smf.instance_name},
    "dependency": {"name": smf.instance_name},
    "dependent": {"name": smf.instance_name},
    "property_group": {"name": smf.instance_name, "type": smf.instance_name},
    "propval": {"name": smf.instance_name},
    "property": {"name": smf.instance_name},
    "exec_method": {
        "name": smf.instance_name,
        "exec": smf.method,
        "timeout_seconds": smf.timeout,
    },
    "method_context": {"working_directory": smf.directory},
    "method_credential": {
        "user": smf.user,
        "group": smf.group,
        "supp_groups": smf.groups,
        "privileges": smf.privileges,
        "limit_privileges": smf.privileges,
    },
    "envvar": {"name": smf.environment_name},
}

_RULES: dict[str, tuple[Callable[[Tag], Iterator[Fault]], ...]] = {
    "propval": (_property_value,),
    "property": (_property_list,),
    "dependency": (_dependency,),
    "dependent": (_only_service,),
    "restarter": (_only_service,),
    "exec_method": (_method,),
    "method_environment": (_environment,),
    "property_group": (_startd_group,),
    "service": (_unique, _service_methods, _references),
    "instance": (_unique,),
}
