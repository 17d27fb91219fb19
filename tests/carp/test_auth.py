"""Keys, address sets, and link-local addresses."""

from ipaddress import ip_address

import pytest
from tests.carp.support import VIP, VIP6

from carpool.carp.auth import Authenticator
from carpool.carp.wire import Advertisement

LINK_LOCAL = ip_address("fe80::200:5eff:fe00:12a")
ADDRESSES = (VIP, VIP6)


def signed_by(sender: Authenticator, counter: int = 7) -> Advertisement:
    return Advertisement(42, 1, 0, counter, sender.digest(counter))


@pytest.mark.parametrize("password", [b"", b"x" * 21])
def test_password_of_a_wrong_length_is_refused_without_showing_it(password: bytes) -> None:
    with pytest.raises(ValueError, match="1 to 20 bytes") as caught:
        Authenticator(password, 42, ADDRESSES)
    assert "x" * 5 not in str(caught.value)


def test_of_two_passwords_one_signs_and_both_are_accepted() -> None:
    old, new = (Authenticator(password, 42, ADDRESSES) for password in (b"old", b"new"))
    between = Authenticator(b"old", 42, (*ADDRESSES, LINK_LOCAL), iter([b"new"]))
    assert between.verify(signed_by(Authenticator(b"new", 42, (*ADDRESSES, LINK_LOCAL))))
    assert between.verify(signed_by(old))
    assert between.verify(signed_by(new))
    assert not between.verify(signed_by(Authenticator(b"hate", 42, ADDRESSES)))
    assert Authenticator(b"old", 42, (*ADDRESSES, LINK_LOCAL)).verify(signed_by(between))


@pytest.mark.parametrize("password", [b"", b"x" * 21])
def test_nor_is_a_second_password_of_a_wrong_length_taken(password: bytes) -> None:
    with pytest.raises(ValueError, match="1 to 20 bytes"):
        Authenticator(b"love", 42, ADDRESSES, [password])


def test_20_bytes_are_not_19() -> None:
    long, short = (Authenticator(b"x" * size, 42, ADDRESSES) for size in (20, 19))
    assert not short.verify(signed_by(long))


def test_openbsd_leaves_link_local_addresses_out_and_we_accept_both_forms() -> None:
    ours = Authenticator(b"love", 42, (*ADDRESSES, LINK_LOCAL))
    openbsd = Authenticator(b"love", 42, ADDRESSES)
    assert ours.verify(signed_by(openbsd))
    assert ours.verify(signed_by(ours))


def test_we_sign_with_link_local_addresses_as_netbsd_and_freebsd_do() -> None:
    ours = Authenticator(b"love", 42, (*ADDRESSES, LINK_LOCAL))
    openbsd = Authenticator(b"love", 42, ADDRESSES)
    assert not openbsd.verify(signed_by(ours))


def test_another_link_local_address_is_another_set() -> None:
    ours = Authenticator(b"love", 42, (*ADDRESSES, LINK_LOCAL))
    other = Authenticator(b"love", 42, (*ADDRESSES, ip_address("fe80::1")))
    assert not ours.verify(signed_by(other))


def test_a_scope_is_not_hashed() -> None:
    plain = Authenticator(b"love", 42, (*ADDRESSES, LINK_LOCAL))
    scoped = Authenticator(b"love", 42, (*ADDRESSES, ip_address(f"{LINK_LOCAL}%eth0")))
    assert plain.digest(1) == scoped.digest(1)


def test_ipv4_link_local_addresses_are_ordinary() -> None:
    addresses = (VIP, ip_address("169.254.1.1"))
    with_it, without = Authenticator(b"love", 42, addresses), Authenticator(b"love", 42, (VIP,))
    assert not with_it.verify(signed_by(without))


def test_families_are_hashed_ipv4_first_each_ascending_by_bytes() -> None:
    addresses = [ip_address(a) for a in ("2001:db8::9", "10.0.0.9", "2001:db8::10", "10.0.0.10")]
    ours = Authenticator(b"love", 42, addresses)
    assert ours.digest(5) == Authenticator(b"love", 42, sorted(addresses, key=str)).digest(5)
