"""Each finding of the doctor, provoked among real daemons and named rightly.

A LAN has many groups, each with a fault of its own, so that one examination sees them all.
"""

import os
import signal
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest
from tests.doctor.provoke import BUSY, Patient, Wanted
from tests.doctor.speaker import advertisement, speak, vrrp
from tests.support.clock import environment_with, needs_faketime, set_clock
from tests.support.lan import PASSWORD, VIP, carpool, packed
from tests.support.pair import VIP6
from tests.support.replayer import captured
from tests.support.waiting import PATIENCE

from carpool.lab.faults import unplug

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("nft")]

CLIENT, LEFT, RIGHT = "10.0.9.9", "10.0.0.9", "10.0.1.5"


def vip(number: int) -> str:
    return f"10.0.2.{number}"


def group(number: int, **keys: object) -> dict[str, object]:
    return {"vhid": number, "addresses": [f"{vip(number)}/16"], **keys}


def test_a_healthy_pair_has_nothing(tmp_path: Path) -> None:
    with Patient(tmp_path) as lan:
        file = lan.file(preempt=True, addresses=[f"{VIP}/16", f"{VIP6}/64"])
        lan.run(lan.left, file)
        lan.until_holders("left")
        lan.run(lan.right, file)
        lan.expect(
            Wanted(set(), lan.left, (str(file), "--node", "left")),
            Wanted(set(), lan.right, (str(file), "--node", "right")),
            Wanted(set(), lan.right, ("--node", "right")),  # without its file
            Wanted(set(), lan.client, (str(file), "--interface", "net0")),  # an onlooker
            Wanted(set(), lan.client, ("--interface", "net0", "--run-dir", str(tmp_path))),
        )


def said_before(lan: Patient) -> list[bytes]:
    """Return the frames in which left has advertised vhid 56 so far."""
    return [frame for frame in captured(lan.heard, packed(LEFT)) if frame[35] == 56]


def test_what_is_said(tmp_path: Path) -> None:
    with Patient(tmp_path) as lan:
        other = tmp_path / "other.key"
        other.touch(mode=0o600)
        other.write_text("something else")
        both = {
            "good": group(42),
            "clash": group(50),
            "router": group(51),
            "constant": group(52),
            "far": group(53),
            "twin": group(54),
            "equal": group(55, preempt=True, advskew=128),
            "again": group(56),
        }
        on_left = {
            "secret": group(60),
            "more": group(61),
            "less": group(62, addresses=[f"{vip(62)}/16", f"{vip(162)}/16"]),
            "number": group(63),
            "slow": group(64),
            "where": group(65),
        }
        on_right = {
            "secret": group(60, password_file="other.key"),
            "more": group(61, addresses=[f"{vip(61)}/16", f"{vip(161)}/16"]),
            "less": group(62),
            "number": group(163, addresses=[f"{vip(63)}/16"]),
            "slow": group(64, advbase=1),
            "where": group(65, multicast="239.0.0.18"),
        }
        left = lan.files({**both, **on_left}).rename(tmp_path / "left.toml")
        right = lan.files({**both, **on_right})
        lan.run(lan.left, left)
        lan.run(lan.right, right)
        lan.until(lambda: len(said_before(lan)) >= 3)
        speak(
            lan,
            lan.client,
            [
                advertisement(50, CLIENT, address=vip(50), password="of another cluster"),
                vrrp(51, CLIENT, vip(51)),
                advertisement(52, CLIENT, address=vip(52), counter=99),
                *(advertisement(53, CLIENT, address=vip(53), ttl=254, counter=n) for n in (1, 2)),
                advertisement(54, RIGHT, address=vip(54)),
                *said_before(lan)[:3],
            ],
        )
        found = lan.told(lan.examine(lan.right, str(right), "--node", "right"))
        named = {(one["group"], one["finding"]): one for one in found["findings"]}
        expected = {
            ("clash", "doctor-vhid-clash"): "no node of the group",
            ("router", "doctor-vhid-clash"): "VRRPv2 with number 51",
            ("constant", "doctor-constant-counter"): "counter 0000000000000063",
            ("far", "doctor-ttl"): "TTL of 254",
            ("twin", "doctor-own-address"): f"from {RIGHT}, which is this host's",
            ("equal", "doctor-equal-skew"): "left has advskew 128",
            ("again", "doctor-replay"): f"{LEFT} (",
            ("secret", "doctor-password"): f"left ({LEFT}) from",
            ("more", "doctor-addresses"): f"{vip(161)} missing",
            ("less", "doctor-addresses"): f"{vip(162)} besides ours",
            ("number", "doctor-vhid"): "under vhid 63; here it is 163",
            ("slow", "doctor-advbase"): "with advbase 0; here it is 1",
            ("where", "doctor-multicast-group"): "to 224.0.0.18; here it is 239.0.0.18",
        }
        for key, seen in expected.items():
            assert key in named, (key, list(named))
            assert seen in named[key]["seen"]
        assert not [name for group, name in named if group == "good" and name not in BUSY]
        assert {name for _, name in named} - BUSY == {name for _, name in expected}


def test_what_does_not_arrive(tmp_path: Path) -> None:
    with Patient(tmp_path) as lan:
        groups = {
            "good": group(42),
            "snooped": group(60),
            "oneway": group(61),
            "filtered": group(62, source_mac="virtual"),
            "protected": group(63),
            "taken": group(64),
            "walled": group(65),
            "mute": group(66),
            "lossy": group(67, advskew={"left": 12, "right": 64}),  # many, and half of them lost
        }
        file = lan.files(groups)
        port = lan.port_of(lan.left)
        carp = "ether type ip ip protocol 112 @th,8,8"
        lan.filter(f"{carp} 60")
        lan.filter(f"iifname {port} {carp} 61")
        lan.filter(f"iifname {port} ether saddr 00:00:5e:00:01:3e")
        lan.filter(f"iifname {port} arp saddr ip {vip(63)}")
        lan.filter("ip protocol 112 @th,8,8 65", lan.right)
        lan.filter("ip protocol 112 @th,8,8 66", lan.left, hook="egress")
        lan.filter(f"oifname {lan.port_of(lan.right)} {carp} 67 numgen inc mod 2 0")
        lan.run(lan.left, file)
        lan.until_holders("left", vip=ip_address(vip(66)))
        lan.run(lan.right, file)
        for number in (60, 61, 62, 65, 66):
            lan.until_holders("left", "right", vip=ip_address(vip(number)))
        taken = ip_interface(f"{vip(64)}/32")
        lan.client.route.add_address(lan.client.ports["net0"].index, taken)
        on_left = {
            ("snooped", "doctor-multicast"),
            ("oneway", "doctor-one-way"),
            ("filtered", "doctor-mac-filter"),
            ("taken", "doctor-stranger"),
            ("walled", "doctor-one-way"),
            ("mute", "doctor-silent"),
        }
        on_right = {
            ("snooped", "doctor-multicast"),
            ("oneway", "doctor-multicast"),
            ("filtered", "doctor-multicast"),
            ("protected", "doctor-unanswered"),
            ("taken", "doctor-stranger"),
            ("walled", "doctor-firewall"),
            ("mute", "doctor-multicast"),
            ("lossy", "doctor-loss"),
        }
        has = f"{lan.mac(lan.client).hex(':')} has {vip(64)}"
        lan.expect(
            Wanted(on_left, lan.left, (str(file), "--node", "left"), has),
            Wanted(on_right, lan.right, (str(file), "--node", "right"), has),
        )


def test_a_packet_filter_is_named(tmp_path: Path) -> None:
    """Also by a master that hears nobody, because nobody speaks; an onlooker sees no reason."""
    with Patient(tmp_path) as lan:
        file = lan.file()
        onlooker = "--interface", "net0", "--run-dir", str(tmp_path)
        nobody = {("www", "doctor-no-master")}
        lan.expect(Wanted(nobody, lan.client, (str(file), *onlooker)))
        lan.filter("meta l4proto vrrp", lan.left)
        lan.filter("meta l4proto 112", lan.right)
        lan.run(lan.left, file)
        lan.until_holders("left")
        lan.run(lan.right, file)
        lan.until_holders("left", "right")
        rule = "nftables inet fault drops, handle "
        found = {("www", "doctor-firewall")}
        lan.expect(
            Wanted(found, lan.left, (str(file), "--node", "left"), rule),
            Wanted(found, lan.right, ("--node", "right"), rule),
            Wanted({(None, "doctor-two-masters")}, lan.client, onlooker),
        )


def test_this_host(tmp_path: Path) -> None:
    with Patient(tmp_path) as lan:
        file = lan.file(nodes=["left", "right", "client"], advskew={"left": 48, "right": 64})
        lan.run(lan.left, file)
        lan.until_holders("left")
        lan.run(lan.right, file)
        # Nobody has started the client's, and it could not be: a container without the right.
        bare = ["setpriv", "--bounding-set", "-net_admin", *carpool("doctor", "--json")]
        bare += [str(file), "--node", "client", "--seconds", "1"]
        client = lan.start(lan.client, bare)
        # A host that stalls: all that runs on it stands still.
        stalled = lan.examine(lan.right, str(file), "--node", "right", "--seconds", "3")
        lan.until(lambda: lan.has_asked(lan.right))
        stalled.send(signal.SIGSTOP)
        lan.during(0.7, "left")
        stalled.send(signal.SIGCONT)
        found = {one for one in lan.named(client) if one[1] not in BUSY}
        assert found == {(None, "doctor-not-running"), (None, "doctor-capabilities")}
        assert "no process here can have CAP_NET_ADMIN" in client.text()
        assert (None, "doctor-stalls") in lan.named(stalled)


@pytest.mark.slow
@needs_faketime
def test_the_time_of_day_is_set(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    with Patient(tmp_path) as lan:
        file = lan.file()
        lan.run(lan.left, file)
        environment = {**os.environ, **environment_with(clock)}
        environment["RUNTIME_DIRECTORY"] = str(lan.run_directory)
        words = carpool("doctor", "--json", str(file), "--node", "left", "--seconds", "3")
        doctor = lan.start(lan.left, words, environment)
        lan.until(lambda: lan.has_asked(lan.left))
        set_clock(clock, -30)
        assert (None, "doctor-clock") in lan.named(doctor)
        assert "the time of day jumped by -30.0" in doctor.text()


@pytest.mark.slow
def test_a_node_that_must_not_or_cannot(tmp_path: Path) -> None:
    with Patient(tmp_path) as lan:
        file = lan.file()
        left = lan.run(lan.left, file)
        lan.until_holders("left")
        right = lan.run(lan.right, file)
        # The other node leaves; this one may not take over.
        lan.start(lan.right, carpool("maintenance", "on", "--node", "right"))
        lan.until_logged(right, "maintenance")
        left.send(signal.SIGKILL)
        unplug(lan.lab, lan.left)
        lan.until(lambda: not lan.holders(), what="the address has run out")
        barred = {("www", "doctor-barred"), ("www", "doctor-peer-gone")}
        lan.expect(Wanted(barred, lan.right, (str(file), "--node", "right")))
        unplug(lan.lab, lan.right)
        right.send(signal.SIGSTOP)
        frozen = {(None, "doctor-not-running"), (None, "doctor-link")}
        given = (str(file), "--node", "right", "--seconds", "0.5")
        lan.expect(Wanted(frozen, lan.right, given, "is it frozen?"))
        right.send(signal.SIGCONT)


def test_without_the_file_the_daemon_says_what_differs(tmp_path: Path) -> None:
    with Patient(tmp_path) as lan:
        other = tmp_path / "other.key"
        other.touch(mode=0o600)
        other.write_text("something else")
        groups = {"where": group(42, multicast="239.0.0.18"), "more": group(43)}
        left = {**groups, "secret": group(44)}
        more = group(43, addresses=[f"{vip(43)}/16", f"{vip(143)}/16"])
        right = {**groups, "more": more, "secret": group(44, password_file="other.key")}
        lan.run(lan.left, lan.files(left).rename(tmp_path / "left.toml"))
        lan.until_holders("left", vip=ip_address(vip(44)))
        daemon = lan.run(lan.right, lan.files(right))
        lan.until_logged(daemon, "another set of addresses")
        found = {("more", "doctor-addresses"), ("secret", "doctor-password")}
        lan.expect(Wanted(found, lan.right, ("--node", "right"), f"without {vip(143)}"))


@pytest.mark.slow
@pytest.mark.peer("ucarp")
def test_a_ucarp_beside_us_is_healthy(tmp_path: Path) -> None:
    """Both as the master of the other."""
    with Patient(tmp_path) as lan:
        file = lan.file(advbase=1, advskew={"left": 0, "right": 10})
        options = {"interface": "net0", "srcip": RIGHT, "vhid": "42", "pass": PASSWORD}
        options |= {"addr": str(VIP), "advbase": "1", "advskew": "10"}
        options |= {"upscript": "/bin/true", "downscript": "/bin/true"}
        given = [f"--{key}={value}" for key, value in options.items()]
        daemon = lan.run(lan.left, file)
        lan.until_holders("left")
        ucarp = lan.start(lan.right, ["ucarp", *given, "--shutdown"])
        lan.until_logged(ucarp, "Switching to state: BACKUP")
        lan.expect(Wanted(set(), lan.left, (str(file), "--node", "left")))
        # ucarp takes over, with an address that its scripts do not put on.
        daemon.stop()
        lan.until_logged(ucarp, "Switching to state: MASTER")
        lan.until(lambda: not lan.holders())
        daemon = lan.run(lan.left, file)
        found = {("www", "doctor-unanswered")}
        lan.expect(Wanted(found, lan.left, (str(file), "--node", "left", "--seconds", "3.5")))


def test_a_user_without_rights_is_told(tmp_path: Path) -> None:
    with Patient(tmp_path) as lan:
        file = lan.file()
        lan.run(lan.left, file)
        bare = ["setpriv", "--bounding-set", "-net_raw", *carpool("doctor", "--json")]
        doctor = lan.start(lan.client, [*bare, "--interface", "net0", "--run-dir", str(tmp_path)])
        assert doctor.process.wait(PATIENCE) == 2
        assert "needs the right to open raw sockets; run this as root" in doctor.text()
