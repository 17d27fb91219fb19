"""Adverts of real CARP implementations, each with its secret. The bytes are in vectors.json."""

import json
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from carpool.carp.auth import Address


@dataclass(frozen=True)
class Captured:
    """One advert, and what an independent decoder read in it."""

    frame: bytes | None
    payload: bytes
    source: str | None
    advbase: int
    advskew: int
    demotion: int
    counter: int


@dataclass(frozen=True)
class Capture:
    """What one sender was seen to say."""

    name: str
    sender: str
    key: bytes
    vhid: int
    addresses: tuple[Address, ...]
    adverts: tuple[Captured, ...]
    gratuitous_arps: tuple[bytes, ...]


def _captured(row: dict[str, Any]) -> Captured:
    frame = bytes.fromhex(row["frame"]) if "frame" in row else None
    # By hand and not with our parser: Ethernet 14 bytes, IPv4 20 or IPv6 40, CARP 36.
    payload = frame[-36:] if frame else bytes.fromhex(row["payload"])
    return Captured(
        frame,
        payload,
        row.get("source"),
        row["advbase"],
        row["advskew"],
        row["demotion"],
        int(row["counter"], 16),
    )


def _capture(entry: dict[str, Any]) -> Capture:
    return Capture(
        entry["name"],
        entry["sender"],
        entry["key"].encode(),
        entry["vhid"],
        tuple(map(ip_address, entry["vips"])),
        tuple(map(_captured, entry["adverts"])),
        tuple(map(bytes.fromhex, entry["gratuitous_arps"])),
    )


_DATA = json.loads(Path(__file__).with_name("vectors.json").read_text())

CAPTURES = tuple(map(_capture, _DATA["captures"]))
NETBSD_INPUT_CHECKS: dict[str, str] = _DATA["netbsd_input_checks"]
