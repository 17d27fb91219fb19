"""Zone payloads against an independent reading of vmadm's rules."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from tests.smartos.clusters import LX, ZONE, cluster, clusters, group, node, passwords
from tests.smartos.vmadm import complaints

from carpool.cluster.model import Cluster
from carpool.smartos.files import PLACEHOLDER, files
from carpool.smartos.payload import Compat, RenderError

SECRET = b"s3cret, pw"


def payload(made: Cluster, name: str = "web1", compat: Compat = Compat.NONE) -> dict[str, Any]:
    found = made.node(name)
    assert found is not None
    rendered = files(made, found, passwords(made, SECRET), compat)[0]
    assert rendered.name == "payload.json"
    assert rendered.mode == 0o600
    parsed: dict[str, Any] = json.loads(rendered.text)
    return parsed


@pytest.mark.parametrize("zone", [ZONE, replace(ZONE, brand="joyent-minimal"), LX])
@pytest.mark.parametrize("compat", list(Compat))
def test_vmadm_takes_it(zone: Any, compat: Compat) -> None:
    assert complaints(payload(cluster(zone), compat=compat)) == []


def test_least_privilege() -> None:
    (nic,) = payload(cluster(ZONE, "192.168.0.200/24", "2001:db8::200/64"))["nics"]
    assert nic["ips"] == ["192.168.0.201/24"]
    assert nic["allowed_ips"] == ["192.168.0.200", "2001:db8::200"]
    assert not [name for name in nic if name.startswith("allow_")]


def test_compat_with_ucarp() -> None:
    (nic,) = payload(cluster(), compat=Compat.UCARP)["nics"]
    assert nic["allow_ip_spoofing"] is nic["allow_mac_spoofing"] is True
    assert "allowed_ips" not in nic


def test_a_virtual_mac_needs_one_flag() -> None:
    made = cluster()
    made = replace(made, groups=(replace(made.groups[0], source_mac="virtual"),))
    (nic,) = payload(made)["nics"]
    assert nic["allow_mac_spoofing"] is True
    assert "allow_ip_spoofing" not in nic


def test_the_password_is_in_one_place() -> None:
    found = payload(cluster())
    assert found["internal_metadata"] == {"carpool_www_pw": SECRET.decode()}
    del found["internal_metadata"]
    assert SECRET.decode() not in json.dumps(found)


def test_a_payload_can_be_shown_without_its_secrets() -> None:
    made = cluster()
    rendered = files(made, made.nodes[0], None)
    assert json.loads(rendered[0].text)["internal_metadata"] == {"carpool_www_pw": PLACEHOLDER}


def test_a_password_that_json_cannot_hold() -> None:
    made = cluster()
    with pytest.raises(RenderError, match="secret www: it is not UTF-8"):
        files(made, made.nodes[0], {"www": b"\xff\xfe"})


def test_more_addresses_than_link_protection_can_hold() -> None:
    vips = [f"192.168.0.{n}/24" for n in range(20, 34)]
    with pytest.raises(RenderError, match="13 virtual addresses"):
        payload(cluster(ZONE, *vips))
    assert complaints(payload(cluster(ZONE, *vips), compat=Compat.UCARP)) == []
    assert complaints(payload(cluster(ZONE, *vips[:13]))) == []


def test_a_node_gets_only_what_its_groups_need() -> None:
    one, two = node(1), node(2)
    groups = (group(one, two), group(two, name="db", addresses=("192.168.0.210/24",)))
    made = Cluster(None, "web", (one, two), groups)
    assert payload(made, "web1")["nics"][0]["allowed_ips"] == ["192.168.0.200"]
    assert payload(made, "web2")["nics"][0]["allowed_ips"] == ["192.168.0.200", "192.168.0.210"]
    assert list(payload(made, "web1")["internal_metadata"]) == ["carpool_www_pw"]


@given(clusters())
def test_any_cluster(made: Cluster) -> None:
    for found in made.nodes:
        rendered = files(made, found, passwords(made, "pässword".encode()))
        assert rendered == files(made, found, passwords(made, "pässword".encode()))
        parsed = json.loads(rendered[0].text)
        assert complaints(parsed) == []
        groups = made.groups_of(found.name)
        vips = {str(vip.ip) for group in groups for vip in group.addresses}
        assert set(parsed["nics"][0].get("allowed_ips", [])) == vips
        keys = parsed.get("internal_metadata", {})
        assert len(keys) == len(groups)
        assert all(key.endswith("_pw") for key in keys)
        shown = "".join(file.text for file in rendered[1:]) + str(parsed["customer_metadata"])
        assert "pässword" not in shown


def test_the_validator_can_complain() -> None:
    good = payload(cluster())

    def nic(**changes: Any) -> dict[str, Any]:
        return {"nics": [{**good["nics"][0], **changes}]}

    bad: dict[str, Any]
    for bad in (
        {"dataset_uuid": good["image_uuid"]},
        {"image_uuid": good["image_uuid"].upper()},
        {"resolvers": "192.168.0.53"},
        {"customer_metadata": {"a": {}}},
        nic(allowed_ips=["192.168.0.200/24"]),
        nic(ips=["192.168.0.201"]),
        nic(gateways="192.168.0.1"),
        nic(nic_tag="ex-ternal"),
        nic(ips=["192.168.0.201/24", "192.168.0.200/24"]),
        nic(primary=False),
    ):
        assert complaints({**good, **bad}), bad
