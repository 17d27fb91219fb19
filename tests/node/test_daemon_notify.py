"""Daemons that tell people and programs what happens, and are held up by none of them."""

import json
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.notify.servers import (
    PASSWORD,
    USER,
    MailServer,
    WebServer,
    free_port,
    mail_server,
    make_certificates,
    odd_server,
    text_of,
    web_server,
)
from tests.support.lan import carpool
from tests.support.pair import DOWN_TIME, MARGIN, Pair
from tests.support.waiting import PATIENCE

from carpool.cluster.toml_writing import toml_line

pytestmark = pytest.mark.namespaces

SERVER = "10.0.9.9"


class Told(Pair):
    """A pair whose nodes tell a mail server and a web server in the zone of the client."""

    mail: MailServer
    web: WebServer

    def __enter__(self) -> "Told":
        super().__enter__()
        made = make_certificates(self.folder, SERVER)
        self.ca_file = str(made.ca_file)
        self.servers = ExitStack()
        self._stack.callback(self.servers.close)
        with self.client.namespace.entered():
            enter = self.servers.enter_context
            self.mail = enter(mail_server("starttls", made.server, host=SERVER))
            self.web = enter(web_server(host=SERVER))
            self.hangs = enter(odd_server(lambda _: time.sleep(60), SERVER))
        secret = self.folder / "mail.key"
        secret.touch(mode=0o600)
        secret.write_text(f"{PASSWORD}\n")
        return self

    def told(self, notifiers: Mapping[str, Mapping[str, object]], **keys: object) -> Path:
        """Write the cluster file with these notifiers."""
        file = self.file(**keys)
        lines = [file.read_text()]
        for name, values in notifiers.items():
            lines += [f"[notify.{name}]", *(toml_line(key, value) for key, value in values.items())]
        file.write_text("\n".join(lines) + "\n")
        return file

    def all_three(self) -> dict[str, dict[str, object]]:
        """Return a mail, a webhook, and a webhook that hangs."""
        return {
            "ops": {
                "type": "mail",
                "server": SERVER,
                "port": self.mail.port,
                "to": ["ops@example.com"],
                "user": USER,
                "secret_file": "mail.key",
                "ca_file": self.ca_file,
            },
            "chat": {
                "type": "webhook",
                "url": f"http://{SERVER}:{self.web.port}/",
                "on": ["master", "backup"],
            },
            "stuck": {
                "type": "webhook",
                "url": f"http://{SERVER}:{self.hangs}/",
                "timeout": 60,
            },
        }

    def posted(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.web.requests]


def test_who_takes_over_from_a_dead_master_says_so_and_is_held_up_by_nobody(tmp_path: Path) -> None:
    with Told(tmp_path) as lan:
        file = lan.told(lan.all_three())
        left = lan.run(lan.left, file)
        lan.until_holders("left")
        right = lan.run(lan.right, file)
        lan.until(lambda: len(lan.mail.mails) == 1, what="left has told that it is master")
        killed = time.monotonic()
        left.process.kill()
        lan.until_holders("right", seconds=DOWN_TIME + MARGIN)
        assert time.monotonic() - killed > DOWN_TIME / 2
        lan.until(lambda: len(lan.mail.mails) == 2, what="right has told")
        lan.until(lambda: "MASTER" in [one["details"]["to"] for one in lan.posted()[-1:]])

        mail = lan.mail.mails[1]
        assert mail["Subject"] == "[carpool] www: right is MASTER now (10.0.0.100)"
        text = text_of(mail)
        assert "right holds the addresses of group www: it is MASTER since 20" in text
        assert "Addresses:  10.0.0.100/16" in text
        assert "Why:        no master heard for" in text
        assert "Before:     10.0.0.9 [left] was master, right was BACKUP" in text
        event = lan.posted()[-1]
        assert (event["node"], event["group"], event["kind"]) == ("right", "www", "state")
        assert event["text"].startswith("www: Switching to state: MASTER - no master heard")
        assert event["now"]["state"] == "MASTER"
        for notifier in ("ops", "chat"):
            lan.until_logged(right, f"notify {notifier}: 1 event told: ")
        told = lan.start(lan.right, carpool("events", "--json", "--node", "right"))
        told.process.wait()
        kinds = [
            one for one in map(json.loads, told.text().splitlines()) if one["kind"] == "notify"
        ]
        assert {one["details"]["outcome"] for one in kinds} == {"told"}
        log = left.text() + right.text()
        assert PASSWORD not in log
        # It is still being told, and the daemon ends all the same.
        assert "notify stuck" not in log
        assert right.stop() == 0


def test_what_could_not_be_told_is_told_by_the_program_after_a_restart(tmp_path: Path) -> None:
    with Told(tmp_path) as lan:
        with lan.client.namespace.entered():
            port = free_port(SERVER)
        file = lan.told({"chat": {"type": "webhook", "url": f"http://{SERVER}:{port}/"}})
        left = lan.run(lan.left, file)
        lan.until_logged(left, "notify chat: Connection refused; trying again in 5 s")
        with lan.client.namespace.entered(), web_server(host=SERVER, port=port) as web:
            said = lan.carpool("restart", "--force")
            assert said.returncode == 0, said.stderr
            lan.until_logged(left, f"notify chat: 1 event told: {SERVER} port {port} has taken it")
        # Twice, if the old program's next try was under way just then.
        event = json.loads(web.requests[0].body)
        assert (event["group"], event["details"]["to"]) == ("www", "MASTER")


def test_services_go_where_the_address_goes_and_it_waits_for_none(tmp_path: Path) -> None:
    script = tmp_path / "app"
    script.write_text(
        f'#!/bin/sh\necho "$1" >>{tmp_path}/done\n'
        f"while [ -e {tmp_path}/hang.$1 ]; do sleep 0.02; done\n"
    )
    script.chmod(0o755)
    with Pair(tmp_path) as lan:
        file = lan.file(services=[str(script)])
        left = lan.run(lan.left, file)
        lan.until_logged(left, f"www: services: started: {script}")
        assert (tmp_path / "done").read_text().split() == ["stop", "start"]
        right = lan.run(lan.right, file)
        lan.until_logged(right, "www: stop of")

        (tmp_path / "hang.start").touch()
        left.process.kill()
        lan.until_holders("right", seconds=DOWN_TIME + MARGIN)
        lan.until_logged(right, "www: start of")
        assert "services: started" not in right.text()
        (tmp_path / "hang.start").unlink()
        lan.until_logged(right, "www: services: started")

        # And when it leaves: the other one has the address while the service is still ending.
        left = lan.run(lan.left, file)
        (tmp_path / "hang.stop").touch()
        right.send(signal.SIGTERM)
        lan.until_holders("left", seconds=MARGIN)
        assert right.process.poll() is None
        (tmp_path / "hang.stop").unlink()
        assert right.process.wait(PATIENCE) == 0
        lan.until_logged(left, "www: services: started")


def test_a_reload_starts_what_is_new_and_stops_what_is_gone(tmp_path: Path) -> None:
    def script(name: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho {name} $1 >>{tmp_path}/done\n")
        path.chmod(0o755)
        return str(path)

    old, both, new = map(script, ("old", "both", "new"))
    with Pair(tmp_path) as lan:
        left = lan.run(lan.left, lan.file(advbase=2, services=[old, both]))
        lan.until_logged(left, "www: services: started")
        begun = (tmp_path / "done").read_text()

        lan.file(advbase=2, services=[both, new])
        said = lan.carpool("reload")
        assert said.returncode == 0, said.stderr
        lan.until_logged(left, f"www: services: started: {both}, {new}")
        lan.file(advbase=2)
        said = lan.carpool("reload")
        assert said.returncode == 0, said.stderr
        lan.until(lambda: "both stop" in (tmp_path / "done").read_text().removeprefix(begun))
        after = (tmp_path / "done").read_text().removeprefix(begun)
        assert after.splitlines() == ["old stop", "new start", "new stop", "both stop"]
        assert left.text().count("Switching to state: MASTER") == 1
