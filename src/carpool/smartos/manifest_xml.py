"""Reading an SMF manifest with line numbers, and holding it against the grammar of its DTD.

The grammar is that of service_bundle.dtd.1 for manifests; no XML library of the standard library
validates. Entities other than XML's own are refused, so no document can grow while it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a manifest; ``line`` is 1-based, None for the whole document."""

    line: int | None
    message: str

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Tag:
    """One element of the document."""

    name: str
    attributes: dict[str, str]
    line: int
    children: list[Tag] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Tag]:
        """Yield the children of that name."""
        return (child for child in self.children if child.name == name)

    def get(self, attribute: str) -> str:
        """Return an attribute's value, empty if it has none."""
        return self.attributes.get(attribute, "")

    def walk(self) -> Iterator[Tag]:
        """Yield this element and everything inside it, in the order of the document."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse(text: str) -> Tag | Fault:
    """Return the root element of an XML document, or what keeps it from being one."""
    parser = expat.ParserCreate()
    top = Tag("", {}, 0)
    stack = [top]

    def start(name: str, attributes: dict[str, str]) -> None:
        tag = Tag(name, attributes, parser.CurrentLineNumber)
        stack[-1].children.append(tag)
        stack.append(tag)

    def entity(name: str, *_: object) -> None:
        raise _EntityError(name)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        return Fault(error.lineno, f"XML: {expat.ErrorString(error.code)}")
    except (_EntityError, UnicodeEncodeError) as error:
        return Fault(parser.CurrentLineNumber, f"{error}; write characters themselves")
    return top.children[0]


class _EntityError(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(f"declares the entity {name!r}, which manifests do not need")


_VALUE_TYPES = (
    "count|integer|opaque|host|hostname|net_address|net_address_v4|net_address_v6|time|astring|"
    "ustring|boolean|fmri|uri"
)
_LISTS = _VALUE_TYPES.replace("|", "_list|") + "_list"
_DEPENDENCY_TAIL = "stability? (propval|property)*"
_GROUPING = "grouping!=require_all|require_any|exclude_all|optional_all"
_RESTART_ON = "restart_on!=error|restart|refresh|none"
_BOOLEAN = "true|false"

_CONTENT = {
    "service_bundle": "service_bundle*|service*",
    "service": "create_default_instance? single_instance? restarter? dependency* dependent* "
    "method_context? exec_method* notification_parameters* property_group* instance* stability? "
    "template?",
    "instance": "restarter? dependency* dependent* method_context? exec_method* "
    "notification_parameters* property_group* template?",
    "restarter": "service_fmri",
    "dependency": f"service_fmri* {_DEPENDENCY_TAIL}",
    "dependent": f"service_fmri {_DEPENDENCY_TAIL}",
    "method_context": "(method_profile|method_credential)? method_environment?",
    "method_environment": "envvar+",
    "exec_method": "method_context? stability? (propval|property)*",
    "property_group": "stability? (propval|property)*",
    "property": f"({_LISTS})?",
    **dict.fromkeys(_LISTS.split("|"), "value_node+"),
    "notification_parameters": "event type+",
    "type": "(parameter|paramval)*",
    "parameter": "value_node*",
    "template": "common_name description? documentation? pg_pattern*",
    "common_name": "loctext+",
    "description": "loctext+",
    "units": "loctext+",
    "documentation": "(doc_link|manpage)*",
    "pg_pattern": "common_name? description? prop_pattern*",
    "prop_pattern": "common_name? description? units? visibility? cardinality? "
    "internal_separators? values? constraints? choices?",
    "values": "value+",
    "value": "common_name? description?",
    "constraints": "value* range*",
    "choices": "value* range* include_values*",
}
"""Children in their order; an element that is not here has none."""

_ATTRIBUTES = {
    "service_bundle": "type! name!",
    "service": "name! version! type!=service|restarter|milestone",
    "instance": f"name! enabled!={_BOOLEAN}",
    "create_default_instance": f"enabled!={_BOOLEAN}",
    "single_instance": "",
    "restarter": "",
    "service_fmri": "value!",
    "dependency": f"name! {_GROUPING} {_RESTART_ON} type! delete={_BOOLEAN}",
    "dependent": f"name! {_GROUPING} {_RESTART_ON} delete={_BOOLEAN} override={_BOOLEAN}",
    "method_context": "security_flags working_directory project resource_pool",
    "method_profile": "name!",
    "method_credential": "user! group supp_groups privileges limit_privileges",
    "method_environment": "",
    "envvar": "name! value!",
    "exec_method": f"type!=method|monitor name! exec! timeout_seconds! delete={_BOOLEAN}",
    "property_group": f"name! type! delete={_BOOLEAN}",
    "propval": f"name! type!={_VALUE_TYPES} value! override={_BOOLEAN}",
    "property": f"name! type!={_VALUE_TYPES} override={_BOOLEAN}",
    **dict.fromkeys(_LISTS.split("|"), ""),
    "value_node": "value!",
    "stability": "value!=Standard|Stable|Evolving|Unstable|External|Obsolete",
    "notification_parameters": "",
    "event": "value!",
    "type": f"name! active={_BOOLEAN}",
    "parameter": "name!",
    "paramval": "name! value!",
    "template": "",
    "common_name": "",
    "description": "",
    "loctext": "xml:lang!",
    "documentation": "",
    "doc_link": "name! uri!",
    "manpage": "title! section! manpath",
    "pg_pattern": f"name type required={_BOOLEAN} target=this|instance|delegate|all",
    "prop_pattern": f"name! type={_VALUE_TYPES} required={_BOOLEAN}",
    "units": "",
    "visibility": "value!=hidden|readonly|readwrite",
    "cardinality": "min max",
    "internal_separators": "",
    "values": "",
    "value": "name!",
    "range": "min! max!",
    "constraints": "",
    "choices": "",
    "include_values": "type!=constraints|values",
}
"""Every element with its attributes: ``!`` marks those it must have, ``=`` all their values."""


def _compile(model: str) -> re.Pattern[str]:
    """Return the pattern of the children's names, each with a blank after it."""
    return re.compile(re.sub(r"\w+", r"(?:\g<0>_)", model).replace(" ", "").replace("_)", " )"))


_MODELS = {name: _compile(model) for name, model in _CONTENT.items()}


def grammar_faults(tag: Tag) -> Iterator[Fault]:
    """Yield everything in which an element and its children are not as the DTD has them."""
    if tag.name not in _ATTRIBUTES:
        yield Fault(tag.line, f"there is no element <{tag.name}>; see service_bundle.dtd.1")
        return
    yield from _attribute_faults(tag)
    for child in tag.children:
        yield from grammar_faults(child)
    model = _MODELS.get(tag.name)
    names = "".join(f"{child.name} " for child in tag.children)
    known = all(child.name in _ATTRIBUTES for child in tag.children)
    if model is None and tag.children:
        yield Fault(tag.line, f"<{tag.name}> has nothing inside; take its elements out")
    elif model is not None and known and not model.fullmatch(names):
        wanted = " ".join(_CONTENT[tag.name].split())
        found = names.strip() or "nothing"
        yield Fault(tag.line, f"<{tag.name}> has inside: {found}; must have, in order: {wanted}")


def _attribute_faults(tag: Tag) -> Iterator[Fault]:
    known = {}
    for word in _ATTRIBUTES[tag.name].split():
        name, _, values = word.partition("=")
        known[name.rstrip("!")] = values.split("|") if values else []
        if name.endswith("!") and name[:-1] not in tag.attributes:
            yield Fault(tag.line, f"<{tag.name}> lacks the attribute {name[:-1]}")
    for name, value in tag.attributes.items():
        if name.startswith("xmlns"):
            continue
        if name not in known:
            yield Fault(tag.line, f"<{tag.name}> has no attribute {name}; take it out")
        elif known[name] and value not in known[name]:
            choice = ", ".join(known[name])
            yield Fault(tag.line, f"<{tag.name} {name}={value!r}>: must be one of {choice}")
