"""Notifiers and services in a cluster file: what they say, and every mistake in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cluster.test_checks import ZONE, load_text
from tests.cluster.test_mistakes import VALUES, never_raises

from carpool.cluster.findings import Rule, Severity
from carpool.cluster.load import load
from carpool.cluster.model import Notifier
from carpool.cluster.notify_schema import DEFAULT_OCCASIONS, NAGIOS_OCCASIONS, NOTIFY, TYPES
from carpool.cluster.notify_secret import read_secret
from carpool.cluster.notify_writing import notify_keys
from carpool.cluster.password import PasswordError

GOOD = """\
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
[nodes.web2]
address = "192.168.0.202/24"
interface = "eth0"
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24"]
password_file = "www.key"
services = ["apache2", "svc:/network/dns/client:default", "/etc/init.d/app"]
service_demote = 20
service_timeout = 30
[groups.db]
vhid = 43
addresses = ["192.168.0.210/24"]
password_file = "www.key"
[notify.ops]
type = "mail"
server = "mail.example.com"
security = "tls"
to = ["ops@example.com", "boss@example.com"]
from = "carpool@example.com"
user = "carpool"
secret_file = "mail.key"
on = ["master", "conflict"]
groups = ["www"]
timeout = 20
retries = 0
every = 600
[notify.chat]
type = "webhook"
url = "https://chat.example.com:8443/hooks?room=1"
headers = { X-Team = "web" }
secret_file = "chat.key"
secret_header = "Authorization"
ca_file = "/etc/ssl/ca.pem"
[notify.nagios]
type = "nrdp"
url = "https://192.0.2.7/nrdp/"
secret_file = "nrdp.key"
verify = false
host = { web1 = "web1.example.com", web2 = "web2" }
service = "CARP {group}"
[notify.local]
type = "nagios"
path = "/var/lib/nagios4/rw/nagios.cmd"
"""

S = 1_000_000_000
NRDP = 'url = "https://192.0.2.7/nrdp/"\nsecret_file = "nrdp.key"\nverify = false\n'

# code, line, key, and how GOOD is spoilt: this text, by that text.
MISTAKES = [
    ("CP101", 30, "notify.ops.evrey", "every = 600", "evrey = 600"),
    ("CP102", 18, "notify.ops.type", 'type = "mail"\n', ""),
    ("CP102", 18, "notify.ops.server", 'server = "mail.example.com"\n', ""),
    ("CP102", 31, "notify.chat.url", 'url = "https://chat.example.com:8443/hooks?room=1"\n', ""),
    ("CP102", 38, "notify.nagios.secret_file", 'secret_file = "nrdp.key"\n', ""),
    ("CP102", 45, "notify.local.path", 'path = "/var/lib/nagios4/rw/nagios.cmd"\n', ""),
    ("CP103", 22, "notify.ops.to[1]", '"boss@example.com"', "1"),
    ("CP103", 34, "notify.chat.headers", '{ X-Team = "web" }', '"X-Team: web"'),
    ("CP103", 11, "groups.www.services[1]", '"svc:/network/dns/client:default"', "7"),
    ("CP104", 28, "notify.ops.timeout", "timeout = 20", "timeout = 0"),
    ("CP104", 29, "notify.ops.retries", "retries = 0", "retries = 101"),
    ("CP104", 12, "groups.www.service_demote", "demote = 20", "demote = 255"),
    ("CP110", 34, "notify.chat.headers.X-Team", '"web"', '"a\\nb"'),
    ("CP110", 36, "notify.chat.secret_header", "Authorization", "Author ization"),
    ("CP110", 44, "notify.nagios.service", "CARP {group}", "CARP; {group}"),
    ("CP110", 43, "notify.nagios.host.web2", '"web2"', '"we=b2"'),
    ("CP110", 24, "notify.ops.user", 'user = "carpool"', 'user = "jürgen"'),
    ("CP111", 19, "notify.ops.type", '"mail"', '"email"'),
    ("CP111", 26, "notify.ops.on[1]", '"conflict"', '"conflicts"'),
    ("CP111", 21, "notify.ops.security", 'security = "tls"', 'security = "ssl"'),
    ("CP112", 26, "notify.ops.on", '["master", "conflict"]', "[]"),
    ("CP112", 27, "notify.ops.groups", '["www"]\ntimeout', "[]\ntimeout"),
    ("CP112", 22, "notify.ops.to", '["ops@example.com", "boss@example.com"]', "[]"),
    ("CP115", 20, "notify.ops.server", "mail.example.com", "mail.example.com:25"),
    ("CP201", 27, "notify.ops.groups[1]", '["www"]\ntimeout', '["www", "www"]\ntimeout'),
    ("CP201", 11, "groups.www.services[3]", '.d/app"]', '.d/app", "apache2"]'),
    ("CP206", 43, "notify.nagios.host.web3", "web2 = ", "web3 = "),
    ("CP801", 27, "notify.ops.groups[0]", '["www"]\ntimeout', '["wwww"]\ntimeout'),
    ("CP802", 28, "notify.ops.url", "timeout = 20", 'url = "http://127.0.0.1/"'),
    ("CP802", 47, "notify.local.secret_file", 'path = "/v', 'secret_file = "x"\npath = "/v'),
    ("CP803", 24, "notify.ops.user", 'secret_file = "mail.key"\n', ""),
    ("CP803", 24, "notify.ops.secret_file", 'user = "carpool"\n', ""),
    ("CP803", 35, "notify.chat.secret_header", 'secret_file = "chat.key"\n', ""),
    ("CP803", 37, "notify.chat.ca_file", "https://chat.example.com", "http://127.0.0.1"),
    ("CP804", 21, "notify.ops.security", 'security = "tls"', 'security = "none"'),
    ("CP804", 40, "notify.nagios.url", NRDP, NRDP.replace("https", "http")[:-15]),
    ("CP805", 34, "notify.chat.headers.X-Api-Key", "X-Team", "X-Api-Key"),
    ("CP806", 22, "notify.ops.to[0]", '"ops@example.com"', '"Ops <ops@example.com>"'),
    ("CP807", 33, "notify.chat.url", "chat.example.com", "me:sesame@chat.example.com"),
    ("CP807", 33, "notify.chat.url", ":8443", ":84430"),
    ("CP807", 33, "notify.chat.url", "https://chat", "ftp://chat"),
    ("CP807", 33, "notify.chat.url", "/hooks", "/ho oks"),
    ("CP808", 11, "groups.www.services[0]", '"apache2"', '"-apache2"'),
    ("CP808", 11, "groups.www.services[0]", '"apache2"', '"apache2 --now"'),
    ("CP808", 11, "groups.www.services[2]", '"/etc/init.d/app"', '"../app"'),
    ("CP810", 18, "groups.db.service_demote", "[notify.ops]", "service_demote = 1\n[notify.ops]"),
]  # fmt: skip


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


@pytest.mark.parametrize(("code", "line", "key", "old", "new"), MISTAKES)
def test_one_mistake(tmp_path: Path, code: str, line: int, key: str, old: str, new: str) -> None:
    assert GOOD.count(old) == 1
    loaded = load_text(tmp_path, GOOD.replace(old, new, 1))
    assert [(found.code, found.line, found.key) for found in loaded.findings] == [(code, line, key)]
    finding = loaded.findings[0]
    assert finding.mend
    assert str(finding).isprintable()
    assert "sesame" not in "".join(map(str, loaded.findings))
    warnings = {rule.code for rule in Rule if rule.severity is Severity.WARNING}
    assert (loaded.cluster is None) == (code not in warnings)


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


def test_every_key_belongs_to_all_types_or_to_some() -> None:
    of_some = {name for keys in TYPES.values() for name in (*keys.required, *keys.optional)}
    of_all = {"type", "on", "groups", "timeout", "retries", "every"}
    assert {field.name for field in NOTIFY.fields} == of_some | of_all
    assert not of_some & of_all


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    def toml(value: object) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
        return json.dumps(value)

    cluster = load_text(tmp_path, GOOD).cluster
    assert cluster is not None
    lines = [GOOD[: GOOD.index("[notify.ops]")]]
    for one in cluster.notifiers:
        file = "" if one.secret_file is None else one.secret_file.name
        keys = notify_keys(one, {"web1", "web2"}, {"www", "db"}, file)
        lines += [f"[notify.{one.name}]", *(f"{k} = {toml(v)}" for k, v in keys.items())]
    again = load_text(tmp_path, "\n".join(lines))
    assert again.findings == ()
    assert again.cluster is not None
    assert again.cluster.notifiers == cluster.notifiers


@settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.integers(0, GOOD.count("\n") - 1), VALUES), min_size=1, max_size=4))
def test_other_values_are_a_cluster_or_findings(
    tmp_path: Path, edits: list[tuple[int, str]]
) -> None:
    lines = GOOD.splitlines()
    for row, value in edits:
        name, equals, _ = lines[row].partition(" = ")
        lines[row] = f"{name} = {value}" if equals else lines[row]
    never_raises(tmp_path, "\n".join(lines).encode())
