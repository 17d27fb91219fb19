"""``carpool manifest``: options, questions, every answer checked, and --check."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from carpool.cli.manifest import main
from carpool.smartos.manifest_check import check
from carpool.smartos.manifest_form import ITEMS, AnswerError, Kind

DTD = Path(__file__).parent.parent / "smartos" / "data" / "service_bundle.dtd.1"
BASIC = ["--name", "httpd", "--common-name", "Web server", "--start", "/usr/sbin/httpd"]
ALL = [
    *BASIC,
    *("--category", "network/web"),
    *("--service-version", "2"),
    *("--description", "Serves <pages> & more."),
    *("--instance", "blue"),
    *("--config-file", "/etc/httpd.conf"),
    *("--stop", "/usr/sbin/httpd -k stop"),
    *("--refresh", ":kill -HUP"),
    *("--start-timeout", "0"),
    *("--stop-timeout", "90"),
    *("--refresh-timeout", "30"),
    *("--model", "wait"),
    *("--ignore-error", "core"),
    "--no-network",
    "--no-filesystem",
    *("--depend", "svc:/network/ntp,name=clock,grouping=optional_all,restart_on=refresh"),
    *("--depend", "/etc/mime.types"),
    *("--dependent", "svc:/milestone/multi-user,grouping=optional_all"),
    *("--user", "webservd"),
    *("--group", "webservd"),
    *("--privileges", "basic,net_privaddr,!proc_info"),
    *("--working-directory", "/var/tmp"),
    *("--env", "LANG=C"),
    *("--env", "EMPTY="),
    *("--property", "config/port=count:80"),
    *("--property", "config/port=count:443"),
    *("--property", "config/title=a: b"),
    "--enabled",
]


def make(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """Return the root of the manifest, which the DTD and our own check must take."""
    etree = pytest.importorskip("lxml.etree")
    assert main(arguments) == 0
    text = capsys.readouterr().out
    with DTD.open("rb") as file:
        dtd = etree.DTD(file)
    root = etree.fromstring(text.encode())
    assert dtd.validate(root), dtd.error_log
    assert check(text) == ()
    return root


def test_what_must_be_said_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    service = make(BASIC, capsys).find("service")
    assert dict(service.attrib) == {"name": "site/httpd", "type": "service", "version": "1"}
    assert service.find("create_default_instance").get("enabled") == "false"
    assert [m.get("exec") for m in service.iter("exec_method")] == ["/usr/sbin/httpd", ":kill"]
    assert [d.get("name") for d in service.iter("dependency")] == ["network", "filesystem"]
    assert service.find("method_context") is None


def test_everything_that_can_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    service = make(ALL, capsys).find("service")
    assert service.get("name") == "network/web/httpd"
    assert dict(service.find("instance").attrib) == {"name": "blue", "enabled": "true"}
    methods = {
        m.get("name"): (m.get("exec"), m.get("timeout_seconds"))
        for m in service.iter("exec_method")
    }
    assert methods == {
        "start": ("/usr/sbin/httpd", "0"),
        "stop": ("/usr/sbin/httpd -k stop", "90"),
        "refresh": (":kill -HUP", "30"),
    }
    depends = [
        (d.get("name"), d.get("type"), d.get("grouping"), d.get("restart_on"), d[0].get("value"))
        for d in service.iter("dependency")
    ]
    assert depends == [
        ("config_file", "path", "require_all", "none", "file://localhost/etc/httpd.conf"),
        ("clock", "service", "optional_all", "refresh", "svc:/network/ntp"),
        ("etc_mime_types", "path", "require_all", "none", "file://localhost/etc/mime.types"),
    ]
    assert service.find("dependent").get("name") == "network_web_httpd"
    assert dict(service.find("method_context/method_credential").attrib) == {
        "user": "webservd",
        "group": "webservd",
        "privileges": "basic,net_privaddr,!proc_info",
    }
    assert service.find("method_context").get("working_directory") == "/var/tmp"
    variables = [(v.get("name"), v.get("value")) for v in service.iter("envvar")]
    assert variables == [("LANG", "C"), ("EMPTY", "")]
    values = {p.get("name"): (p.get("type"), p.get("value")) for p in service.iter("propval")}
    assert values == {
        "duration": ("astring", "child"),
        "ignore_error": ("astring", "core"),
        "config_file": ("astring", "/etc/httpd.conf"),
        "title": ("astring", "a: b"),
    }
    assert [v.get("value") for v in service.iter("value_node")] == ["80", "443"]


WRONG = {
    "category": ("--category", "9web", "not a name of SMF"),
    "name": ("--name", "web server", "not a name of SMF"),
    "version": ("--service-version", "1.2", "not a version"),
    "common name": ("--common-name", " ", "is empty"),
    "instance": ("--instance", "a/b", "has a slash"),
    "config file": ("--config-file", "httpd.conf", "not an absolute path"),
    "start": ("--start", "httpd", "not an absolute path"),
    "start kills": ("--start", ":kill", "starting cannot be killing"),
    "token": ("--start", "/bin/d %q", "no token of a method"),
    "stop": ("--stop", ":kill -NINE", "is no method"),
    "timeout": ("--stop-timeout", "1m", "not a number of seconds"),
    "model": ("--model", "daemon", "is not a duration"),
    "ignore": ("--ignore-error", "exit", "use core, signal"),
    "depend": ("--depend", "network/ntp", "svc:/network/ntp"),
    "depend word": ("--depend", "svc:/network/ntp,group=x", "add only name=, grouping="),
    "grouping": ("--depend", "svc:/network/ntp,grouping=require_al", "did you mean require_all?"),
    "restart": ("--depend", "svc:/network/ntp,restart_on=never", "not a value of restart_on"),
    "dependent": ("--dependent", "/etc/passwd", "not the FMRI of a service"),
    "user": ("--user", "web servd", "not the name or number of a user"),
    "group": ("--group", "", "not the name or number of a group"),
    "privileges": ("--privileges", "basic,net_privadr", "did you mean net_privaddr?"),
    "directory": ("--working-directory", "tmp", "not an absolute path"),
    "env": ("--env", "LANG", "has no value"),
    "env name": ("--env", "1A=b", "not the name of a variable"),
    "property": ("--property", "port=80", "is no property"),
    "property type": ("--property", "a/b=cuont:80", "did you mean count?"),
    "property value": ("--property", "a/b=count:many", "not a whole number"),
    "control characters": ("--description", "a\0b", "control characters"),
    "lone surrogate": ("--description", "a\udc80b", "control characters"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    option, value, message = WRONG[case]
    assert main([*BASIC, option, value]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"carpool manifest: {option}: ")
    assert message in said.err


def test_all_mistakes_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--user", "a b", "--model", "x", "--privileges", "y"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert main(["--user", "root"]) == 2
    said = capsys.readouterr().err
    assert [line.split()[2] for line in said.splitlines()] == ["--name", "--common-name", "--start"]


def test_answers_that_do_not_fit_together(capsys: pytest.CaptureFixture[str]) -> None:
    twice = ["--property", "a/b=count:1", "--property", "a/b=2"]
    assert main([*BASIC, *twice]) == 2
    assert "of type count and of type astring" in capsys.readouterr().err
    assert main([*BASIC, "--depend", "svc:/a/b,name=network"]) == 2
    assert "share their names" in capsys.readouterr().err
    assert main([*BASIC[:-1], "/bin/d %{config/port}"]) == 2
    assert "no property port" in capsys.readouterr().err


def ask(text: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str] | None = None) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return main(["--ask", *(arguments or [])])


def test_questions(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers = {
        "name": "httpd",
        "common-name": "Web server",
        "start": "/usr/sbin/httpd",
        "privileges": "basic,net_privaddr",
        "depend": "svc:/network/ntp\nsvc:/network/dns/client\n",
    }
    idle = ("instance", "refresh-timeout")
    text = "".join(f"{answers.get(item.name, '')}\n" for item in ITEMS if item.name not in idle)
    assert ask(text, monkeypatch) == 0
    said = capsys.readouterr()
    assert check(said.out) == ()
    assert 'name="network_dns_client"' in said.out
    assert said.err.count(": ") >= len(ITEMS) - len(idle)


def test_a_wrong_answer_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {"name": "\n9\nhttpd", "network": "maybe\nno"}
    given = ["--common-name", "Web", "--start", "/usr/sbin/httpd"]
    asked = [
        i.name
        for i in ITEMS
        if i.name not in ("common-name", "start", "instance", "refresh-timeout")
    ]
    text = "".join(f"{answers.get(name, '')}\n" for name in asked)
    assert ask(text, monkeypatch, given) == 0
    said = capsys.readouterr()
    assert "this one needs an answer" in said.err
    assert "'9' is not a name of SMF" in said.err
    assert "'maybe' is neither yes nor no" in said.err
    assert "milestone/network" not in said.out


def test_questions_cut_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("network\n", monkeypatch) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "nothing was made" in said.err


def test_examples_and_defaults_are_good_answers() -> None:
    for item in ITEMS:
        for text in filter(None, (item.example, item.default)):
            item.read(text)


def test_readers_refuse_in_words() -> None:
    for item in ITEMS:
        if item.kind is not Kind.YES_NO:
            with pytest.raises(AnswerError):
                item.read("\0")


def test_output_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "httpd.xml"
    assert main([*BASIC, "-o", str(path)]) == 0
    assert capsys.readouterr().out == ""
    assert check(path.read_text()) == ()
    assert main(["--check", str(path)]) == 0
    assert main([*BASIC, "-o", str(tmp_path / "no" / "httpd.xml")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "httpd.xml"
    main([*BASIC, "-o", str(path)])
    text = path.read_text()
    path.write_text(text.replace("contract", "contrct"))
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "contract" in row)
    assert main(["--check", str(path), str(tmp_path / "none.xml")]) == 2
    said = capsys.readouterr().out
    assert said.startswith(f"{path}:{line}: startd/duration: 'contrct' is not a duration")
    assert "none.xml: No such file or directory" in said
