"""What `carpool doctor` and `carpool explain` say to who uses them."""

import json
from pathlib import Path

import pytest

from carpool.cli import doctor, explain

EXAMPLE = Path(__file__).parents[2] / "examples" / "two-zones.toml"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a cluster FILE, or where to listen: --interface IFACE"),
        (["none.toml"], "none.toml: mend the errors above"),
        ([str(EXAMPLE)], "this host is none of the nodes"),
        ([str(EXAMPLE)], "or look on from outside: --interface IFACE"),
        ([str(EXAMPLE), "--node", "web3"], "there is no such node"),
    ],
)
def test_where_it_cannot_look(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor.main([*arguments, "--run-dir", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""


def test_an_interface_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--interface", "none0", "--run-dir", str(tmp_path)]
    assert doctor.main([*given, "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["finding"], found["seen"]) == ("doctor-link", "none0 is not there")
    assert doctor.main(given) == 1
    assert "doctor-link: none0 is not there\n    means: " in capsys.readouterr().out


def test_answers_are_given_the_time_to_come(capsys: pytest.CaptureFixture[str]) -> None:
    for seconds in ("0.02", "0", "nan", "long"):
        with pytest.raises(SystemExit, match="2"):
            doctor.main(["--interface", "none0", "--seconds", seconds])
    assert "0.02: at least 0.5, for answers to come" in capsys.readouterr().err


def test_a_finding_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain.main(["Doctor-Firewall", "cp205"]) == 0
    told = capsys.readouterr().out
    assert "doctor-firewall: this host's packet filter drops advertisements\n" in told
    assert "mend: accept protocol 112 both ways" in told
    assert "CP205 (error): " in told
    assert explain.main(["doctor-firewal"]) == 2
    assert "did you mean 'doctor-firewall'" in capsys.readouterr().err
    assert explain.main(["--json", "doctor-ttl"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["code"] == "doctor-ttl"
    assert one["mend"]
