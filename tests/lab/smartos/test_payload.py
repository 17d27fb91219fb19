"""Which payloads the stand-in for vmadm takes: the rules as they are told of vmadm itself."""

from typing import Any

import pytest
from tests.lab.smartos.support import nic, payload

from carpool.lab.smartos.payload import validate, without_unknown

LX = {"brand": "lx", "kernel_version": "4.10"}


def faults(**changes: Any) -> dict[str, Any]:
    return validate("create", payload(**changes)).as_json()


def nic_faults(**changes: Any) -> dict[str, Any]:
    return faults(nics=[nic(**changes)])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"brand": "joyent-minimal"},
        LX,
        {"alias": "a", "autoboot": False, "quota": 10, "max_physical_memory": 256},
        {"resolvers": ["192.0.2.1", "2001:db8::1"]},
        {"customer_metadata": {"a": "text", "b": 1, "c": True}},
        {"internal_metadata": {"carpool_www_pw": "secret"}, "mdata_exec_timeout": 0},
        {"nics": []},
    ],
)
def test_good_payloads(changes: dict[str, Any]) -> None:
    assert faults(**changes) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"brand": None}, {"missing_properties": ["brand"]}),
        ({"brand": "solaris"}, {"bad_brand": "solaris"}),
        ({"image_uuid": None}, {"missing_properties": ["image_uuid"]}),
        ({"brand": "lx"}, {"missing_properties": ["kernel_version"]}),
        ({"kernel_version": "4.10"}, {"bad_properties": ["kernel_version"]}),
        ({"dataset_uuid": "x"}, {"bad_properties": ["dataset_uuid"]}),
        ({"Quota": 10}, {"bad_properties": ["Quota"]}),
        ({"quota": "10"}, {"bad_values": ["quota"]}),
        ({"autoboot": "true"}, {"bad_values": ["autoboot"]}),
        ({"resolvers": "192.0.2.1"}, {"bad_values": ["resolvers"]}),
        ({"customer_metadata": {"a": ["no", "lists"]}}, {"bad_values": ["customer_metadata"]}),
        ({"customer_metadata": {"a": None}}, {"bad_values": ["customer_metadata"]}),
        (
            {"uuid": "6A9BB8A2-4B1C-4C8C-9E5D-0C8A3D1F7E11"},
            {"bad_values": ["uuid"]},
        ),
        ({"nics": [nic(), nic(202)]}, {"bad_values": ["nics.*.primary"]}),
    ],
)
def test_bad_payloads(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert faults(**changes) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"nic_tag": "external/1_a"},
        {"ips": [f"192.0.2.{last}/24" for last in range(20)]},
        {"ips": ["dhcp"]},
        {"ips": None, "ip": "192.0.2.1", "netmask": "255.255.255.0", "gateway": "192.0.2.254"},
        {"gateways": ["192.0.2.254"]},
        {"vlan_id": 0},
        {"vlan_id": 4095, "mtu": 9000},
        {"mtu": 576},
        {"allowed_ips": [f"192.0.2.{last}" for last in range(13)]},
        {"allow_ip_spoofing": True, "allow_mac_spoofing": False},
        # vmadm is lax there: the zone's network fails at boot, or its creation.
        {"allowed_ips": ["192.0.2.1/24"]},
        {"gateways": "192.0.2.254"},
    ],
)
def test_good_nics(changes: dict[str, Any]) -> None:
    assert nic_faults(**changes) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"nic_tag": None}, {"missing_properties": ["nics.0.nic_tag"]}),
        ({"nic_tag": "ex-ternal"}, {"bad_values": ["nics.0.nic_tag"]}),
        ({"ips": None}, {"missing_properties": ["nics.0.ips"]}),
        ({"ips": "192.0.2.1/24"}, {"bad_values": ["nics.0.ips"]}),
        ({"ips": ["192.0.2.1"]}, {"bad_values": ["nics.0.ips"]}),
        (
            {"ips": [f"192.0.2.{last}/24" for last in range(21)]},
            {"bad_values": ["nics.0.ips"]},
        ),
        ({"ips": None, "ip": "192.0.2.1"}, {"missing_properties": ["nics.0.netmask"]}),
        ({"gateways": ["2001:db8::1"]}, {"bad_values": ["nics.0.gateways"]}),
        ({"vlan_id": 4096}, {"bad_values": ["nics.0.vlan_id"]}),
        ({"mtu": 575}, {"bad_values": ["nics.0.mtu"]}),
        ({"mtu": 9001}, {"bad_values": ["nics.0.mtu"]}),
        ({"primary": False}, {"bad_values": ["nics.0.primary"]}),
        ({"allowed_ips": "192.0.2.1"}, {"bad_values": ["nics.0.allowed_ips"]}),
        (
            {"allowed_ips": [f"192.0.2.{last}" for last in range(14)]},
            {"bad_values": ["nics.0.allowed_ips"]},
        ),
        (
            {
                "ips": [f"192.0.2.{last}/24" for last in range(20)],
                "allowed_ips": [f"192.0.2.{last}" for last in range(50, 63)],
            },
            {"bad_values": ["nics.0.allowed_ips"]},
        ),
        ({"allowed_ip": []}, {"bad_properties": ["nics.0.allowed_ip"]}),
        ({"allow_ip_spoofing": 1}, {"bad_values": ["nics.0.allow_ip_spoofing"]}),
    ],
)
def test_bad_nics(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert nic_faults(**changes) == expected


def test_create_drops_what_validate_refuses() -> None:
    made = payload(dataset_uuid="x", nics=[nic(allowed_ip=["192.0.2.1"])])
    assert validate("create", made).as_json() == {
        "bad_properties": ["dataset_uuid", "nics.0.allowed_ip"]
    }
    kept = without_unknown(made)
    assert validate("create", kept).as_json() == {}
    assert kept == payload()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"alias": "b", "quota": 20, "set_customer_metadata": {"a": "b"}}, {}),
        ({"remove_customer_metadata": ["a"]}, {}),
        ({"update_nics": [{"mac": "02:08:20:00:00:01", "allowed_ips": ["192.0.2.1"]}]}, {}),
        ({"update_nics": [{"allowed_ips": []}]}, {"missing_properties": ["update_nics.0.mac"]}),
        ({"add_nics": [{"ips": ["dhcp"]}]}, {"missing_properties": ["add_nics.0.nic_tag"]}),
        ({"image_uuid": "x"}, {"bad_properties": ["image_uuid"]}),
        ({"customer_metadata": {}}, {"bad_properties": ["customer_metadata"]}),
        ({"nics": []}, {"bad_properties": ["nics"]}),
    ],
)
def test_updates(change: dict[str, Any], expected: dict[str, Any]) -> None:
    assert validate("update", change, "joyent").as_json() == expected
