from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.processes import is_alive, open_descriptors
from tests.support.waiting import until

from carpool.node.commands import Commands, Result
from carpool.node.loop import Loop

MS = 1_000_000
LONG = 60_000 * MS
"""For what ends by itself, also on a busy machine."""

Run = Callable[[Commands, Loop, tuple[str, ...]], Result]


def waited_for(commands: Commands, _loop: Loop, argv: tuple[str, ...]) -> Result:
    return commands.run(argv)


def beside_the_loop(commands: Commands, loop: Loop, argv: tuple[str, ...]) -> Result:
    results: list[Result] = []

    def done(result: Result) -> None:
        assert not commands.busy
        results.append(result)
        loop.stop()

    commands.start(argv, done)
    assert commands.busy
    assert not results, "done is called from the loop"
    loop.call_at(loop.now() + 2 * LONG, loop.stop)
    loop.run()
    (result,) = results
    return result


@pytest.fixture(params=[waited_for, beside_the_loop])
def run(request: pytest.FixtureRequest) -> Run:
    way: Run = request.param
    return way


def sh(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


def test_what_it_prints_is_returned(loop: Loop, run: Run) -> None:
    result = run(Commands(loop, LONG), loop, sh("echo one; sleep .02; echo two >&2"))
    assert result == Result("one\ntwo\n", None)


def test_its_first_lines_say_why_it_failed(loop: Loop, run: Run) -> None:
    script = "echo fuss; echo net0: permission denied >&2; echo; echo so there; echo x; exit 1"
    result = run(Commands(loop, LONG), loop, sh(script))
    assert result.output == "fuss\nnet0: permission denied\n\nso there\nx\n"
    assert result.problem is not None
    assert result.problem.endswith("failed: fuss; net0: permission denied; so there")
    assert "/bin/sh -c" in result.problem


@pytest.mark.parametrize(
    ("script", "reason"), [("exit 3", "exit code 3"), ("kill $$", "signal 15")]
)
def test_a_silent_failure_has_a_reason(loop: Loop, run: Run, script: str, reason: str) -> None:
    problem = run(Commands(loop, LONG), loop, sh(script)).problem
    assert problem is not None
    assert problem.endswith(reason)


def test_a_missing_command_is_a_result(loop: Loop, run: Run) -> None:
    result = run(Commands(loop, LONG), loop, ("/nowhere/ifconfig", "-a"))
    assert result == Result("", "cannot run /nowhere/ifconfig: No such file or directory")


def test_a_zero_byte_is_a_result(loop: Loop, run: Run) -> None:
    assert run(Commands(loop, LONG), loop, ("/bin/sh", "a\0b")).problem is not None


def test_one_that_hangs_is_killed_with_all_it_started(loop: Loop, run: Run, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 100 & echo $! >{pids}; echo $$ >>{pids}; echo said; wait"
    for seconds in (1, 10, 30):  # one of them is long enough to say it, also on a busy machine
        result = run(Commands(loop, seconds * 1000 * MS), loop, sh(script))
        assert result.problem is not None
        assert result.problem.endswith(f"did not end within {seconds} s")
        if result.output:
            break
    assert result.output == "said\n"
    until(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()))


def test_one_that_says_nothing_and_hangs_is_killed(loop: Loop, run: Run) -> None:
    result = run(Commands(loop, 100 * MS), loop, sh("exec >/dev/null 2>&1; sleep 100"))
    assert result.problem is not None
    assert "did not end" in result.problem


def test_long_output_is_read_whole_and_an_endless_one_is_cut(loop: Loop, run: Run) -> None:
    result = run(Commands(loop, LONG), loop, sh("yes 12345678 | head -c 900000"))
    assert len(result.output) == 900_000
    result = run(Commands(loop, 300 * MS), loop, sh("yes"))
    assert len(result.output) <= 1 << 20
    assert result.problem is not None


def test_the_language_is_fixed(loop: Loop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("KEPT", "yes")
    assert run(Commands(loop, LONG), loop, sh("echo $LC_ALL $KEPT")).output == "C yes\n"


def test_the_loop_goes_on_meanwhile(loop: Loop, tmp_path: Path) -> None:
    begun, gate = tmp_path / "begun", tmp_path / "gate"

    def tick() -> None:
        if begun.exists():
            gate.touch()
        loop.call_at(loop.now() + 10 * MS, tick)

    tick()
    # It ends only if the loop has turned meanwhile.
    script = f": >{begun}; while ! test -e {gate}; do sleep .01; done"
    assert beside_the_loop(Commands(loop, LONG), loop, sh(script)) == Result("", None)


def test_no_descriptor_is_left(loop: Loop) -> None:
    before = open_descriptors()
    for way in (waited_for, beside_the_loop):
        for argv in (sh("echo"), ("/nowhere",), sh("sleep 100")):
            way(Commands(loop, 50 * MS), loop, argv)
    assert open_descriptors() == before
