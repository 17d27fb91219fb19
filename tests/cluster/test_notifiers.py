"""Notifiers and services in a cluster file: what they say, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster.mistakes.notifiers import GOOD
from tests.cluster.support import ZONE, load_text

from carpool.cluster.load import load
from carpool.cluster.model import Notifier
from carpool.cluster.notify_schema import DEFAULT_OCCASIONS, NAGIOS_OCCASIONS
from carpool.cluster.notify_secret import read_secret
from carpool.cluster.notify_writing import notify_keys
from carpool.cluster.password import PasswordError
from carpool.cluster.toml_writing import toml_line

S = 1_000_000_000


def test_the_good_notifiers(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, GOOD)
    assert loaded.findings == ()
    assert loaded.cluster is not None
    assert loaded.cluster.notifiers == (
        Notifier(
            *("ops", "mail", ("master", "conflict"), ("www",), 20 * S, 0, 600 * S),
            server="mail.example.com",
            port=465,
            security="tls",
            to=("ops@example.com", "boss@example.com"),
            sender="carpool@example.com",
            user="carpool",
            secret_file=tmp_path / "mail.key",
        ),
        Notifier(
            *("chat", "webhook", DEFAULT_OCCASIONS, ("www", "db"), 10 * S, 5, 60 * S),
            url="https://chat.example.com:8443/hooks?room=1",
            headers={"X-Team": "web"},
            secret_file=tmp_path / "chat.key",
            secret_header="Authorization",
            ca_file="/etc/ssl/ca.pem",
        ),
        Notifier(
            *("nagios", "nrdp", NAGIOS_OCCASIONS, ("www", "db"), 10 * S, 5, 60 * S),
            url="https://192.0.2.7/nrdp/",
            secret_file=tmp_path / "nrdp.key",
            verify=False,
            host={"web1": "web1.example.com", "web2": "web2"},
            service="CARP {group}",
        ),
        Notifier(
            *("local", "nagios", NAGIOS_OCCASIONS, ("www", "db"), 10 * S, 5, 60 * S),
            path="/var/lib/nagios4/rw/nagios.cmd",
        ),
    )
    www, db = loaded.cluster.groups
    services = ("apache2", "svc:/network/dns/client:default", "/etc/init.d/app")
    assert (www.services, www.service_timeout, www.service_demote) == (services, 30 * S, 20)
    assert (db.services, db.service_timeout, db.service_demote) == ((), 60 * S, 0)


@pytest.mark.parametrize(
    ("old", "new", "mend"),
    [
        ('["www"]\ntimeout', '["wwww"]\ntimeout', "did you mean 'www'?"),
        ("timeout = 20", 'url = "http://127.0.0.1/"', "it has server, to, from, port"),
        ("chat.example.com", "me:sesame@chat.example.com", "secret_header"),
    ],
)
def test_the_mend_helps(tmp_path: Path, old: str, new: str, mend: str) -> None:
    found = load_text(tmp_path, GOOD.replace(old, new)).findings
    assert mend in str(found[0])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://192.0.2.7/nrdp/", "http://127.0.0.1/nrdp/"),
        ("https://192.0.2.7/nrdp/", "http://[::1]:8080/nrdp/"),
        ("https://192.0.2.7/nrdp/", "http://localhost/nrdp/"),
    ],
)
def test_a_secret_may_go_to_this_host_in_clear(tmp_path: Path, old: str, new: str) -> None:
    text = GOOD.replace(old, new).replace("verify = false\n", "")
    assert load_text(tmp_path, text).findings == ()


def test_files_of_secrets_are_tried(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(GOOD)
    secret = "much-longer-than-a-carp-key-can-be-" * 4
    texts = {"www.key": "0123456789abcdef", "mail.key": secret, "chat.key": "", "nrdp.key": secret}
    for name, text in texts.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "nrdp.key").chmod(0o644)
    found = load(path).findings
    assert [(one.code, one.key) for one in found] == [
        ("CP303", "notify.chat.secret_file"),
        ("CP302", "notify.nagios.secret_file"),
    ]
    assert secret not in str(found)


def secret_file(folder: Path, line: bytes) -> Path:
    file = folder / "secret"
    file.touch(mode=0o600)
    file.write_bytes(line + b"\n")
    return file


@pytest.mark.parametrize(
    ("header", "line", "secret"),
    [("Authorization", b"Bearer x\r", "Bearer x"), (None, "größer".encode(), "größer")],
)
def test_a_good_secret(tmp_path: Path, header: str | None, line: bytes, secret: str) -> None:
    assert read_secret(secret_file(tmp_path, line), "webhook", header) == secret


@pytest.mark.parametrize(
    ("kind", "header", "line", "problem"),
    [
        ("webhook", "Authorization", "größer".encode(), "is not ASCII, which a header needs"),
        ("mail", None, "größer".encode(), "is not ASCII, which the login of mail needs"),
        ("nrdp", None, b"to\rken", "has a control character"),
        ("nrdp", None, "to\x85ken".encode(), "has a control character"),
        ("nrdp", None, b"\r", "is empty"),
        ("nrdp", None, b"to\xffken", "is not UTF-8"),
    ],
)
def test_a_secret_that_cannot_be_used(
    tmp_path: Path, kind: str, header: str | None, line: bytes, problem: str
) -> None:
    with pytest.raises(PasswordError, match=problem) as raised:
        read_secret(secret_file(tmp_path, line), kind, header)
    assert "ken" not in raised.value.message


def test_check_and_run_read_the_same_secret(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(GOOD)
    texts = {"www.key": b"0123456789abcdef", "mail.key": b"g\xc3\xb6", "chat.key": b"a\tb"}
    for name, text in {**texts, "nrdp.key": b"caf\xe9"}.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(text + b"\n")
    assert [(one.code, one.key) for one in load(path).findings] == [
        ("CP303", "notify.ops.secret_file"),
        ("CP303", "notify.chat.secret_file"),
        ("CP303", "notify.nagios.secret_file"),
    ]


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("a.b+c@x", True),
        ("o'neil@mail.example.com", True),
        ("a..b@example.com", False),
        (".a@example.com", False),
        ("a.@example.com", False),
        ("a@example..com", False),
        ("a@-example.com", False),
        (f"{'a' * 65}@example.com", False),
    ],
)
def test_mail_addresses(tmp_path: Path, address: str, good: bool) -> None:
    text = GOOD.replace("boss@example.com", address)
    assert [one.code for one in load_text(tmp_path, text).findings] == ([] if good else ["CP806"])


@pytest.mark.parametrize("host", ["[dead.beef]", "[192.0.2.1]", "[::1.2]", "[1:2]"])
def test_brackets_are_for_ipv6(tmp_path: Path, host: str) -> None:
    text = GOOD.replace("https://192.0.2.7/nrdp/", f"https://{host}/nrdp/")
    assert [one.code for one in load_text(tmp_path, text).findings] == ["CP807"]


def test_a_service_that_the_zone_starts_by_itself(tmp_path: Path) -> None:
    text = ZONE + 'services = ["svc:/network/dns/client:default"]\n' + GOOD
    found = [one for one in load_text(tmp_path, text).findings if one.code == "CP809"]
    assert [one.key for one in found] == ["groups.www.services[1]"]


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    cluster = load_text(tmp_path, GOOD).cluster
    assert cluster is not None
    lines = [GOOD[: GOOD.index("[notify.ops]")]]
    for one in cluster.notifiers:
        file = "" if one.secret_file is None else one.secret_file.name
        keys = notify_keys(one, {"web1", "web2"}, {"www", "db"}, file)
        lines += [f"[notify.{one.name}]", *(toml_line(k, v) for k, v in keys.items())]
    again = load_text(tmp_path, "\n".join(lines))
    assert again.findings == ()
    assert again.cluster is not None
    assert again.cluster.notifiers == cluster.notifiers
