"""What is read out of a unit file."""

from dataclasses import replace

import pytest
from tests.smartos.clusters import ZONE, cluster

from carpool.lab.smartos.units import read
from carpool.smartos.unit import lx_unit


def test_our_own_unit() -> None:
    made = cluster(replace(ZONE, brand="lx"))
    unit = read("carpool.service", lx_unit(made, made.nodes[0]))
    assert unit.command.startswith("/usr/bin/python3 -IS /opt/carpool/carpool.pyz run ")
    assert (unit.restart, unit.restart_seconds) == ("on-failure", 1.0)
    assert unit.not_after == {2}
    assert unit.start_limit_seconds == 0
    assert dict(unit.environment)["STATE_DIRECTORY"] == "/var/lib/carpool"
    assert unit.stop_seconds >= 10
    assert (unit.kill_all, unit.wanted, unit.once) == (True, True, False)


def test_words_of_a_command_line() -> None:
    assert read("a.service", "[Service]\nExecStart=/a 'b c' 100%% $$1\n").command == (
        "/a 'b c' 100% '$1'"
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[Service]\n", "Service has no ExecStart="),
        ("ExecStart=/a\n", "no section headers"),
        ("[Service]\nExecStart=a\n", "absolute path: a"),
    ],
)
def test_what_is_no_unit(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read("a.service", text)
