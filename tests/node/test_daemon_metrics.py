"""A daemon's own page of metrics: got with curl, read by Prometheus' parser."""

import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.pair import Pair

from carpool.node.metrics_text import METRICS
from carpool.node.rundir import socket_path

pytestmark = pytest.mark.namespaces


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl_gets_what_carpool_metrics_prints(tmp_path: Path) -> None:
    groups = {
        f"g{number}": {"vhid": number, "addresses": [f"10.0.7.{number}/16"]}
        for number in range(1, 31)
    }
    with Pair(tmp_path) as lan:
        lan.run(lan.left, lan.files(groups))
        path = socket_path(lan.run_directory, "left")
        curl = ["curl", "-sSi", "--max-time", "20", "--unix-socket", str(path)]
        done = subprocess.run(
            [*curl, "http://carpool/metrics"], capture_output=True, text=True, check=True
        )
        printed = lan.carpool("metrics")
    head, _, body = done.stdout.partition("\n\n")
    assert head.splitlines()[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    found = samples(body)
    assert found.keys() == samples(printed.stdout).keys()
    names = {name for name, _ in found}
    assert {"carpool_up", "carpool_info", "carpool_interface_open"} < names
    assert names <= {f"carpool_{name}" for name in METRICS}
    labels = frozenset({("node", "left"), ("group", "g17"), ("vhid", "17")})
    assert ("carpool_master", labels) in found
    states = [
        value for (name, one), value in found.items() if name == "carpool_state" and labels < one
    ]
    assert sorted(states) == [0, 0, 1]
