"""``carpool status`` of this host: its table, its exit codes, and where it looks."""

import json
from pathlib import Path

import pytest
from tests.support.status import check, document, group, peer

from carpool.cli import status
from carpool.cli.daemon_text import status_text
from carpool.watch.durations import duration


def test_a_narrow_terminal_has_the_masters_by_their_addresses() -> None:
    told = document(group("www", "BACKUP", master=peer()), group("db", "MASTER"))
    wide = status_text(told).splitlines()
    assert "10.0.0.9 (1.078s, skew 20, 0.4s ago)" in wide[2]
    assert status_text(told, max(map(len, wide))).splitlines() == wide
    narrow = status_text(told, max(map(len, wide)) - 1).splitlines()
    assert narrow[2] == "www    BACKUP  2h 3m  10.0.0.100/16  10.0.0.9   started"
    assert narrow[3] == "db     MASTER  2h 3m  10.0.0.100/16  this node  started"


def test_nothing_that_a_check_repeats_drives_the_terminal() -> None:
    checks = [check("web", "bad", "\x1b]0;owned\x07\u202e")]
    shown = status_text(document(group("www", "MASTER", why="\x1b[2J"), checks=checks))
    assert shown.replace("\n", "").isprintable()
    assert r"\x1b]0;owned\x07\u202e" in shown


def test_checks_that_are_not_good_are_told() -> None:
    checks = [
        check("disk", "good"),
        check("web", "bad", "Connection refused"),
        check("db", "good", "no result within 1 s"),
        check("flag", "unknown"),
    ]
    lines = status_text(document(group("www", "MASTER"), checks=checks)).splitlines()
    assert lines[3:] == [
        "health: 2 of 4 checks good",
        "check web: bad for 3m 20s, the last time: Connection refused",
        "check db: good for 3m 20s, the last time: no result within 1 s",
        "check flag: unknown for 3m 20s",
    ]


def test_checks_that_are_all_good_take_a_line() -> None:
    lines = status_text(document(group("www", "MASTER"), checks=[check("disk", "good")]))
    assert lines.splitlines()[3:] == ["health: 1 of 1 check good"]


def test_the_pace_of_the_fast_profile() -> None:
    groups = [
        *(group(name, "MASTER", interval=0.01171875, master_down_time=0.036) for name in "ab"),
        *(group(f"g{n}", "BACKUP", interval=0.0078125, master_down_time=0.03) for n in range(9)),
        group("slow", "MASTER", interval=1.0, master_down_time=3.0),
    ]
    fast = [
        {"group": one["group"], "raised": False, "interval": 0.01, "configured_interval": 0.01}
        for one in groups[:-1]
    ]
    told = {
        "realtime": True,
        "worst_recent_seconds": 0.0004,
        "worst_seconds": 0.0021,
        "recent_seconds": 10,
        "groups": fast,
    }
    lines = status_text(document(*groups, punctuality=told)).splitlines()
    assert lines[2 + len(groups) :] == [
        "wakes up to 0.4 ms late in 10 s, 2.1 ms since the start",
        "a, b: fast: an advertisement every 11.7 ms, a dead master is noticed after 36.0 ms",
        "9 groups: fast: an advertisement every 7.8 ms, a dead master is noticed after 30.0 ms",
    ]


def test_the_table() -> None:
    backup = group("database", "BACKUP", master=peer(), addresses=["10.0.0.1/8", "fd00::1/64"])
    assert status_text(document(group("www", "MASTER"), backup)).splitlines() == [
        "node web1: carpool 1.0, process 123, up 42.0s",
        "GROUP     STATE   FOR    ADDRESSES      MASTER                                WHY",
        "www       MASTER  2h 3m  10.0.0.100/16  this node                             started",
        "database  BACKUP  2h 3m  10.0.0.1/8     10.0.0.9 (1.078s, skew 20, 0.4s ago)  started",
        "                         fd00::1/64",
    ]


@pytest.mark.parametrize(("number", "last"), [(9, "10.0.0.9/24"), (10, "and 2 more")])
def test_of_very_many_addresses_the_first_are_shown(number: int, last: str) -> None:
    addresses = [f"10.0.0.{i}/24" for i in range(1, number + 1)]
    lines = status_text(document(group("www", "MASTER", addresses=addresses))).splitlines()
    assert len(lines) == 2 + 9
    assert lines[-1].strip() == last


def test_what_an_administrator_should_know_stands_below() -> None:
    text = status_text(
        document(
            group(
                "www",
                "MASTER",
                demotions={"maintenance": 255, "check web": 10},
                peers=[
                    peer(demotion=3),
                    peer(address="10.0.0.7", advbase=255, advskew=255),
                ],
                rejected={"authentication": 12, "replay": 1},
                script={"name": "www: up script", "seconds": 3.04},
                services_problem="apache2 does not start: exit code 1",
            ),
            interfaces=[
                {"interface": "net0", "open": False, "rejected": {}, "strangers": []},
                {
                    "interface": "net1",
                    "open": True,
                    "rejected": {"vrrp": 2},
                    "strangers": [
                        {
                            "address": "10.0.0.100",
                            "mac": "02:00:00:00:00:09",
                            "noticed_seconds": 3.04,
                        }
                    ],
                    "mismatches": [
                        {
                            "address": "10.0.0.8",
                            "vhid": 42,
                            "noticed_seconds": 62.1,
                            "reason": "has another set of addresses",
                        }
                    ],
                },
            ],
        )
    )
    assert text.splitlines()[3:] == [
        "www: must not be master: maintenance",
        "www: demoted by 10: check web",
        "www: heard 10.0.0.9 (1.078s, skew 20, demoted 3, 0.4s ago)",
        "www: heard 10.0.0.7 (bowed out 0.4s ago)",
        "www: rejected 12 x authentication, 1 x replay",
        "www: up script has been running for 3.0s",
        "www: service apache2 does not start: exit code 1",
        "net0: the interface is not there",
        "net1: rejected 2 x vrrp",
        "net1: 02:00:00:00:00:09 uses 10.0.0.100, noticed 3.0s ago",
        "net1: what 10.0.0.8 says with vhid 42 has another set of addresses (noticed 1m 2s ago)",
    ]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["MASTER", "MASTER"], 0),
        (["BACKUP", "INIT"], 1),
        (["MASTER", "BACKUP"], 5),
        (["MASTER", "INIT"], 5),
    ],
)
def test_the_exit_code_says_who_is_master(states: list[str], code: int) -> None:
    assert status.exit_code([document(group("g", state)) for state in states]) == code


def test_without_a_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["--run-dir", str(tmp_path)]) == 3
    said = f"no daemon has a socket in {tmp_path}; start one by its service, or with: carpool run"
    assert said in capsys.readouterr().err
    assert status.main(["--run-dir", str(tmp_path), "--node", "x", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["daemons"] == []
    (tmp_path / "web1.sock").touch()
    assert status.main(["--run-dir", str(tmp_path), "--node", "x"]) == 3
    assert f"no daemon of node x has a socket in {tmp_path}; here run web1" in (
        capsys.readouterr().err
    )


def test_a_socket_that_nobody_listens_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web1.sock").touch()
    monkeypatch.chdir(tmp_path)
    assert status.main(["--run-dir", "."]) == 3
    assert "node web1: not running; its daemon was killed" in capsys.readouterr().err


def test_with_a_file_it_is_the_status_of_the_fleet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status.main([str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        status.main(["x.toml", "--help"])
    assert ended.value.code == 0
    assert "--known-hosts" in capsys.readouterr().out


def test_a_file_without_zones_is_another_question(capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[2] / "examples" / "two-zones.toml"
    assert status.main([str(example)]) == 2
    said = capsys.readouterr().err
    assert "no node is a SmartOS zone of carpool's" in said
    assert said.endswith("or ask the daemons of this host, without FILE: carpool status\n")


def test_help_and_wrong_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["--help"]) == 0
    assert "exit codes" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        status.main(["--colour"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0s"),
        (59.94, "59.9s"),
        (60, "1m 0s"),
        (3600, "1h 0m"),
        (90061, "1d 1h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
