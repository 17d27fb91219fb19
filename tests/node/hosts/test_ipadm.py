"""What `ipadm show-if` and `ipadm show-addr` print with -p, after ipadm(8)."""

from hypothesis import given
from hypothesis import strategies as st

from carpool.node.hosts.ipadm import parse

TRANSCRIPT = r"""lo0:ok
net0:ok
net1:failed
lo0/v4:ok:127.0.0.1/8
lo0/v6:ok:\:\:1/128
net0/_a:ok:192.168.0.201/24
net0/carpoolc0a800c8:duplicate:192.168.0.200/24
net0/?:ok:192.168.0.210/32
net0/carpoolc0a800ca:down:192.168.0.202/24
net0/addrconf:ok:fe80\:\:8\:20ff\:fe00\:1%net0/10
net0/carpool0000000000000000000000c8:tentative:2001\:db8\:\:c8/64
net1/dhcp:inaccessible:?
net1/v4:inaccessible:10.0.0.201/24
ipmp0:offline
"""


def test_interfaces() -> None:
    ports = parse(TRANSCRIPT).ports
    assert {name: port.carrier for name, port in ports.items()} == {
        "lo0": True,
        "net0": True,
        "net1": False,
        "ipmp0": False,
    }


def test_addresses() -> None:
    found = {str(one.address): one for one in parse(TRANSCRIPT).addresses}
    assert [text for text, one in found.items() if one.usable] == [
        "127.0.0.1/8",
        "::1/128",
        "192.168.0.201/24",
        "192.168.0.210/32",
        "fe80::8:20ff:fe00:1/10",
    ]
    assert [text for text, one in found.items() if one.duplicate] == ["192.168.0.200/24"]
    assert [text for text, one in found.items() if not one.up] == ["192.168.0.202/24"]
    tentative = [text for text, one in found.items() if one.tentative]
    assert tentative == ["2001:db8::c8/64", "10.0.0.201/24"]
    one = found["192.168.0.200/24"]
    assert (one.interface, one.unit) == ("net0", "net0/carpoolc0a800c8")


@given(st.text(alphabet="net0/:\\\n%.1?ok ", max_size=60))
def test_anything_is_read(text: str) -> None:
    parse(text)
