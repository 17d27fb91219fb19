"""The fast profile in a cluster file, and what a loss of frames does to a group."""

import random
from pathlib import Path

import pytest
from tests.support.cluster_files import cluster_at

from carpool.carp.timing import TICK
from carpool.cli.check import main
from carpool.cluster.inputs import check_files
from carpool.cluster.load import load
from carpool.cluster.loss_rules import enough_dead_ratio, failovers_per_day
from carpool.cluster.model import Group
from carpool.node.plan import plan

NODES = """\
[nodes.a]
address = "10.0.0.1/24"
interface = "net0"
[nodes.b]
address = "10.0.0.2/24"
interface = "net0"
weight = 50
realtime = false
[groups.www]
vhid = 1
addresses = ["10.0.0.200/24"]
password_file = "www.key"
"""


def written(tmp_path: Path, keys: str) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(NODES + keys)
    (tmp_path / "www.key").write_text("0f1e2d3c4b5a6978")
    (tmp_path / "www.key").chmod(0o600)
    return path


def group(tmp_path: Path, keys: str) -> Group:
    loaded = load(written(tmp_path, keys))
    assert loaded.findings == ()
    assert loaded.cluster is not None
    return loaded.cluster.groups[0]


@pytest.mark.parametrize(
    ("keys", "advskew"),
    [
        ("", 1),
        ('interval = "4ms"', 1),
        ('interval = "10 ms"', 3),
        ('interval = "20ms"', 5),
        ('interval = "0.5s"', 128),
        ('interval = "996ms"', 255),
        ("advbase = 0\nadvskew = 7", 7),
    ],
)
def test_all_nodes_of_a_fast_group_have_one_interval(
    tmp_path: Path, keys: str, advskew: int
) -> None:
    www = group(tmp_path, f'profile = "fast"\n{keys}\n')
    assert www.advbase == 0
    assert [(member.node, member.advskew) for member in www.members] == [
        ("a", advskew),
        ("b", advskew),
    ]


def test_nodes_of_a_fast_group_may_have_their_own(tmp_path: Path) -> None:
    www = group(tmp_path, 'profile = "fast"\nadvskew = { b = 2 }\npreempt = true\n')
    assert [member.advskew for member in www.members] == [1, 2]


def test_the_daemon_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, 'profile = "fast"\ninterval = "20ms"\non_late = "refuse"\n')
    cluster = cluster_at(path, secrets=True)
    node = cluster.node("a")
    assert node is not None
    (settings,) = plan(cluster, node)
    assert settings.carp.fast
    assert settings.refuse_if_late
    assert settings.shortest_patience == 15 * TICK
    assert [node.realtime for node in cluster.nodes] == [True, False]


def test_a_standard_group_is_not_fast(tmp_path: Path) -> None:
    www = group(tmp_path, "")
    assert (www.profile, www.advbase) == ("standard", 1)
    assert not www.carp_settings(www.members[0], b"x").fast


# Loss.


@pytest.mark.parametrize(
    ("loss", "advskews", "enough"),
    [
        (0.01, [1, 1], 5),
        (0.1, [1, 1], 9),
        (0.3, [1, 1], 16),
        (0.1, [5, 5], 8),
        (0.1, [1, 1, 1], 9),
        (0.9, [1, 1], 162),
    ],
)
def test_enough_is_the_least_that_is_enough(loss: float, advskews: list[int], enough: int) -> None:
    assert enough_dead_ratio(0, advskews, loss, fast=True) == enough
    assert failovers_per_day(0, advskews, enough, loss, fast=True) < 1
    assert failovers_per_day(0, advskews, enough - 1, loss, fast=True) >= 1


def test_nothing_is_enough_for_a_network_that_loses_nearly_all() -> None:
    assert enough_dead_ratio(0, [1, 1], 0.99, fast=True) is None


def test_the_sum_agrees_with_a_walk_through_lost_frames() -> None:
    rng, lost, failovers = random.Random(1), 0, 0
    adverts = 400_000
    for _ in range(adverts):
        lost = lost + 1 if rng.random() < 0.3 else 0
        if lost == 3:
            failovers, lost = failovers + 1, 0
    seen = failovers / adverts * 256 * 86_400
    # Rows of four count once here, and begin twice in the sum.
    assert 0.6 < seen / failovers_per_day(0, [1, 1], 4, 0.3, fast=True) < 1


def test_the_defaults_of_carp_with_a_tenth_lost() -> None:
    # Of a master that is the slower one two advertisements have to be lost, 276/256 s apart.
    rate = failovers_per_day(1, [0, 20], 3, 0.1, fast=False)
    assert rate == pytest.approx(0.01 * 86_400 * 256 / 276)


def test_check_tells_what_bears_the_loss(tmp_path: Path) -> None:
    path = written(tmp_path, 'profile = "fast"\ndead_ratio = 3\n')
    assert check_files([path]) == []
    (finding,) = check_files([path], loss=0.1)
    assert (finding.code, finding.line) == ("CP226", 14)
    assert finding.mend == "use dead_ratio = 9, with which a dead master is noticed in 0.035 s"
    path.write_text(path.read_text().replace("dead_ratio = 3", "dead_ratio = 9"))
    assert check_files([path], loss=0.1) == []


def test_the_loss_is_a_percentage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, 'profile = "fast"\n')
    assert main(["--strict", "--loss", "10%", str(path)]) == 1
    assert "dead_ratio = 9" in capsys.readouterr().out
    for nonsense in ("ten", "-1", "91", "nan"):
        with pytest.raises(SystemExit):
            main(["--loss", nonsense, str(path)])
