"""Manifests against SMF's own DTD, and against our own check of what the DTD leaves open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carpool.smartos import smf_values as smf
from carpool.smartos.manifest import (
    Context,
    Credential,
    Dependency,
    Dependent,
    Manifest,
    Method,
    Property,
    PropertyGroup,
    to_xml,
)
from carpool.smartos.manifest_check import check

DTD = Path(__file__).parent / "data" / "service_bundle.dtd.1"

FULL = Manifest(
    service="network/example",
    common_name='Example <of> "all" & sundry',
    methods=(
        Method("start", "/opt/example/bin/daemon -c %{application/config_file} &", 30),
        Method("stop", ":kill -TERM", 0),
        Method("refresh", ":true"),
    ),
    bundle="example",
    version=3,
    instance="blue",
    enabled=True,
    duration="contract",
    ignore_error="core,signal",
    dependencies=(
        Dependency("network", ("svc:/milestone/network:default",), restart_on="error"),
        Dependency("any", ("svc:/network/ntp", "svc:/network/chrony:default"), "require_any"),
        Dependency("file", ("file://localhost/etc/example.conf",), type="path"),
    ),
    dependents=(Dependent("example_multi-user", "svc:/milestone/multi-user", "optional_all"),),
    context=Context(
        Credential("daemon", ":default", "mail,tty", "basic,!proc_info", "zone"),
        (("LANG", "C"), ("EMPTY", "")),
        "/var/tmp",
        ":default",
    ),
    property_groups=(
        PropertyGroup(
            "application",
            "application",
            (
                Property("config_file", "astring", ("/etc/example.conf",)),
                Property("ports", "count", ("80", "443")),
                Property("none", "astring", ()),
            ),
        ),
    ),
    description="An example.",
    manpages=(("example", "8"),),
)


@pytest.fixture(scope="module")
def dtd() -> Any:
    etree = pytest.importorskip("lxml.etree")
    with DTD.open("rb") as file:
        return etree.DTD(file)


def dtd_accepts(dtd: Any, text: str) -> bool:
    etree = pytest.importorskip("lxml.etree")
    return bool(dtd.validate(etree.fromstring(text.encode())))


def faults(text: str) -> str:
    return "\n".join(map(str, check(text)))


def test_a_full_manifest_is_valid(dtd: Any) -> None:
    text = to_xml(FULL)
    assert dtd_accepts(dtd, text), dtd.error_log
    assert faults(text) == ""


def test_the_smallest_manifest_is_valid(dtd: Any) -> None:
    text = to_xml(
        Manifest("site/small", "Small", (Method("start", ":true"), Method("stop", ":true")))
    )
    assert dtd_accepts(dtd, text), dtd.error_log
    assert faults(text) == ""
    assert "<single_instance />" in text
    assert '<create_default_instance enabled="false" />' in text


def test_text_survives(dtd: Any) -> None:
    etree = pytest.importorskip("lxml.etree")
    command = "/bin/sh -c 'echo \"<&>\"\n\t%%'"
    text = to_xml(replace(FULL, methods=(Method("start", command), *FULL.methods[1:])))
    assert dtd_accepts(dtd, text), dtd.error_log
    assert etree.fromstring(text.encode()).find(".//exec_method").get("exec") == command
    assert etree.fromstring(text.encode()).find(".//loctext").text == FULL.common_name


WRONG = {
    "duration": ('value="contract"', 'value="contrct"', "did you mean contract?"),
    "privilege": ("basic,!proc_info", "basic,net_rawacces", "did you mean net_rawaccess?"),
    "nothing to take from": ("basic,!proc_info", "!proc_info", "begin with a set"),
    "fmri": ("svc:/milestone/network:default", "milestone/network", "svc:/milestone/network"),
    "path": ("file://localhost/etc", "/etc", "file://localhost/etc/example.conf"),
    "user": ('user="daemon"', 'user="dae mon"', "not the name or number of a user"),
    "group": ('group=":default"', 'group="a:b"', "not the name or number of a group"),
    "supp_groups": ("mail,tty", "mail,:tty", "not the name or number of a group"),
    "timeout": ('timeout_seconds="30"', 'timeout_seconds="half"', "not a number of seconds"),
    "negative timeout": ('timeout_seconds="30"', 'timeout_seconds="-2"', "number of seconds"),
    "directory": ("/var/tmp", "var/tmp", "not an absolute path"),
    "variable": ('name="LANG"', 'name="LA NG"', "not the name of a variable"),
    "variable twice": ('name="EMPTY"', 'name="LANG"', "more than once"),
    "signal": (":kill -TERM", ":kill -TREM", ":kill -TERM"),
    "token": ("-c %{", "-c %x %{", "no token of a method"),
    "open token": ("%{application/config_file}", "%{application/config_file", "no token"),
    "no such property": ("%{application/config_file}", "%{application/conf}", "no property conf"),
    "count": ('value="80"', 'value="-80"', "whole number"),
    "service name": ("network/example", "network/example 2", "not a name of SMF"),
    "version": ('version="3"', 'version="3.1"', "not a version"),
    "instance name": ('name="blue"', 'name="1st"', "not a name of SMF"),
    "dependency type": ('type="path"', 'type="file"', "neither service nor path"),
    "same name": ('name="any"', 'name="network"', "share their names"),
    "startd group": ('type="framework"', 'type="application"', "must be framework"),
    "startd property": ('name="duration"', 'name="durations"', "knows no property"),
    "ignore_error": ("core,signal", "core,exit", "core,signal"),
    "bundle": ('type="manifest"', 'type="profile"', "is no manifest"),
    "no stop": ('name="stop"', 'name="halt"', "no stop method"),
    "start kills": (
        "/opt/example/bin/daemon -c %{application/config_file} &amp;",
        ":kill",
        "kills",
    ),
    # And some that the DTD finds as well.
    "unknown element": ("<stability", "<stabilty", "no element <stabilty>"),
    "unknown attribute": ('enabled="true"', 'enable="true"', "no attribute enable"),
    "missing attribute": (' timeout_seconds="30"', "", "lacks the attribute timeout_seconds"),
    "wrong choice": ("require_any", "require_some", "must be one of"),
    "not XML": ("</service>", "", "XML: mismatched tag"),
    "entity": ("service_bundle SYSTEM", "x [<!ENTITY a 'b'>]><!--", "entity 'a'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_mistake_is_found(case: str) -> None:
    good, bad, message = WRONG[case]
    text = to_xml(FULL)
    assert good in text
    assert message in faults(text.replace(good, bad, 1))


def test_a_mistake_has_its_line() -> None:
    text = to_xml(FULL).replace("basic,!proc_info", "basic,!proc_inof")
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "proc_inof" in row)
    assert [fault.line for fault in check(text)] == [line]


def test_out_of_order_elements_are_found(dtd: Any) -> None:
    text = to_xml(FULL)
    stability = '    <stability value="Evolving" />\n'
    moved = text.replace(stability, "").replace("    <dependency", f"{stability}    <dependency", 1)
    assert not dtd_accepts(dtd, moved)
    assert "must have, in order" in faults(moved)


NAMES = st.sampled_from(
    [
        *("service", "instance", "dependency", "dependent", "exec_method", "property_group"),
        *("propval", "property", "stability", "method_context", "method_credential", "template"),
        *("method_environment", "envvar", "service_fmri", "value_node", "loctext", "common_name"),
        *("single_instance", "create_default_instance", "astring_list"),
    ]
)


@given(old=NAMES, new=NAMES, data=st.data())
def test_our_grammar_is_the_dtd(dtd: Any, old: str, new: str, data: st.DataObject) -> None:
    """Rename, drop, or copy an element: whenever the DTD refuses the outcome, so do we."""
    etree = pytest.importorskip("lxml.etree")
    root = etree.fromstring(to_xml(FULL).encode())
    found = list(root.iter(old))
    if not found:
        return
    tag = data.draw(st.sampled_from(found))
    change = data.draw(st.sampled_from(["rename", "drop", "copy"]))
    parent = tag.getparent()
    if change == "rename":
        tag.tag = new
    elif change == "drop":
        parent.remove(tag)
    else:
        parent.insert(0, etree.fromstring(etree.tostring(tag)))
    text = etree.tostring(root, encoding="unicode")
    grammar = [f for f in check(text) if "must have, in order" in f.message or "lacks" in f.message
               or "has no attribute" in f.message or "nothing inside" in f.message
               or "must be one of" in f.message]  # fmt: skip
    assert bool(grammar) != dtd_accepts(dtd, text), (text, dtd.error_log)


@given(st.text(max_size=60))
def test_checks_of_values_answer_anything(value: str) -> None:
    for value_check in (
        *smf.PROPERTY_TYPES.values(),
        *(smf.privileges, smf.service_fmri, smf.path_fmri, smf.method, smf.user, smf.groups),
        *(smf.timeout, smf.version, smf.directory, smf.name, smf.duration),
    ):
        problem = value_check(value)
        assert problem is None or (problem.isprintable() and len(problem) < 600)


@given(st.text(max_size=200))
def test_the_check_answers_anything(text: str) -> None:
    assert check(text)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("boolean", "true", "yes"),
        ("count", "18446744073709551615", "18446744073709551616"),
        ("integer", "-9223372036854775808", "9223372036854775808"),
        ("net_address_v4", "192.0.2.1/24", "2001:db8::1"),
        ("net_address_v6", "2001:db8::1", "192.0.2.1"),
        ("net_address", "192.0.2.1", "192.0.2.256"),
        ("host", "www.example.com", "www..example.com"),
        ("host", "2001:db8::1", "-www"),
        ("hostname", "www", "w_w"),
        ("time", "1.5", "1,5"),
        ("fmri", "svc:/network/ssh", "network/ssh"),
        ("fmri", "file://localhost/etc/passwd", "file:etc"),
        ("uri", "http://example.com/", "example"),
        ("opaque", "00ff", "0f0"),
        ("astring", "any\ntext", "a\0b"),
    ],
)
def test_property_types(kind: str, good: str, bad: str) -> None:
    assert smf.PROPERTY_TYPES[kind](good) is None
    assert smf.PROPERTY_TYPES[kind](bad) is not None
