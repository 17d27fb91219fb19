"""What is read out of a manifest, and what an abbreviated FMRI means."""

import pytest

from carpool.lab.smartos.smf import matching, services

MANIFEST = """<?xml version='1.0'?>
<!DOCTYPE service_bundle SYSTEM '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>
<service_bundle type='manifest' name='test'>
  <service name='network/test' type='service' version='1'>
    <create_default_instance enabled='true'/>
    <dependency name='network' grouping='require_all' restart_on='error' type='service'>
      <service_fmri value='svc:/milestone/network:default'/>
    </dependency>
    <method_context working_directory='/var'>
      <method_credential user='nobody' privileges='basic,net_rawaccess'/>
      <method_environment><envvar name='A' value='b'/></method_environment>
    </method_context>
    <exec_method type='method' name='start' timeout_seconds='60'
        exec='/bin/a %m %i %{config/file} %{port} 100%%'/>
    <exec_method type='method' name='stop' timeout_seconds='-1' exec=':kill'/>
    <property_group name='startd' type='framework'>
      <propval name='duration' type='astring' value='child'/>
    </property_group>
    <property_group name='config' type='application'>
      <propval name='file' type='astring' value='/etc/test'/>
    </property_group>
  </service>
</service_bundle>
"""


def test_a_manifest() -> None:
    (service,) = services(MANIFEST)
    assert service.fmri == "svc:/network/test:default"
    assert service.enabled
    assert service.duration == "child"
    assert service.log == "/var/svc/log/network-test:default.log"
    assert service.dependencies[0].fmris == ("svc:/milestone/network:default",)
    start = service.method("start")
    assert start.exec == "/bin/a start default /etc/test  100%"
    assert (start.user, start.privileges) == ("nobody", ("basic", "net_rawaccess"))
    assert dict(start.environment)["A"] == "b"
    assert start.directory == "/var"
    assert service.method("stop").timeout == 0
    assert service.method("refresh").exec == ":true"


def test_a_property_changes_what_is_expanded() -> None:
    (service,) = services(MANIFEST)
    changed = service.with_property("config/file", "/b").with_property(
        "startd/duration", "contract"
    )
    assert "/b" in changed.method("start").exec
    assert changed.duration == "contract"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("</service>", "", "XML"),
        ("exec=':kill'", "", "exec"),
        ("type='manifest'", "type='profile'", "not a manifest"),
        ("<create_default_instance enabled='true'/>", "<stability value='Stable'/>", "stability"),
    ],
)
def test_what_svccfg_refuses(old: str, new: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        services(MANIFEST.replace(old, new, 1))


def test_what_svccfg_does_not_see() -> None:
    (service,) = services(MANIFEST.replace("value='child'", "value='chlid'"))
    assert service.duration == "chlid"


@pytest.mark.parametrize(
    "pattern",
    [
        *("svc:/network/test:default", "svc:/network/test", "network/test", "network/test:default"),
        *("test", "test:default", "svc://localhost/network/test"),
    ],
)
def test_abbreviations(pattern: str) -> None:
    known = [
        "svc:/network/test:default",
        "svc:/network/contest:default",
        "svc:/network/ssh:default",
    ]
    assert matching(pattern, known) == known[:1]
