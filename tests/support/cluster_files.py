"""Cluster files without a mistake, as their model."""

from pathlib import Path

from carpool.cluster.load import load
from carpool.cluster.model import Cluster

LEFT_AND_RIGHT = """\
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
"""


def cluster_at(path: Path, *, secrets: bool = False) -> Cluster:
    """Load a file, with its `secrets` or without them; fail if it has an error."""
    loaded = load(path, secrets=secrets)
    assert loaded.cluster is not None, loaded.findings
    return loaded.cluster


def cluster_of(folder: Path, text: str) -> Cluster:
    """Write a cluster file into a folder and load it; fail if it has an error."""
    path = folder / "cluster.toml"
    path.write_text(text, encoding="utf-8")
    return cluster_at(path)
