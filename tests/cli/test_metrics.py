"""``carpool metrics``: held against the parser of Prometheus' own Python client."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.status import document, group, peer

from carpool.cli import metrics
from carpool.cli.whole_file import refuse_what_is_no_file, write_whole
from carpool.node.metrics_text import metrics_text

MONITORING = Path(__file__).parents[2] / "examples" / "monitoring"
BUSY = document(
    group(
        "www",
        "MASTER",
        vhid=42,
        transitions=3,
        demotion=0,
        interval=1.0,
        master_down_time=3.0,
        rejected={"authentication": 12, "replay": 1},
        script={"name": "www up", "seconds": 2.5},
    ),
    group('odd "name"\\', "BACKUP", vhid=43, peers=[peer()]),
    log_lines_lost=7,
    checks=[{"check": "web", "health": "bad", "health_seconds": 1.0, "problem": "no"}],
    interfaces=[{"interface": "net0", "open": True, "rejected": {"vhid": 7}, "strangers": [{}]}],
    punctuality={"worst_recent_seconds": 0.0031, "groups": [{"group": "www", "raised": True}]},
)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_what_is_meant() -> None:
    found = samples(metrics_text([BUSY], ["web2"]))
    www = {"node": "web1", "group": "www", "vhid": "42"}
    assert found["carpool_log_lines_lost_total", (("node", "web1"),)] == 7

    def value(name: str, **labels: str) -> float:
        return found[f"carpool_{name}", tuple(sorted(labels.items()))]

    assert value("up", node="web1") == 1
    assert value("up", node="web2") == 0
    assert value("master", **www) == 1
    assert value("state", **www, state="MASTER") == 1
    assert value("state", **www, state="BACKUP") == 0
    assert value("transitions_total", **www) == 3
    assert value("group_rejected_total", **www, reason="authentication") == 12
    assert value("script_seconds", **www) == 2.5
    odd = {"node": "web1", "group": 'odd "name"\\', "vhid": "43"}
    assert value("master", **odd) == 0
    assert value("heard_seconds", **odd, peer="10.0.0.9") == 0.42
    assert value("check_health", node="web1", check="web", health="bad") == 1
    assert value("interface_rejected_total", node="web1", interface="net0", reason="vhid") == 7
    assert value("strangers", node="web1", interface="net0") == 1
    assert value("lateness_seconds", node="web1") == 0.0031
    assert value("interval_raised", node="web1", group="www") == 1


def test_every_metric_is_explained_once_and_counters_end_in_total() -> None:
    text = metrics_text([BUSY, document(node="web9")], [])
    names = re.findall(r"^# HELP (\S+) .+\.$", text, re.MULTILINE)
    assert names == re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(names) == len(set(names))
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)", text, re.MULTILINE):
        assert name.endswith("_total") == (kind == "counter")


def test_the_rules_and_the_dashboard_name_metrics_that_there_are() -> None:
    known = set(re.findall(r"^# TYPE (\S+)", metrics_text([BUSY]), re.MULTILINE))
    rules = (MONITORING / "alerts.yml").read_text()
    board = (MONITORING / "grafana.json").read_text()
    for text in (rules, board):
        used = set(re.findall(r"\bcarpool_[a-z_]+", text))
        assert used
        assert used <= known
    assert all(panel["targets"] for panel in json.loads(board)["panels"])
    wanted = ("NoMaster", "TwoMasters", "Flapping", "NotAuthentic", "CheckBad", "TooSlow", "Down")
    for alert in wanted:
        assert f"alert: Carpool{alert}" in rules


@contextmanager
def serving(run_directory: Path) -> Iterator[str]:
    command = [sys.executable, "-P", "-m", "carpool", "metrics", "--listen", "127.0.0.1:0"]
    command += ["--run-dir", str(run_directory)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            yield server.stderr.readline().removeprefix("serving ").strip()
        finally:
            server.send_signal(signal.SIGINT)


def test_serving(tmp_path: Path) -> None:
    # The socket of a daemon that was killed.
    (tmp_path / "web1.sock").touch()
    with serving(tmp_path) as url:
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url.replace("/metrics", "/other"), timeout=10)
    list(text_string_to_metric_families(text))


def test_a_client_that_says_little_by_little_keeps_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "_SECONDS_PER_CLIENT", 0.3)
    options = metrics.parser().parse_args(["--run-dir", "/nonexistent"])
    with metrics._Server(("127.0.0.1", 0), options) as server:
        served = Thread(target=server.handle_request, daemon=True)
        with socket.create_connection(("127.0.0.1", server.server_port)) as slow:
            served.start()
            deadline = time.monotonic() + 20
            while served.is_alive() and time.monotonic() < deadline:
                with suppress(OSError):
                    slow.send(b"G")
                served.join(0.05)
        assert not served.is_alive()


def test_a_file_is_replaced_whole_and_can_be_read_by_the_collector(tmp_path: Path) -> None:
    target = tmp_path / "carpool.prom"
    target.write_text("old")
    write_whole(target, [b"new\n"], 0o644)
    assert target.read_text() == "new\n"
    assert target.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["carpool.prom"]


def test_a_file_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "no" / "carpool.prom"
    assert metrics.main(["--output", str(target), "--run-dir", str(tmp_path)]) == 2
    assert f"cannot write {target}: No such file or directory" in capsys.readouterr().err


def test_a_device_or_a_link_stays_what_it_is(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to("/dev/null")
    os.mkfifo(pipe)
    for target in (link, pipe, tmp_path):
        with pytest.raises(OSError, match=r"is not a file|Is a directory"):
            refuse_what_is_no_file(target)
    assert link.is_symlink()
    assert pipe.is_fifo()


def test_no_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert metrics.main(["--run-dir", str(tmp_path)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "no daemon has a socket" in err
