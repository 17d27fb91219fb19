"""vmadm payloads: what a zone is made from, and everything that is wrong with it by itself."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Interface, ip_address, ip_interface
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from carpool.cluster import zone_readers
from carpool.cluster.facts import At, Host, Nic
from carpool.cluster.findings import Rule
from carpool.cluster.json_places import key_places, repeated_keys
from carpool.cluster.password import names_password, shows_password, weakness
from carpool.cluster.payload_schema import (
    BRANDS,
    NIC_PROPERTIES,
    NOT_OF_EVERY_BRAND,
    PROPERTIES,
    READ_ONLY,
    Kind,
)
from carpool.cluster.payload_values import read_typed
from carpool.cluster.wording import Place, choose_from, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carpool.cluster.facts import Address
    from carpool.cluster.payload_values import read_typed
    from carpool.cluster.source import Source
from carpool.cluster.wording import Key

Object: TypeAlias = dict[str, Any]

_DYNAMIC = ("dhcp", "addrconf")
_MOST_IPS, _MOST_ALLOWED, _MOST_OF_NIC = 20, 13, 32
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NIC_TAG = re.compile(r"[a-zA-Z0-9_/]+")
_PREFIXED = re.compile(r"[0-9a-fA-F:.]+(?:/[0-9]{1,3})?")
_SPOOFING = {
    "allow_ip_spoofing": (
        "lets the zone send with any IP address",
        "take it out, and list the virtual addresses in allowed_ips",
    ),
    "allow_mac_spoofing": (
        "lets the zone send from any MAC address",
        "take it out: carpool advertises from the nic's own, and peers accept that",
    ),
    "allow_dhcp_spoofing": ("lets the zone answer for a DHCP server", "take it out"),
    "allow_restricted_traffic": (
        "lets the zone send frames of any kind",
        "take it out: CARP does not need it",
    ),
}


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload: the facts in it, and the whole as parsed."""

    host: Host
    document: Object


def read_payload(text: str, source: Source, name: str) -> Payload | None:
    """Read the JSON ``text``, reporting its mistakes; None if it is no payload at all.

    ``name`` is what to call the zone if the payload has no name for it.
    """
    source.locate = key_places
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        message, mend = "arrays or objects are nested too deeply", "nest them less"
        source.report(Rule.NOT_JSON, (), message, mend, place=Place(1, 1))
        return None
    except json.JSONDecodeError as error:
        place = Place(error.lineno, error.colno)
        mend = "correct it; 'json -f FILE' on SmartOS tells the same"
        source.report(Rule.NOT_JSON, (), f"JSON: {error.msg}", mend, place=place)
        return None
    except ValueError:  # of NaN, and of a number with more digits than Python is willing to read
        message, mend = "JSON: a number is none, or far too long", "write a number that JSON has"
        source.report(Rule.NOT_JSON, (), message, mend, place=Place(1, 1))
        return None
    source.text = text
    if not isinstance(document, dict):
        mend = "write one object { ... } in each file"
        source.report(Rule.NOT_PAYLOAD, (), "is not an object of properties", mend)
        return None
    for key, place in repeated_keys(text):
        mend = "take one of the two out; the last one counts"
        source.report(Rule.REPEATED_PROPERTY, key, "stands here a second time", mend, place=place)
    return Payload(_Reader(document, source).read(name), document)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number")


class _Reader:
    """Reads one payload; every wrong value is reported and then left out."""

    def __init__(self, document: Object, source: Source) -> None:
        self._document = document
        self._source = source

    def read(self, name: str) -> Host:
        given = self._typed(self._document, PROPERTIES, ())
        brand = self._brand(given)
        self._image(given)
        uuid = self._uuid(given, "uuid")
        nics = self._nics(given)
        resolvers = self._addresses(given, "resolvers", ())
        self._customer_metadata(given)
        hostname = given.get("hostname")
        memory = given.get("max_physical_memory", given.get("ram"))
        memory_key = "max_physical_memory" if "max_physical_memory" in given else "ram"
        return Host(
            source=self._source,
            key=(),
            name=str(given.get("alias") or hostname or uuid or name),
            nics=nics,
            zone=True,
            brand=brand,
            hostname=At(hostname, ("hostname",)) if hostname else None,
            hypervisor=self._server(),
            uuid=At(uuid, ("uuid",)) if uuid else None,
            memory=None if memory is None else At(memory, (memory_key,)),
            resolvers=resolvers,
            secrets=self._internal_metadata(given),
        )

    def _typed(self, given: Object, table: dict[str, Kind], at: Key) -> Object:
        exists = "zone_state" in self._document or "state" in self._document  # vmadm get
        return read_typed(given, table, READ_ONLY if exists else (), at, self._source)

    def _brand(self, given: Object) -> str | None:
        brand = given.get("brand")
        if "brand" not in self._document:
            mend = f'add "brand": "{BRANDS[0]}"'
            self._source.report(Rule.MISSING_PROPERTY, ("brand",), "is missing", mend)
        elif brand is not None and brand not in BRANDS:
            message = f"{brand[:80]!r} is no brand of zone that carpool runs in"
            self._source.report(Rule.BAD_CHOICE, ("brand",), message, choose_from(brand, BRANDS))
            return None
        for name, brands in NOT_OF_EVERY_BRAND.items():
            if name in given and brand is not None and brand not in brands:
                message = f"brand {brand} does not have it; {listing(brands)} has"
                self._source.report(Rule.UNKNOWN_PROPERTY, (name,), message, "take it out")
        if brand == "lx" and "kernel_version" not in self._document:
            message, mend = "brand lx must have it", 'add for example "kernel_version": "4.10"'
            self._source.report(Rule.MISSING_PROPERTY, ("kernel_version",), message, mend)
        return cast("str | None", brand)

    def _image(self, given: Object) -> None:
        if "dataset_uuid" in self._document:
            message = "is the name that image_uuid had until 2012; vmadm validate refuses it"
            mend = "write image_uuid, with an image that 'imgadm avail' still shows"
            self._source.report(Rule.DATASET_UUID, ("dataset_uuid",), message, mend)
        image = given.get("image_uuid")
        mend = "write image_uuid with the UUID that 'imgadm avail' shows"
        if "image_uuid" not in self._document:
            message = "nothing says which image the zone is made from"
            self._source.report(Rule.UNPINNED_IMAGE, ("image_uuid",), message, mend)
        elif image is not None and not _UUID.fullmatch(image):
            message = f"{image[:80]!r} is not the UUID of one image"
            self._source.report(Rule.UNPINNED_IMAGE, ("image_uuid",), message, mend)
        else:
            self._uuid(given, "image_uuid")

    def _uuid(self, given: Object, name: str) -> str | None:
        text = given.get(name)
        if text is None:
            return None
        return zone_readers.UUID.read(text, (name,), self._source)

    def _server(self) -> At[str] | None:
        server = self._document.get("server_uuid")
        return At(server, ("server_uuid",)) if isinstance(server, str) else None

    def _nics(self, given: Object) -> tuple[Nic, ...]:
        nics = given.get("nics")
        if "nics" not in self._document or nics == []:
            mend = 'add "nics": [{"nic_tag": ..., "ips": [...], "allowed_ips": [...]}]'
            self._source.report(Rule.MISSING_PROPERTY, ("nics",), "the zone has no nic", mend)
        found = tuple(self._nic(nic, ("nics", i)) for i, nic in enumerate(nics or ()))
        primary = [i for i, nic in enumerate(nics or ()) if nic.get("primary") is True]
        for index in primary[1:]:
            key: Key = ("nics", index, "primary")
            message = f"nics[{primary[0]}] is the primary one already"
            self._source.report(Rule.BAD_PRIMARY, key, message, "leave it on one nic")
        return found

    def _nic(self, raw: Object, at: Key) -> Nic:
        given = self._typed(raw, NIC_PROPERTIES, at)
        tag = given.get("nic_tag")
        if "nic_tag" not in raw:
            mend = "add the tag of the physical network, which 'nictagadm list' shows"
            self._source.report(Rule.MISSING_PROPERTY, (*at, "nic_tag"), "is missing", mend)
        elif tag is not None and not _NIC_TAG.fullmatch(tag):
            message = f"{tag[:80]!r} is not a nic tag"
            mend = "use letters, digits, '_' and '/', no '-'"
            self._source.report(Rule.BAD_NIC_TAG, (*at, "nic_tag"), message, mend)
            tag = None
        if given.get("primary") is False:
            message, mend = "can only be true", "take it out"
            self._source.report(Rule.BAD_PRIMARY, (*at, "primary"), message, mend)
        for name in _SPOOFING:
            if given.get(name):
                self._report_spoofing(name, at)
        addresses = self._ips(given, at)
        allowed = self._addresses(given, "allowed_ips", at)
        if len(given.get("allowed_ips", ())) > _MOST_ALLOWED:
            self._report_many(_MOST_ALLOWED, (*at, "allowed_ips"))
        elif len(addresses) + len(allowed) > _MOST_OF_NIC:
            self._report_many(_MOST_OF_NIC, (*at, "allowed_ips"))
        return Nic(
            key=at,
            addresses=addresses,
            gateways=self._gateways(given, at),
            allowed=allowed,
            spoofs_ip=bool(given.get("allow_ip_spoofing")),
            nic_tag=None if tag is None else At(tag, (*at, "nic_tag")),
            vlan=At(given.get("vlan_id", 0), (*at, "vlan_id")),
        )

    def _report_spoofing(self, name: str, at: Key) -> None:
        message, mend = _SPOOFING[name]
        self._source.report(Rule.SPOOFING, (*at, name), message, mend)

    def _report_many(self, most: int, key: Key) -> None:
        message, mend = f"more than {most} addresses", "use another nic for the rest"
        self._source.report(Rule.TOO_MANY_ADDRESSES, key, message, mend)

    def _ips(self, given: Object, at: Key) -> tuple[At[Any], ...]:
        if len(given.get("ips", ())) > _MOST_IPS:
            self._report_many(_MOST_IPS, (*at, "ips"))
        found = [
            At(address, (*at, "ips", index))
            for index, item in enumerate(given.get("ips", ()))
            if (address := self._own(item, (*at, "ips", index))) is not None
        ]
        if "ip" in given and "ips" not in given:
            found += self._ip_and_netmask(given, at)
        prefixes: dict[object, object] = {}
        for item in found:
            other = prefixes.setdefault(item.value.ip, item.value)
            if other is not item.value:
                different = other != item.value
                rule = Rule.TWO_PREFIXES if different else Rule.REPEATED
                message = f"{item.value} is on this nic as {other} already"
                self._source.report(rule, item.key, message, "take one of the two out")
        return tuple(found)

    def _ip_and_netmask(self, given: Object, at: Key) -> Iterator[At[Any]]:
        key, ip, netmask = (*at, "ip"), given["ip"], given.get("netmask")
        if ip in _DYNAMIC:
            self._own(ip, key)
            return
        try:
            address = IPv4Interface(f"{ip}/{netmask or 32}")
        except ValueError:
            message = f"{ip[:40]!r} with netmask {str(netmask)[:40]!r} is not an address"
            mend = 'write "ips": ["192.168.0.201/24"]'
            self._source.report(Rule.BAD_ADDRESS, key, message, mend)
            return
        message, mend = "ip and netmask are outdated", f'write "ips": ["{address}"]'
        if netmask is None:
            message, mend = "has no netmask", 'write "ips" with a prefix length'
        self._source.report(Rule.IP_AND_NETMASK, key, message, mend)
        yield At(address, key)

    def _own(self, item: object, key: Key) -> Any:
        """Return one of the zone's own addresses; None if it is wrong or not known."""
        if item in _DYNAMIC:
            message = f"{item}: nobody can know the address of this node beforehand"
            mend = "give the node a fixed address"
            self._source.report(Rule.DYNAMIC_ADDRESS, key, message, mend)
            return None
        text = item if isinstance(item, str) and _PREFIXED.fullmatch(item) else ""
        try:
            address = ip_interface(text)
        except ValueError:
            message = f"{str(item)[:80]!r} is not an IP address with its prefix length"
            mend = "write for example 192.168.0.201/24"
            self._source.report(Rule.BAD_ADDRESS, key, message, mend)
            return None
        if "/" not in text:
            message = f"{address.ip} has no prefix length"
            mend = f"write for example {address.ip}/{24 if address.version == 4 else 64}"
            self._source.report(Rule.NO_PREFIX, key, message, mend)
        return address

    def _addresses(self, given: Object, name: str, at: Key) -> tuple[At[Address], ...]:
        """Return the bare addresses of a list."""
        found = []
        for index, item in enumerate(given.get(name, ())):
            key = (*at, name, index)
            address = self._bare(item, key, name)
            if address is not None:
                found.append(At(address, key))
        return tuple(found)

    def _bare(self, item: object, key: Key, name: str) -> Address | None:
        text = item if isinstance(item, str) else ""
        bare, slash, _ = text.partition("/")
        try:
            address = ip_address(bare)
        except ValueError:
            message = f"{str(item)[:80]!r} is not an IP address"
            self._source.report(Rule.BAD_ADDRESS, key, message, "write for example 192.168.0.200")
            return None
        if slash:
            allowed = name == "allowed_ips"
            message = f"{text[:80]!r} has a prefix length"
            if allowed:
                message += ": with it the network of the zone fails at boot"
            rule = Rule.PREFIXED_ALLOWED_IP if allowed else Rule.BAD_ADDRESS
            self._source.report(rule, key, message, f"write {address}")
        return address

    def _gateways(self, given: Object, at: Key) -> tuple[At[Address], ...]:
        found = list(self._addresses(given, "gateways", at))
        if "gateway" in given and given["gateway"] not in _DYNAMIC:
            key = (*at, "gateway")
            address = self._bare(given["gateway"], key, "gateway")
            if address is not None and address not in [item.value for item in found]:
                found.append(At(address, key))
        for item in found:
            if item.value.version != 4:
                message = f"{item.value} is not an IPv4 address, and vmadm takes no other"
                mend = "take it out: IPv6 routers announce themselves"
                self._source.report(Rule.BAD_ADDRESS, item.key, message, mend)
        return tuple(item for item in found if item.value.version == 4)

    def _customer_metadata(self, given: Object) -> None:
        for name, value in given.get("customer_metadata", {}).items():
            if names_password(name) or shows_password(str(value)):
                message = "holds a password, and every user of the zone can read it"
                mend = "move it into internal_metadata, under a name that ends in _pw"
                key: Key = ("customer_metadata", name)
                self._source.report(Rule.PASSWORD_IN_METADATA, key, message, mend)

    def _internal_metadata(self, given: Object) -> dict[str, At[str]]:
        secrets = {}
        for name, value in given.get("internal_metadata", {}).items():
            key: Key = ("internal_metadata", name)
            if name.endswith("_pw"):
                secrets[name] = At(str(value), key)
                if weak := weakness(str(value).encode(errors="replace")):
                    self._source.report(Rule.WEAK_PASSWORD, key, *weak)
            elif names_password(name):
                message = "holds a password under a name that does not end in _pw"
                mend = f"call it {name}_pw: only then it is kept from other users of the zone"
                self._source.report(Rule.PASSWORD_IN_METADATA, key, message, mend)
        return secrets
