"""When `carpool lab` begins to take commands; needs no namespaces."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from tests.support.cluster_files import LEFT_AND_RIGHT, cluster_of

from carpool.lab import prompt
from carpool.lab.shell import Shell


@pytest.mark.parametrize(
    ("holders", "states", "has"),
    [
        ([], {}, False),
        (["left"], {}, False),
        (["left"], {"www": "BACKUP"}, False),
        (["left"], {"www": "MASTER"}, True),
        (["left", "right"], {"www": "MASTER"}, False),
    ],
)
def test_it_waits_for_a_master_that_has_said_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    holders: list[str],
    states: dict[str, str],
    has: bool,
) -> None:
    """A daemon logs its state after it has taken the address: a fault may come between."""
    waited: list[bool] = []
    monkeypatch.setattr(prompt, "until", lambda condition, _seconds: waited.append(condition()))
    lab = SimpleNamespace(
        nodes=["left", "right"],
        cluster=cluster_of(tmp_path, LEFT_AND_RIGHT),
        start=lambda _name: None,
        holders=lambda _group: holders,
        states=lambda _name: states,
    )
    shell = SimpleNamespace(lab=lab, probes=[])
    assert prompt._start(cast("Shell", shell))
    assert waited == [has]
