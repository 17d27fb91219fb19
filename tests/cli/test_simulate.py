"""`carpool simulate`: what each fault would cost a cluster."""

import json
from pathlib import Path

import pytest
from tests.support.cluster_files import cluster_at

from carpool.carp.timing import SECOND, TICK
from carpool.cli.simulate import main
from carpool.sim.outage import BLOWS, Cost, costs

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
MS = SECOND // 1000


def costs_of(example: str, runs: int = 3) -> dict[tuple[str, str], Cost]:
    cluster = cluster_at(EXAMPLES / example)
    return {
        (cost.group, cost.fault): cost
        for group in cluster.groups
        for cost in costs(group, cluster, runs=runs, seed=1)
    }


def test_each_fault_costs_what_the_election_promises() -> None:
    found = costs_of("two-zones.toml")
    patience = 3 * SECOND + 100 * TICK
    for (_, fault), cost in found.items():
        assert cost.successors == ("web2",)
        assert cost.worst is not None
        if fault in ("clean stop", "told to yield"):
            assert 0 < cost.worst < 12 * MS
        elif fault == "daemon killed":  # Its kernel keeps the address for two seconds.
            assert cost.worst < patience - 2 * SECOND + MS
        else:
            assert patience - SECOND < cost.worst <= patience + MS
        assert max(cost.returns) == 0
        assert max(cost.shared) <= (2 * SECOND if "switch" in fault else 0)
    assert {fault for _, fault in found} == {blow.name for blow in BLOWS}


def test_groups_on_the_same_nodes_are_told_apart() -> None:
    found = costs_of("many.toml", runs=1)
    assert found["odd", "node crashed"].successors == ("right",)
    assert found["even", "node crashed"].successors == ("left",)
    assert found["odd", "told to yield"].successors == ("right",)


def test_the_table_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(EXAMPLES / "two-zones.toml"), "--runs", "2", "--seed", "5"]
    assert main(arguments) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["group", "fault", "outage"]
    assert len(rows) == len(BLOWS)
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["seed"]) == (2, 5)
    for row, fault in zip(rows, told["faults"], strict=True):
        assert row.startswith(f"www    {fault['fault']}")
        assert fault["successors"] == ["web2"]
        shown = f"{fault['outage_ms'] / 1000:.2f} s" if fault["outage_ms"] >= 1000 else None
        assert (shown or f"{fault['outage_ms']:.1f} ms") in row


def test_one_seed_is_one_result() -> None:
    assert costs_of("two-zones.toml", runs=1) == costs_of("two-zones.toml", runs=1)


def test_a_file_with_mistakes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text("[nodes.a]\n")
    assert main([str(path)]) == 2
    assert f"{path}:" in capsys.readouterr().err


def test_nobody_to_take_over_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "alone.toml"
    path.write_text(
        '[nodes.web1]\naddress = "192.0.2.1/24"\ninterface = "net0"\n'
        '[groups.www]\nvhid = 1\naddresses = ["192.0.2.9/24"]\npassword_file = "www.key"\n'
    )
    code = main([str(path), "--runs", "1"])
    seen = capsys.readouterr()
    assert code == 2
    assert "no group has two nodes; add a [nodes.NAME]" in seen.err
