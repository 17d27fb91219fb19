"""``carpool web``: what it refuses to begin with, and how it tells."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from carpool.cli import web

TOKEN = "0123456789abcdef"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert web.main(list(arguments)) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("library", ["starlette", "uvicorn", "jinja2"])
def test_without_the_extra_it_says_what_to_install(
    library: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    said = refused(capsys)
    mend = "run in a checkout of carpool: pip install '.[web]'"
    assert said == f"carpool web: {library} is not installed; {mend}\n"


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(capsys, "--listen", f"127.0.0.1:{port}")
    assert f"cannot listen on 127.0.0.1 port {port}: " in said
    assert "--listen" in said


@pytest.mark.parametrize(
    ("content", "mode", "text"),
    [
        (TOKEN, 0o644, "others may read it; run: chmod 600"),
        (TOKEN, 0o640, "others may read it; run: chmod 600"),
        ("short", 0o600, "a token has 16 characters at least"),
        ("", 0o600, "a token has 16 characters at least"),
        ("geheimnis äöü " * 2, 0o600, "a token is plain ASCII text"),
        (None, 0, "No such file"),
    ],
)
def test_a_token_file_that_will_not_do(
    content: str | None, mode: int, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "web.token"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    said = refused(capsys, "--token-file", str(path))
    assert f"{path}: " in said
    assert text in said
    assert not content or content not in said


def test_a_token_of_the_environment_leaves_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARPOOL_WEB_TOKEN", "short")
    assert "CARPOOL_WEB_TOKEN: a token has 16 characters" in refused(capsys)
    assert "CARPOOL_WEB_TOKEN" not in os.environ


def test_a_token_of_the_environment_that_is_no_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARPOOL_WEB_TOKEN", "\udcff" * 20)
    assert "CARPOOL_WEB_TOKEN: a token is plain ASCII text" in refused(capsys)


@pytest.mark.parametrize("address", ["somewhere", "127.0.0.1:99999", "127.0.0.1:x", ""])
def test_an_address_that_is_none(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        web.main(["--listen", address])
    assert caught.value.code == 2
    assert "--listen" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0", ("0.0.0.0", 8112)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("::1", ("::1", 8112)),
        ("[::1]", ("::1", 8112)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert web.parser().parse_args(["--listen", text]).listen == address


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]:80"])
def test_every_address_needs_a_name(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "say with --host by which name" in refused(capsys, "--listen", address)


def test_mistakes_in_the_cluster_file_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text("[groups.www]\nvhid = 300\n")
    said = refused(capsys, str(file))
    assert f"{file}:2:" in said
    assert "mend the errors above" in said
