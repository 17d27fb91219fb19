"""``carpool notify``: who is told of what, and a test of it without a failover."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.notify.servers import PASSWORD, TOKEN, closed_port, nrdp, web_server

FILE = """\
[nodes.web1]
address = "192.0.2.1/24"
interface = "net0"
[nodes.web2]
address = "192.0.2.2/24"
interface = "net0"
[groups.www]
vhid = 1
addresses = ["192.0.2.100/24"]
password_file = "www.key"
"""


def notify(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "carpool", "notify", str(file), "--node", "web1", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write(folder: Path, text: str) -> Path:
    for name, secret in (("www.key", "0f1e2d3c4b5a6978"), ("nrdp.key", TOKEN), ("m.key", PASSWORD)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(f"{secret}\n")
    path = folder / "cluster.toml"
    path.write_text(FILE + text)
    return path


def test_every_notifier_is_tried_and_each_result_is_told(tmp_path: Path) -> None:
    fifo = tmp_path / "nagios.cmd"
    os.mkfifo(fifo)
    with web_server(nrdp) as web, closed_port() as closed:
        file = write(
            tmp_path,
            f'[notify.nrdp]\ntype = "nrdp"\nurl = "http://127.0.0.1:{web.port}/"\n'
            'secret_file = "nrdp.key"\n'
            f'[notify.local]\ntype = "nagios"\npath = "{fifo}"\n'
            f'[notify.ops]\ntype = "mail"\nserver = "127.0.0.1"\nport = {closed}\n'
            'to = "ops@example.com"\nuser = "carpool"\nsecret_file = "m.key"\n',
        )
        done = notify(file, "--test")
        only = notify(file, "--test", "nrdp", "--json")
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert told["nrdp"].startswith(f"ok: NRDP at 127.0.0.1 port {web.port} has taken 1 result")
    assert told["local"].startswith(f"failed: {fifo}: nobody reads it; is Nagios running?")
    assert told["ops"].startswith("failed: Connection refused (")
    (result,) = json.loads(only.stdout)["results"]
    assert (only.returncode, result["notifier"], result["ok"]) == (0, "nrdp", True)
    assert b"test+from+web1" in web.requests[0].body
    assert PASSWORD not in done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_who_is_told_of_what_is_listed(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[notify.chat]\ntype = "webhook"\nurl = "https://chat.example.com/a/secret"\n'
        '[notify.ops]\ntype = "mail"\nserver = "mail"\nto = ["a@b.c", "d@e.f"]\non = ["init"]\n',
    )
    done = notify(file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "chat: a webhook of chat.example.com; on init, master, conflict, service of www",
        "ops: mail to a@b.c, d@e.f; on init of www",
    ]
    told = json.loads(notify(file, "--json", "ops").stdout)
    ops = {"notifier": "ops", "type": "mail", "whom": "mail to a@b.c, d@e.f"}
    assert told == {"notifiers": [{**ops, "on": ["init"], "groups": ["www"]}]}


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("", (), "node web1 tells nobody; add a table [notify.NAME]"),
        (
            '[notify.a]\ntype = "nagios"\npath = "/x"\n',
            ("b",),
            "has no notifier 'b'; choose from a",
        ),
        ('[notify.a]\ntype = "nagios"\n', (), "1 error; nobody was told"),
        (
            '[notify.a]\ntype = "nrdp"\nurl = "https://x/"\nsecret_file = "no.key"\n',
            ("--test",),
            "the password file does not exist",
        ),
    ],
)
def test_what_cannot_be_done(tmp_path: Path, text: str, words: tuple[str, ...], said: str) -> None:
    done = notify(write(tmp_path, text), *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[notify.a]\ntype = "nrdp"\nurl = "https://x/"\nsecret_file = "nrdp.key"\n',
    )
    (tmp_path / "nrdp.key").chmod(0o644)
    done = notify(file, "--test")
    assert done.returncode == 2
    assert "every user may access it (mode 644); run: chmod 600" in done.stderr
    assert TOKEN not in done.stderr


def test_what_a_server_says_does_nothing_to_the_terminal(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 500 no\x1b[31m\r\nContent-Length: 0\r\n\r\n")

        server = threading.Thread(target=answer)
        server.start()
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        file = write(tmp_path, f'[notify.chat]\ntype = "webhook"\nurl = "{url}"\n')
        done = notify(file, "--test")
        server.join()
    assert "HTTP 500 no\\x1b[31m" in done.stdout
