"""Of which advertisements the packet filter's rules are followed, and what shows that they pass."""

from dataclasses import replace
from ipaddress import ip_interface

import pytest
from tests.doctor.rulesets import ACCEPT, DROP, VRRP, meta, payload, ruleset
from tests.doctor.support import (
    OUR_WORD,
    OURS,
    PORT,
    STRANGE_MAC,
    STRANGER,
    THEIRS,
    VIPS,
    WWW,
    packed,
    word,
)

from carpool.carp.frames import virtual_mac
from carpool.carp.packet import GROUP_V6
from carpool.doctor.filtering import dropped
from carpool.doctor.observation import Group, Peer, Word

VIP_6 = ip_interface("2001:db8::100/64")
ONLY_6, DUAL = replace(WWW, addresses=(VIP_6,)), replace(WWW, addresses=(*VIPS, VIP_6))
VIRTUAL = replace(WWW, virtual_mac=True)
SECOND_ADDRESS = replace(WWW, peers=(Peer("web2", (THEIRS, *packed("198.51.100.2")), 0),))
OVER_IPV6 = word(*packed("fe80::2"), group=GROUP_V6)
FRAMED_WORD = word(OURS, virtual_mac(42), outgoing=True)

NO_IPV4 = ruleset(policy="drop", family="ip")
NO_IPV6 = ruleset([meta("nfproto", "ipv6"), DROP])
NO_OUTPUT_6 = ruleset([payload("ip6", "nexthdr", 112), DROP], family="ip6", hook="output")
NO_OUTPUT = ruleset([VRRP, DROP], hook="output")
THEIRS_ONLY = ruleset([payload("ip", "saddr", "192.0.2.2"), ACCEPT], policy="drop")
ALL = ruleset(policy="drop")


@pytest.mark.parametrize(
    ("rules", "hook", "groups", "words"),
    [
        (NO_IPV4, "input", [WWW], []),
        (NO_IPV4, "input", [ONLY_6, WWW], []),
        (NO_IPV6, "input", [DUAL], [word()]),
        (NO_IPV6, "input", [ONLY_6], []),
        (NO_OUTPUT_6, "output", [ONLY_6], []),
        (NO_OUTPUT_6, "output", [DUAL], [OUR_WORD]),
        (NO_OUTPUT, "output", [WWW, VIRTUAL], []),
        (THEIRS_ONLY, "input", [replace(WWW, peers=(Peer("web3", (STRANGER,), 0),))], [word()]),
        (ALL, "input", [WWW], [word(delivered=0)]),
        (ALL, "input", [WWW], [word(STRANGER, STRANGE_MAC)]),
        (ALL, "input", [WWW], [OUR_WORD]),
    ],
)
def test_what_is_dropped(
    rules: list[dict[str, object]], hook: str, groups: list[Group], words: list[Word]
) -> None:
    assert "nftables" in dropped(rules, hook, PORT, groups, words)


@pytest.mark.parametrize(
    ("rules", "hook", "groups", "words"),
    [
        (NO_IPV4, "input", [ONLY_6], []),
        (NO_IPV6, "input", [WWW], []),
        (NO_OUTPUT_6, "output", [WWW], []),
        (NO_OUTPUT, "output", [VIRTUAL], []),
        # It has passed, whatever the rules seem to say.
        (ALL, "input", [WWW], [word()]),
        (ALL, "input", [DUAL], [word(), OVER_IPV6]),
        (ALL, "input", [replace(WWW, peers=())], [word(STRANGER, STRANGE_MAC)]),
        (NO_OUTPUT, "output", [WWW], [OUR_WORD]),
        (NO_OUTPUT, "output", [replace(WWW, vhid=43), WWW], [OUR_WORD]),
        # The other node speaks from one of its addresses.
        (THEIRS_ONLY, "input", [SECOND_ADDRESS], []),
        # A form that is not known.
        ([{"chain": {}}, {"rule": {"family": 1}}], "input", [WWW], []),
    ],
)
def test_what_is_not_dropped_for_certain(
    rules: list[dict[str, object]], hook: str, groups: list[Group], words: list[Word]
) -> None:
    assert dropped(rules, hook, PORT, groups, words) == ""


def test_a_group_whose_master_speaks_in_frames_is_one_that_does() -> None:
    """Also where no file says so."""
    assert dropped(NO_OUTPUT, "output", PORT, [WWW], [FRAMED_WORD]) == ""
