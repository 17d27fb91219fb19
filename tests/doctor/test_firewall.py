"""What rules of nftables do with an advertisement, as `nft -j list ruleset` writes them."""

from typing import Any

import pytest
from tests.doctor.rulesets import (
    ACCEPT,
    ANSWERS,
    DROP,
    LIMIT,
    RETURN,
    SET,
    UNKNOWN,
    VRRP,
    XT_MATCH,
    by_state,
    jumped_to,
    match,
    meta,
    payload,
    ruleset,
    xt_target,
)

from carpool.doctor.firewall import Packet, dropped_by

INPUT = Packet("input", "net0", "192.0.2.2", "224.0.0.18")
OUTPUT = Packet("output", "net0", "", "224.0.0.18")
FRAMED = Packet("output", "net0", "", "224.0.0.18", framed=True)
INPUT_6 = Packet("input", "net0", "fe80::2", "ff02::12", 6)


@pytest.mark.parametrize(
    ("rules", "packet", "handle"),
    [
        (ruleset([VRRP, DROP]), INPUT, 4),
        (ruleset([VRRP, {"counter": {}}, {"reject": None}]), INPUT, 4),
        (ruleset([meta("l4proto", "vrrp"), DROP]), INPUT, 4),
        (ruleset([meta("l4proto", {"set": [6, 112]}), DROP]), INPUT, 4),
        (ruleset([meta("l4proto", [6])], [VRRP, DROP]), INPUT, 5),
        (ruleset([payload("ip", "daddr", "224.0.0.18"), DROP]), INPUT, 4),
        (
            ruleset([payload("ip", "daddr", {"prefix": {"addr": "224.0.0.0", "len": 4}}), DROP]),
            INPUT,
            4,
        ),
        (ruleset([payload("ip", "saddr", {"range": ["192.0.2.1", "192.0.2.9"]}), DROP]), INPUT, 4),
        (ruleset([payload("ip", "saddr", "@nodes"), DROP], more=[SET]), INPUT, 4),
        (ruleset([payload("ip", "saddr", "@nodes", "!="), ACCEPT], [DROP], more=[SET]), INPUT, 5),
        (ruleset([meta("pkttype", "multicast"), DROP]), INPUT, 4),
        (ruleset([meta("iifname", "net*"), DROP]), INPUT, 4),
        (ruleset([meta("iifname", "lo"), ACCEPT], policy="drop"), INPUT, None),
        (ruleset([payload("tcp", "dport", 22), ACCEPT], policy="drop"), INPUT, None),
        (ruleset([VRRP, {"jump": {"target": "more"}}], more=jumped_to("more", [DROP])), INPUT, 20),
        (ruleset([{"jump": {"target": "more"}}], [DROP], more=jumped_to("more")), INPUT, 5),
        (ruleset([VRRP, DROP], hook="output"), OUTPUT, 4),
        (ruleset([meta("l4proto", 112), DROP]), INPUT_6, 4),
        (ruleset([payload("ip6", "nexthdr", 112), DROP], family="ip6"), INPUT_6, 4),
        (ruleset([VRRP, DROP], hook="prerouting", family="ip"), INPUT, 4),
        # Nobody answers an advertisement, so it is of no connection that is established.
        (ruleset([ANSWERS, ACCEPT], policy="drop"), INPUT, None),
        (ruleset([by_state(established=ACCEPT, invalid=DROP)], [DROP]), INPUT, 5),
        (ruleset([match({"ct": {"key": "state"}}, "related", "!="), DROP]), INPUT, 4),
        (ruleset([xt_target("LOG")], [DROP]), INPUT, 5),
        (
            ruleset([UNKNOWN, {"jump": {"target": "more"}}], [DROP], more=jumped_to("more")),
            INPUT,
            5,
        ),
        (ruleset([VRRP, DROP], hook="egress"), FRAMED, 4),
    ],
)
def test_what_drops(rules: list[dict[str, Any]], packet: Packet, handle: int | None) -> None:
    said = dropped_by(rules, packet)
    assert said
    assert said.startswith("policy drop of" if handle is None else "a rule in nftables")
    assert handle is None or said.endswith(f"handle {handle}")


@pytest.mark.parametrize(
    ("rules", "packet"),
    [
        ([], INPUT),
        (ruleset(), INPUT),
        (ruleset([VRRP, ACCEPT], policy="drop"), INPUT),
        (ruleset([VRRP, ACCEPT], [DROP]), INPUT),
        (ruleset([meta("l4proto", 112, "!="), DROP]), INPUT),
        (ruleset([payload("ip", "saddr", "192.0.2.3"), DROP]), INPUT),
        (ruleset([payload("ip", "saddr", "@nodes", "!="), DROP], more=[SET]), INPUT),
        (ruleset([payload("ip", "saddr", "@missing"), DROP]), INPUT),
        (ruleset([meta("iifname", "other"), DROP]), INPUT),
        # Not certain: it may match, or not.
        (ruleset([UNKNOWN, DROP]), INPUT),
        (ruleset([LIMIT, DROP]), INPUT),
        (ruleset([UNKNOWN, ACCEPT], policy="drop"), INPUT),
        (ruleset([UNKNOWN, {"jump": {"target": "more"}}], more=jumped_to("more", [DROP])), INPUT),
        (ruleset([VRRP, {"jump": {"target": "nowhere"}}], policy="drop"), INPUT),
        (ruleset([{"vmap": {"key": {}, "data": {}}}], policy="drop"), INPUT),
        (ruleset([UNKNOWN, RETURN], [DROP]), INPUT),
        (ruleset([{"goto": {"target": "more"}}], [DROP], more=jumped_to("more")), INPUT),
        (ruleset([UNKNOWN, {"goto": {"target": "more"}}], [DROP], more=jumped_to("more")), INPUT),
        (ruleset([match({"ct": {"key": "state"}}, "new", "in"), ACCEPT], policy="drop"), INPUT),
        (ruleset([match({"ct": {"key": "state"}}, ["invalid"], "in"), DROP]), INPUT),
        (ruleset([by_state(new=ACCEPT)], policy="drop"), INPUT),
        (ruleset([payload("th", "dport", 22), ACCEPT], policy="drop"), INPUT),
        # Others say what becomes of it.
        (ruleset([VRRP, {"queue": {"num": 0}}], policy="drop"), INPUT),
        (ruleset([VRRP, {"fwd": {"dev": "net1"}}], policy="drop"), INPUT),
        (ruleset([VRRP, xt_target("NFQUEUE")], policy="drop"), INPUT),
        (ruleset([{"xt": None}], policy="drop"), INPUT),
        (ruleset([XT_MATCH, DROP]), INPUT),
        (ruleset([XT_MATCH, ACCEPT], policy="drop"), INPUT),
        # It is a frame already.
        (ruleset([VRRP, DROP], hook="output"), FRAMED),
        (ruleset([VRRP, DROP], hook="postrouting"), FRAMED),
        # Another family, another way, another hook.
        (ruleset([VRRP, DROP], family="ip"), INPUT_6),
        (ruleset([VRRP, DROP]), INPUT_6),
        (ruleset([VRRP, DROP]), OUTPUT),
        (ruleset([VRRP, DROP], hook="forward"), INPUT),
        (ruleset([VRRP, DROP], family="bridge"), INPUT),
        # It ends in itself, which nft would refuse.
        (
            ruleset(
                [{"jump": {"target": "more"}}],
                more=jumped_to("more", [{"jump": {"target": "more"}}]),
            ),
            INPUT,
        ),
    ],
)
def test_what_does_not_drop_for_certain(rules: list[dict[str, Any]], packet: Packet) -> None:
    assert dropped_by(rules, packet) == ""
