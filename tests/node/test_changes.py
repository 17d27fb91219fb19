"""What is another in a changed cluster file."""

from pathlib import Path
from typing import Any

import pytest

from carpool.cluster.load import load
from carpool.node.changes import Running, changes
from carpool.node.notify.settings import plan_notifiers
from carpool.node.plan import plan

FILE = """
[nodes.left]
address = "10.0.0.9/16"
interface = "net0"
[nodes.right]
address = "10.0.1.5/16"
interface = "net0"
[groups.www]
vhid = 42
addresses = ["10.0.0.100/16"]
password_file = "www.key"
checks = ["web"]
up = ["/bin/www up", "now"]
hold_down = 2
[groups.db]
vhid = 43
addresses = ["10.0.0.101/16"]
password_file = "www.key"
[checks.web]
type = "tcp"
address = "127.0.0.1"
port = 80
"""


def running(folder: Path, text: str, password: str = "Tr0ub4dor&3") -> Running:
    (folder / "www.key").write_text(password)
    (folder / "www.key").chmod(0o600)
    path = folder / "cluster.toml"
    path.write_text(text)
    loaded = load(path)
    assert loaded.cluster is not None, loaded.findings
    node = loaded.cluster.node("left")
    assert node is not None
    notifiers = plan_notifiers(loaded.cluster, node)
    return Running(loaded.cluster, node, plan(loaded.cluster, node), notifiers)


def found(folder: Path, before: str, after: str) -> list[dict[str, Any]]:
    old = running(folder, before).described("salt")
    return changes(old, running(folder, after).described("salt"))


def change(what: str, name: str, how: str = "changed", **keys: object) -> dict[str, Any]:
    return {"what": what, "name": name, "change": how, "keys": keys}


def test_the_same_file_has_no_change(tmp_path: Path) -> None:
    assert found(tmp_path, FILE, "# a comment\n" + FILE.replace("vhid = 42", "vhid   =  42")) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("vhid = 42", "vhid = 7", change("group", "www", vhid=["42", "7"])),
        ("hold_down = 2", "hold_down = 3", change("group", "www", hold_down=["2 s", "3 s"])),
        ("hold_down = 2\n", "", change("group", "www", hold_down=["2 s", None])),
        (
            '"now"',
            '"later"',
            change("group", "www", up=["'/bin/www up' now", "'/bin/www up' later"]),
        ),
        ('checks = ["web"]', "", change("group", "www", checks=["web", None])),
        ("port = 80", "port = 81", change("check", "web", port=["80", "81"])),
        (
            *('up = ["/bin/www up", "now"]', "advskew = { left = 9, right = 30 }"),
            change(
                *("group", "www"),
                up=["'/bin/www up' now", None],
                advskew=["0", "9"],
                members=["right (10.0.1.5, advskew 20)", "right (10.0.1.5, advskew 30)"],
            ),
        ),
    ],
)
def test_what_has_changed_is_told_by_key(
    tmp_path: Path, old: str, new: str, expected: dict[str, Any]
) -> None:
    assert FILE.count(old) == 1
    first, *others = found(tmp_path, FILE, FILE.replace(old, new))
    assert first == expected
    # A check that no group depends on any more does not run.
    assert others in ([], [change("check", "web", "removed")])


def test_groups_come_and_go(tmp_path: Path) -> None:
    assert found(tmp_path, FILE, FILE.replace("groups.db", "groups.mail")) == [
        change("group", "db", "removed"),
        change("group", "mail", "added"),
    ]


def test_a_default_that_depends_on_the_others_is_no_change(tmp_path: Path) -> None:
    many = "".join(
        f'[groups.g{n}]\nvhid = {n}\naddresses = ["10.0.2.{n}/16"]\npassword_file = "www.key"\n'
        for n in range(100, 130)
    )
    assert {one["change"] for one in found(tmp_path, FILE, FILE + many)} == {"added"}
    often = FILE.replace("vhid = 42", "vhid = 42\nannounce_every = 7")
    assert found(tmp_path, FILE, often) == [change("group", "www", announce_every=[None, "7 s"])]


def test_what_is_neither_a_group_nor_a_check(tmp_path: Path) -> None:
    assert found(tmp_path, FILE, FILE + '[log]\nlevel = "debug"\n') == [change("other", "log")]
    renamed = FILE.replace("[nodes.left]", "[nodes.left]\nrealtime = false")
    assert found(tmp_path, FILE, renamed) == [change("other", "node")]


def test_another_password_is_told_and_not_shown(tmp_path: Path) -> None:
    old = running(tmp_path, FILE).described("salt")
    new = running(tmp_path, FILE, "another password").described("salt")
    assert changes(old, new) == [
        change("group", "www", passwords=None),
        change("group", "db", passwords=None),
    ]
    assert "Tr0ub4dor" not in repr(old)
    other_salt = running(tmp_path, FILE).described("another salt")
    assert old["group"]["www"]["passwords"] != other_salt["group"]["www"]["passwords"]


def test_of_a_url_only_the_host_is_shown(tmp_path: Path) -> None:
    first = FILE.replace(
        'type = "tcp"\naddress = "127.0.0.1"\nport = 80\n',
        'type = "http"\nurl = "http://127.0.0.1/up?token=hunter2"\n',
    )
    other = running(tmp_path, first.replace("hunter2", "hunter3")).described("salt")
    moved = running(tmp_path, first.replace("127.0.0.1", "127.0.0.2:81")).described("salt")
    old = running(tmp_path, first).described("salt")
    assert changes(old, other) == [{**change("check", "web"), "keys": {"path of url": None}}]
    assert changes(old, moved) == [
        change("check", "web", url=["http://127.0.0.1", "http://127.0.0.2:81"])
    ]
    assert "hunter" not in repr(old)
    assert "/up" not in repr(old)


def test_many_are_described_in_parts(tmp_path: Path) -> None:
    groups = "".join(
        f'[groups.g{n}]\nvhid = {n}\naddresses = ["10.0.2.{n}/16"]\npassword_file = "www.key"\n'
        for n in range(100, 200)
    )
    parts = list(running(tmp_path, FILE + groups).describe("salt"))
    assert len(parts) == 4
    assert len(parts[-1]["group"]) == 102


def test_notifiers_their_secrets_and_services_are_told(tmp_path: Path) -> None:
    (tmp_path / "ops.key").touch(mode=0o600)
    (tmp_path / "ops.key").write_text("open-sesame")
    ops = '[notify.ops]\ntype = "nrdp"\nurl = "https://nagios/"\nsecret_file = "ops.key"\n'
    before = running(tmp_path, FILE + ops).described("salt")
    more = running(tmp_path, FILE + ops + "retries = 1\n").described("salt")
    assert changes(before, more) == [change("other", "notifiers")]
    (tmp_path / "ops.key").write_text("open-barley")
    other = running(tmp_path, FILE + ops).described("salt")
    assert changes(before, other) == [change("other", "secrets of notifiers")]
    services = FILE.replace("hold_down = 2", 'hold_down = 2\nservices = ["a"]\nservice_timeout = 5')
    (www,) = found(tmp_path, FILE, services)
    assert (www["name"], set(www["keys"])) == ("www", {"services", "service_timeout"})
    assert www["keys"]["services"][1] == "a"
    assert www["keys"]["service_timeout"][1] == "5 s"
