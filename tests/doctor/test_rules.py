"""The rules by themselves: from what was gathered to what is found."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest
from tests.doctor.speaker import vrrp
from tests.doctor.support import (
    ANSWERS,
    CARP,
    END,
    HEALTHY,
    MASTER,
    MASTER_OF_TWO,
    OPEN,
    OUR_MAC,
    OUR_WORD,
    OURS,
    STRANGE_MAC,
    STRANGER,
    THEIR_MAC,
    THEIRS,
    VIP,
    VIPS,
    both,
    packed,
    with_group,
    with_port,
    with_told,
    with_words,
    word,
)

from carpool.carp.frames import virtual_mac
from carpool.carp.packet import GROUP_V4, GROUP_V6
from carpool.carp.timing import SECOND
from carpool.doctor.diagnosis import diagnose
from carpool.doctor.faults import BY_CODE, Fault, markdown
from carpool.doctor.guess import guess
from carpool.doctor.observation import (
    Observation,
    Running,
    Word,
)
from carpool.doctor.record import Record
from carpool.doctor.text import document, hidden, lines


def found(seen: Observation) -> list[Fault]:
    return [one.fault for one in diagnose(seen)]


def foreign() -> tuple[Word, ...]:
    """Return what others say of a vhid that is none of ours: both protocols, and one counter."""
    heard = Record("net0")
    heard.on_frame(vrrp(77, "192.0.2.9", "192.0.2.200"), END, outgoing=False)
    return (
        word(STRANGER, STRANGE_MAC, vhid=77, password=b"another", same_counter=9, repeated=9),
        *heard.words(delivery=False),
    )


FOREIGN = foreign()
OTHER_TWO = [
    word(source, mac, vhid=77, password=b"another")
    for source, mac in ((THEIRS, THEIR_MAC), (STRANGER, STRANGE_MAC))
]
DUAL: dict[str, object] = {
    "addresses": (*VIPS, ip_interface("2001:db8::100/64")),
    "carp": None,
    "told": None,
}
LINK_LOCAL, THEIR_LINK_LOCAL = packed("fe80::1", "fe80::2")
OVER_IPV6 = word(THEIR_LINK_LOCAL, group=GROUP_V6, delivered=0)
BARRED = with_told(
    with_port(with_words(MASTER), answers={THEIRS: {THEIR_MAC: b""}}),
    state="BACKUP",
    demotions={"maintenance": 255},
)


@pytest.mark.parametrize(
    "seen",
    [
        HEALTHY,
        MASTER,
        with_group(HEALTHY, told=None),
        with_group(HEALTHY, carp=None),
        with_group(HEALTHY, carp=None, told=None, peers=()),
        replace(HEALTHY, groups=()),
        with_words(HEALTHY, word(mac=virtual_mac(42))),
        with_words(HEALTHY, word(demotion=240)),
        with_words(HEALTHY, word(advskew=240)),
        # The old master has just been replaced, or this one is about to be.
        with_words(MASTER, OUR_WORD, word(last=SECOND)),
        with_words(MASTER, replace(OUR_WORD, first=2 * SECOND), word(last=2 * SECOND, advskew=200)),
        with_words(MASTER, OUR_WORD, word(number=2, first=END - SECOND // 2)),
        # It has taken its leave.
        with_words(MASTER, OUR_WORD, word(advbase=255, advskew=255)),
        with_told(HEALTHY, rejected={"vrrp": 20, "replay": 1}),
        replace(HEALTHY, late=SECOND // 4, clock_step=SECOND // 100),
        with_words(HEALTHY, word(same_counter=1, repeated=1)),
        with_words(with_group(HEALTHY, carp=OPEN), word(same_counter=9)),
        # Another cluster's, on the same network: of no group here.
        with_words(HEALTHY, word(), *FOREIGN),
        with_words(
            HEALTHY, word(), word(STRANGER, STRANGE_MAC, vhid=77, password=b"other", delivered=0)
        ),
        with_words(HEALTHY, word(), *OTHER_TWO),
        # Of a group that has no IPv6, or that this interface has none for.
        with_words(HEALTHY, word(), OVER_IPV6),
        with_words(with_group(HEALTHY, **DUAL), word(), OVER_IPV6),
        # Nothing was listened to, or not for long enough to say that nobody speaks.
        with_port(with_words(MASTER), listened=False),
        replace(with_words(MASTER), ended=SECOND // 10),
        with_port(BARRED, listened=False),
        replace(BARRED, ended=SECOND // 10),
    ],
)
def test_what_is_well(seen: Observation) -> None:
    assert found(seen) == []


ODD: dict[Fault, list[Observation]] = {
    Fault.NOT_RUNNING: [
        replace(HEALTHY, running=Running.NO, problem="no daemon"),
        replace(HEALTHY, running=Running.MUTE, problem="the daemon does not answer"),
    ],
    Fault.CAPABILITIES: [replace(HEALTHY, lacking=("CAP_NET_RAW",))],
    Fault.LINK: [
        with_port(with_words(HEALTHY), **{key: False}) for key in ("present", "up", "carrier")
    ],
    Fault.FIREWALL: [
        with_words(MASTER, OUR_WORD, word(delivered=0)),
        with_port(
            with_words(with_group(HEALTHY, **DUAL), word(), OVER_IPV6),
            addresses=frozenset({OURS, LINK_LOCAL}),
        ),
        with_port(MASTER, drops_in="a rule"),
        with_port(MASTER, drops_out="a rule"),
    ],
    Fault.SILENT: [with_words(MASTER)],
    Fault.ADDRESSES: [
        with_words(HEALTHY, word(vips=("192.0.2.100", "192.0.2.101"))),
        with_words(HEALTHY, word(vips=("192.0.2.10",))),
        with_told(
            with_group(HEALTHY, carp=None),
            mismatches={THEIRS: "has the right password and another set of addresses: none"},
        ),
    ],
    Fault.PASSWORD: [
        with_words(HEALTHY, word(password=b"another")),
        with_words(MASTER, OUR_WORD, word(password=b"another")),
        with_group(with_words(HEALTHY, word(STRANGER, password=b"another")), peers=()),
        with_told(with_group(MASTER_OF_TWO, carp=None), rejected={"authentication": 4}),
    ],
    Fault.VHID: [with_words(both(MASTER), OUR_WORD, word(vhid=43))],
    Fault.VHID_CLASH: [
        with_words(HEALTHY, word(), word(STRANGER, STRANGE_MAC, password=b"another")),
    ],
    Fault.ADVBASE: [with_words(HEALTHY, word(advbase=2))],
    Fault.EQUAL_SKEW: [
        with_group(HEALTHY, preempt=True, advskew=0),
        with_group(HEALTHY, preempt=True, advskew=0, peers=()),
    ],
    Fault.CONSTANT_COUNTER: [
        with_words(HEALTHY, word(same_counter=3, repeated=3)),
        replace(with_words(HEALTHY, word(same_counter=3)), groups=()),
        with_told(
            with_words(MASTER, OUR_WORD, word(same_counter=3, repeated=3)), rejected={"replay": 3}
        ),
    ],
    Fault.REPLAY: [
        with_words(HEALTHY, word(), word(mac=STRANGE_MAC, repeated=3, last=SECOND)),
        with_told(MASTER, rejected={"replay": 3}),
    ],
    Fault.TTL: [with_words(HEALTHY, word(ttl=254))],
    Fault.MULTICAST_GROUP: [
        with_words(HEALTHY, word(group=bytes((239, 0, 0, 18)))),
        with_words(HEALTHY, word(group=bytes((239, 0, 0, 18)), delivered=0)),
        with_words(MASTER, OUR_WORD, word(group=bytes((239, 0, 0, 18)), advskew=200)),
    ],
    Fault.MULTICAST: [
        # Over one family of two.
        with_port(
            with_words(with_group(HEALTHY, **DUAL), word()),
            addresses=frozenset({OURS, LINK_LOCAL}),
        ),
        both(MASTER),
        with_group(with_words(HEALTHY), told=None),
        with_group(with_words(HEALTHY), told=None, peers=()),
    ],
    Fault.MAC_FILTER: [
        with_words(MASTER, replace(OUR_WORD, mac=virtual_mac(42)), word(advskew=200)),
    ],
    Fault.ONE_WAY: [
        with_words(MASTER, OUR_WORD, word(advskew=200)),
        # As an onlooker sees it.
        with_group(with_words(HEALTHY, word(), word(STRANGER, STRANGE_MAC, advskew=1)), told=None),
    ],
    Fault.UNANSWERED: [with_port(HEALTHY, answers={THEIRS: {THEIR_MAC: b""}})],
    Fault.STRANGER: [
        with_port(HEALTHY, answers={**ANSWERS, VIP: {**ANSWERS[VIP], STRANGE_MAC: b""}}),
        with_port(MASTER, answers={**ANSWERS, VIP: {STRANGE_MAC: b""}}),
    ],
    Fault.OWN_ADDRESS: [
        with_words(HEALTHY, word(), word(OURS, STRANGE_MAC)),
        with_words(MASTER, OUR_WORD, word(OURS, STRANGE_MAC, delivered=0, same_counter=3)),
    ],
    Fault.PEER_GONE: [with_port(MASTER, answers={})],
    Fault.BARRED: [BARRED],
    Fault.LOSS: [
        with_words(
            with_group(HEALTHY, advbase=0), word(number=3, due=7000, advbase=0, advskew=128)
        ),
    ],
    Fault.STALLS: [replace(HEALTHY, late=SECOND * 2)],
    Fault.CLOCK: [replace(HEALTHY, clock_step=-SECOND)],
    Fault.TWO_MASTERS: [
        with_words(MASTER, OUR_WORD, word()),
        with_words(MASTER, OUR_WORD, word(), *FOREIGN),
        replace(with_words(HEALTHY, word(), word(STRANGER, STRANGE_MAC)), groups=()),
    ],
    Fault.NO_MASTER: [
        with_port(with_words(HEALTHY), answers={THEIRS: {THEIR_MAC: b""}}),
        with_port(with_words(HEALTHY, *FOREIGN), answers={THEIRS: {THEIR_MAC: b""}}),
    ],
}


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        pytest.param(fault, seen, id=f"{fault.code}-{number}")
        for fault, all_seen in ODD.items()
        for number, seen in enumerate(all_seen)
    ],
)
def test_what_is_odd_is_named_and_nothing_else(fault: Fault, seen: Observation) -> None:
    assert found(seen) == [fault]
    # It can be told, and no digest with it.
    text = "\n".join(lines(seen, diagnose(seen)))
    assert fault.code in text
    (told,) = document(seen, diagnose(seen))["findings"]
    assert told["finding"] == fault.code
    assert told["seen"]
    for one in filter(lambda word: word.advertisement is not None, seen.words):
        digest = one.datagram.payload[16:36].hex()
        assert digest not in text.replace("\n           ", "")
        assert digest not in str(told)


def test_every_fault_is_provoked() -> None:
    assert list(ODD) == list(Fault)


def many(number: int, **seen: object) -> Observation:
    """Return what a master of so many groups sees, each with a word of the other node."""
    groups = [replace(MASTER.groups[0], name=f"g{n}", vhid=n, carp=replace(CARP, vhid=n))
              for n in range(1, number + 1)]  # fmt: skip
    words = [word(vhid=one.vhid, **seen) for one in groups]  # type: ignore[arg-type]
    ours = [word(OURS, OUR_MAC, vhid=one.vhid, advskew=100) for one in groups]
    return replace(MASTER, groups=tuple(groups), words=(*words, *ours))


def test_many_groups_with_one_cause_are_one_finding() -> None:
    (one,) = diagnose(many(200, delivered=0))
    assert one.fault is Fault.FIREWALL
    assert "nor those of 199 more vhids" in one.seen


def test_many_findings_of_a_kind_are_told_short() -> None:
    seen = many(200, password=b"another")
    found = diagnose(seen)
    assert [one.fault for one in found] == [Fault.PASSWORD] * 200
    told = list(lines(seen, found))
    assert len([line for line in told if line.startswith("doctor-password")]) == 12
    assert "    and 188 more: --json has all" in told
    assert len([line for line in told if "means:" in line]) == 1
    assert len(document(seen, found)["findings"]) == 200


def test_the_difference_is_named() -> None:
    said: list[tuple[Callable[[], Word], str]] = [
        (lambda: word(vips=("192.0.2.100", "192.0.2.77")), "192.0.2.77 besides ours"),
        (lambda: word(vips=("192.0.2.10",)), "192.0.2.10 in the place of 192.0.2.100"),
        (lambda: word(vips=("192.0.2.100", "198.51.100.1", "198.51.100.2")), "198.51.100.1, 198"),
    ]
    claims = {THEIR_MAC: frozenset(packed("198.51.100.1", "198.51.100.2"))}
    for make, text in said:
        (one,) = diagnose(with_port(with_words(HEALTHY, make()), claims=claims))
        assert text in one.seen


def test_a_sender_with_many_addresses_does_not_hide_the_difference() -> None:
    claimed = [ip_address(f"198.51.100.{number}") for number in range(1, 41)]
    said = word(vips=("192.0.2.100", "192.0.2.200")).advertisement
    assert said is not None
    known = guess(said, CARP, networks=VIPS, claimed=claimed, most=2000)
    assert known.text == "the password fits with 192.0.2.200 besides ours"


def test_no_frame_tells_a_secret() -> None:
    assert hidden(word()) == word().frame.hex()[:-40] + ".."
    frame = vrrp(42, "192.0.2.9", "192.0.2.100", password=b"clear!!!")
    heard = Record("net0")
    heard.on_frame(frame, 0, outgoing=False)
    (said,) = heard.words(delivery=False)
    assert hidden(said) == frame.hex()[:-16] + ".."


def test_a_frozen_daemon_is_not_to_be_started() -> None:
    for running, says in ((Running.NO, "start it"), (Running.MUTE, "kill -CONT")):
        (one,) = diagnose(replace(HEALTHY, running=running, problem="it is silent"))
        assert one.mend.startswith("start it") is (running is Running.NO)
        assert says in one.mend


def test_a_link_is_told_once_with_its_own_mend() -> None:
    for key, told, mend in (
        ("present", "net0 is not there", "correct the name"),
        ("up", "net0 is switched off", "ip link set net0 up"),
        ("carrier", "net0 has no carrier", "mend the cable"),
    ):
        seen = with_port(with_words(HEALTHY), **{key: False})
        text = "\n".join(lines(seen, diagnose(seen)))
        assert f"doctor-link: {told}" in text
        assert mend in text


def test_it_is_wrapped_for_the_terminal() -> None:
    seen = with_words(MASTER, OUR_WORD, word(delivered=0))
    for columns, most in ((200, 98), (80, 80), (10, 40)):
        told = [*lines(seen, diagnose(seen), columns)][2:]  # below what was looked at
        assert most - 15 < max(map(len, told)) <= most


def test_what_was_not_listened_to_is_not_said_to_be() -> None:
    deaf = with_port(with_words(HEALTHY), listened=False)
    assert next(lines(deaf, [])) == "node web1: listened on no interface for 4.0 s"


def test_whether_the_group_was_joined_is_told_of_the_family() -> None:
    seen = with_group(HEALTHY, addresses=(ip_interface("2001:db8::100/64"),))
    vip = ip_address("2001:db8::100").packed
    answers = {THEIRS: {THEIR_MAC: b""}, vip: {THEIR_MAC: b""}}
    for joined, has in ((GROUP_V6, "has"), (GROUP_V4, "has not")):
        (one,) = diagnose(with_port(with_words(seen), answers=answers, joined=frozenset({joined})))
        assert f"this host {has} joined ff02::12 on net0" in one.mend


def test_rules_that_nft_does_not_list_are_told_of() -> None:
    dropped = with_words(MASTER, OUR_WORD, word(delivered=0))
    for tables, port, says in (
        ((), {}, "accept protocol 112"),
        (("filter", "raw"), {}, "iptables-legacy has tables (filter, raw) whose rules"),
        (("filter",), {"reverse_path": True}, "if no rule drops it, rp_filter = 1 does"),
        (("filter",), {"drops_in": "a rule"}, "it is a rule; accept"),
    ):
        seen = replace(with_port(dropped, **port), legacy_tables=tables)
        (one,) = diagnose(seen)
        assert says in one.mend


def test_a_node_is_known_over_ipv6_by_its_mac() -> None:
    """Its link-local address is in no file."""
    over_ipv6 = word(THEIR_LINK_LOCAL, group=GROUP_V6, password=b"another")
    (one,) = diagnose(with_words(with_group(HEALTHY, carp=CARP), word(), over_ipv6))
    assert one.fault is Fault.PASSWORD  # no clash with another cluster
    assert one.seen.startswith("web2 (fe80::2) from 02:00:00:00:00:02 advertises vhid 42: ")


def test_a_master_over_both_families_is_told_once() -> None:
    two = with_words(with_group(HEALTHY, **DUAL), word(), replace(OVER_IPV6, delivered=4))
    known = {**ANSWERS, THEIR_LINK_LOCAL: {THEIR_MAC: b""}}
    for seen, says in (
        (two, "advertised by web2 (192.0.2.2)"),
        (with_group(two, peers=()), "advertised by 192.0.2.2"),
    ):
        assert [*lines(seen, [])][1].endswith(says)
    # Two machines may share the virtual MAC address: then it is theirs who answers.
    shared = [replace(one, mac=virtual_mac(42)) for one in two.words]
    virtual = with_group(with_words(two, *shared), peers=())
    assert [*lines(virtual, [])][1].endswith("advertised by 192.0.2.2 and fe80::2")
    virtual = with_port(virtual, answers=known)
    assert [*lines(virtual, [])][1].endswith("advertised by 192.0.2.2")


def test_an_onlooker_is_told_whether_anything_was_heard() -> None:
    nobody = replace(HEALTHY, groups=(), words=())
    assert [*lines(nobody, [])][1:] == ["  no advertisement was heard"]
    assert [*lines(with_words(nobody, word()), [])][1:] == [
        "  1 group heard: carpool scan tells of each"
    ]


def test_every_fault_is_explained() -> None:
    assert len(BY_CODE) == len(Fault)
    for fault in Fault:
        assert fault.code.startswith("doctor-")
        assert fault.means.endswith(".")
        assert not fault.mend.endswith(".")
        assert "  " not in fault.means + fault.mend
        assert f"### {fault.code}\n" in markdown()
