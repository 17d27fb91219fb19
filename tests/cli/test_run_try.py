"""A program that is tried, by a daemon that it is to replace: what it says of itself."""

import os
from pathlib import Path

import pytest

from carpool.cli.run import _processor_wait, main
from carpool.node.handover import TRY, VERSION

TRIED = (TRY, str(VERSION))


def test_what_is_wrong_is_said_in_the_name_of_whoever_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text("[groups.www]\nvhid = 420\n")
    assert main([str(file), *TRIED]) == 2
    tried = capfd.readouterr().err
    assert tried.endswith("; nothing was touched\n")
    assert "carpool run" not in tried
    assert main([str(file)]) == 2
    assert f"carpool run: {file}: " in capfd.readouterr().err


def test_a_pipe_is_not_waited_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "cluster.toml"
    os.mkfifo(pipe)
    assert main([str(pipe), *TRIED]) == 2
    assert capfd.readouterr().err == (
        f"{pipe} is a pipe, which nobody fills again: start the daemon with a file\n"
    )


def test_it_tells_how_long_it_had_to_wait_for_a_processor() -> None:
    before = _processor_wait()
    assert 0 <= before <= _processor_wait()
