"""What is said of an advertisement whose digest does not fit."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from carpool.carp.auth import Authenticator
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.carp.wire import Advertisement
from carpool.node.mismatch import Mismatches, explain
from carpool.node.settings import GroupSettings

SOURCE = ip_address("192.0.2.9").packed


def group(name: str, vhid: int, password: bytes, *addresses: str) -> GroupSettings:
    vips = tuple(map(ip_interface, addresses))
    carp = Settings(vhid, tuple(vip.ip for vip in vips), password)
    return GroupSettings(name, carp, "net0", vips, sources=(ip_address("192.0.2.1"),))


WWW = group("www", 42, b"love", "192.0.2.100", "192.0.2.101", "2001:db8::100")
DB = group("db", 43, b"peace", "192.0.2.200")


def signed(password: bytes, addresses: Iterable[str], vhid: int = 42) -> Advertisement:
    digest = Authenticator(password, vhid, map(ip_address, addresses)).digest(7)
    return Advertisement(vhid, 1, 0, 7, digest)


@pytest.mark.parametrize(
    ("password", "addresses", "expected"),
    [
        (b"love", ["192.0.2.100", "2001:db8::100"], "without 192.0.2.101;"),
        (b"love", ["192.0.2.101"], "only 192.0.2.101;"),
        (b"love", ["192.0.2.100", "192.0.2.101"], "without 2001:db8::100;"),
        (b"love", [], "addresses: none;"),
        (
            b"love",
            ["192.0.2.100", "192.0.2.101", "2001:db8::100", "192.0.2.200"],
            "also those of our group db;",
        ),
        (
            b"love",
            ["192.0.2.100", "192.0.2.101", "2001:db8::100", "192.0.2.1"],
            "also 192.0.2.1, which is this node's own;",
        ),
        (b"love", ["192.0.2.200"], "those of our group db;"),
        (b"peace", ["192.0.2.200"], "is one of our group db, whose vhid here is 43, with vhid 42:"),
        (
            b"peace",
            ["192.0.2.100", "192.0.2.101", "2001:db8::100"],
            "our addresses and the password of our group db:",
        ),
        (b"hate", ["192.0.2.100", "192.0.2.101", "2001:db8::100"], "cannot be told apart"),
        (b"love", ["192.0.2.77"], "another cluster uses vhid 42"),
    ],
)
def test_what_differs_is_named_and_no_secret(
    password: bytes, addresses: list[str], expected: str
) -> None:
    said = explain(signed(password, addresses), WWW, (DB,))
    assert expected in said
    assert "love" not in said
    assert "peace" not in said


def test_a_second_password_that_is_accepted_counts_as_right() -> None:
    changing = replace(WWW, carp=replace(WWW.carp, accepted_passwords=(b"hope",)))
    assert "without 192.0.2.101;" in explain(
        signed(b"hope", ["192.0.2.100", "2001:db8::100"]), changing, ()
    )


def test_one_source_is_looked_at_once_a_minute_and_all_together_four_times_a_second() -> None:
    mismatches = Mismatches()
    said = signed(b"hate", [])

    def looked(source: int, now: int) -> bool:
        packed = source.to_bytes(4)
        return mismatches.explain(said, packed, WWW, (DB,), now) is not None

    assert looked(1, 0)
    assert not looked(2, SECOND // 4 - 1)
    assert looked(2, SECOND // 4)
    assert not looked(1, 60 * SECOND - 1)
    assert looked(1, 60 * SECOND)
    assert sum(looked(source, source * SECOND) for source in range(61, 1000)) == 939
    assert len(mismatches._found) == 64


def test_what_was_found_is_remembered_until_it_is_not_found_again() -> None:
    mismatches = Mismatches()
    mismatches.explain(signed(b"peace", ["192.0.2.200"]), SOURCE, WWW, (DB,), SECOND)
    (found,) = mismatches.recent(120 * SECOND)
    assert (found.source, found.vhid, found.when) == (SOURCE, 42, SECOND)
    assert "is one of our group db" in found.what
    assert mismatches.recent(122 * SECOND) == []
