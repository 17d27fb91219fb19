"""What `make systemd` tries: that it fits what is rendered today, without any systemd."""

from pathlib import Path

from tools.systemd.__main__ import PLACES
from tools.systemd.checks import CHECKS, CLUSTER

from carpool.cluster.load import load
from carpool.cluster.secrets import read_secrets
from carpool.smartos.files import files


def test_the_machines_get_all_that_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(CLUSTER)
    (tmp_path / "www.key").touch(0o600)
    (tmp_path / "www.key").write_text("a password\n")
    loaded = load(tmp_path / "cluster.toml")
    assert loaded.cluster is not None, loaded.findings
    assert not loaded.findings
    for node in loaded.cluster.nodes:
        rendered = {file.name for file in files(loaded.cluster, node, read_secrets(loaded.cluster))}
        assert rendered == {"cluster.toml", "www.pw", *PLACES}


def test_each_promise_is_tried_once() -> None:
    assert len({tried for _, tried in CHECKS}) == len({text for text, _ in CHECKS}) == len(CHECKS)
