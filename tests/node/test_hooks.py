import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.processes import is_alive, open_descriptors
from tests.support.waiting import turn_until
from tests.support.written import Written

from carpool.node import hooks
from carpool.node.hooks import Hook, HookQueue, HookResult, Outcome
from carpool.node.log import Level, Log
from carpool.node.loop import Loop

MS = 1_000_000
SECOND = 1000 * MS
TIME_LIMIT = 60 * SECOND
"""Of a script that does not end (ns): it is over when the test says so, see `overtime`."""


def output(lines: Written) -> list[str]:
    """Return what scripts have written."""
    return [text.partition(": | ")[2] for text in lines.texts if ": | " in text]


@pytest.fixture
def queue(loop: Loop, lines: Written) -> Iterator[HookQueue]:
    queue = HookQueue(loop, Log(lines, level=Level.DEBUG), 10 * SECOND)
    yield queue
    queue.close()


def shell(script: str, label: str = "hook", **environment: str) -> Hook:
    return Hook(("/bin/sh", "-c", script), environment, label)


def run_one(loop: Loop, queue: HookQueue, hook: Hook) -> HookResult:
    results: list[HookResult] = []
    queue.submit(hook, results.append)
    assert results == [], "done is never called from within submit"
    assert not queue.idle
    turn_until(loop, lambda: bool(results) and queue.idle)
    return results[0]


def overtime(
    loop: Loop, queue: HookQueue, hook: Hook, told: Path, sleep: Callable[[int], None]
) -> HookResult:
    """Run a script until it has told something, and then beyond its time."""
    results: list[HookResult] = []
    queue.submit(hook, results.append)
    turn_until(loop, lambda: told.exists() and told.read_text().endswith("\n"))
    sleep(TIME_LIMIT)
    turn_until(loop, lambda: bool(results) and queue.idle)
    return results[0]


def test_a_script_gets_its_arguments_its_environment_and_ours(
    loop: Loop, queue: HookQueue, lines: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERITED", "from the daemon")
    script = tmp_path / "up script.sh"
    script.write_text(
        '#!/bin/sh\necho "$1,$2,$3,$CARPOOL_GROUP,$INHERITED"\necho oops >&2\nexit 7\n'
    )
    script.chmod(0o700)
    result = run_one(
        loop, queue, Hook((str(script), "eth0", "10.0.0.1", "x y"), {"CARPOOL_GROUP": "web"}, "up")
    )
    assert result.outcome is Outcome.EXITED
    assert result.exit_code == 7
    assert not result.ok
    assert result.duration_ns > 0
    assert output(lines) == ["eth0,10.0.0.1,x y,web,from the daemon", "oops"]
    assert "exit code 7" in lines.with_level(Level.WARNING)[0]


def test_a_script_does_not_get_what_systemd_told_the_daemon(
    loop: Loop, queue: HookQueue, lines: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    # systemctl tells $NOTIFY_SOCKET how it ended, and systemd complains of a stranger.
    for name in ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"):
        monkeypatch.setenv(name, "/told")
    run_one(loop, queue, shell("env | grep -E '^(NOTIFY|WATCHDOG)_'; echo end"))
    assert output(lines) == ["end"]


def test_success_and_death_by_signal(loop: Loop, queue: HookQueue, lines: Written) -> None:
    assert run_one(loop, queue, shell("exit 0")).ok
    assert not lines.with_level(Level.WARNING)
    killed = run_one(loop, queue, shell("kill -9 $$"))
    assert (killed.outcome, killed.exit_code) == (Outcome.EXITED, -9)
    assert "killed by signal 9" in lines.with_level(Level.WARNING)[0]


def test_scripts_run_one_after_the_other_and_the_newest_waiting_one_wins(
    loop: Loop, queue: HookQueue, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    gate = tmp_path / "gate"
    results: list[tuple[str, Outcome]] = []

    def submit(name: str) -> None:
        script = f"echo {name} starts >>{trace}; while ! test -e {gate}; do sleep 0.01; done"
        script += f"; echo {name} ends >>{trace}"
        queue.submit(shell(script, name), lambda r: results.append((r.hook.label, r.outcome)))

    for name in ("up", "down", "up again", "down again"):
        submit(name)
    turn_until(loop, lambda: len(results) == 2)
    assert results == [("down", Outcome.SUPERSEDED), ("up again", Outcome.SUPERSEDED)]
    gate.touch()
    turn_until(loop, lambda: queue.idle)
    assert results[2:] == [("up", Outcome.EXITED), ("down again", Outcome.EXITED)]
    assert trace.read_text().splitlines() == [
        "up starts",
        "up ends",
        "down again starts",
        "down again ends",
    ]


def test_the_loop_runs_on_beside_a_slow_script(
    loop: Loop, queue: HookQueue, tmp_path: Path
) -> None:
    ticks: list[int] = []
    begun, gate = tmp_path / "begun", tmp_path / "gate"

    def tick() -> None:
        if begun.exists():
            ticks.append(loop.now())
        if len(ticks) == 20:
            gate.touch()
        timer.reschedule(loop.now() + 5 * MS)

    timer = loop.call_at(loop.now(), tick)
    # It ends only if the loop has turned meanwhile.
    script = f": >{begun}; while ! test -e {gate}; do sleep 0.01; done"
    assert run_one(loop, queue, shell(script)).ok
    assert len(ticks) >= 20


@pytest.mark.parametrize(
    ("make", "mend"),
    [
        (None, "check the path"),
        ("#!/bin/sh\n", "chmod +x"),
        ("#!/no/such/interpreter\n", "first line"),
        ("echo no interpreter named\n", "#!/bin/sh"),
    ],
)
def test_a_script_that_cannot_start_is_a_result_with_a_mend(
    loop: Loop, queue: HookQueue, lines: Written, tmp_path: Path, make: str | None, mend: str
) -> None:
    script = tmp_path / "up.sh"
    if make is not None:
        script.write_text(make)
        script.chmod(0o600 if mend == "chmod +x" else 0o700)
    before = open_descriptors()
    result = run_one(loop, queue, Hook((str(script),), {}, "web: up script"))
    assert result.outcome is Outcome.NOT_STARTED
    assert result.exit_code is None
    (line,) = lines.with_level(Level.ERROR)
    assert line.startswith(f"web: up script: cannot run {script}: ")
    assert mend in line
    assert open_descriptors() == before


def test_a_zero_byte_in_an_argument_is_a_result(
    loop: Loop, queue: HookQueue, lines: Written
) -> None:
    result = run_one(loop, queue, Hook(("/bin/echo", "a\0b"), {}, "hook"))
    assert result.outcome is Outcome.NOT_STARTED
    assert "null" in lines.with_level(Level.ERROR)[0]


def test_after_a_script_that_cannot_start_the_next_one_runs(loop: Loop, queue: HookQueue) -> None:
    results: list[Outcome] = []
    queue.submit(Hook(("/no/such/script",), {}, "first"), lambda r: results.append(r.outcome))
    queue.submit(shell("exit 0"), lambda r: results.append(r.outcome))
    turn_until(loop, lambda: queue.idle)
    assert results == [Outcome.NOT_STARTED, Outcome.EXITED]


def test_a_script_over_its_time_is_ended_with_its_children(
    loop: Loop,
    lines: Written,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sleep: Callable[[int], None],
) -> None:
    monkeypatch.setattr(hooks, "_GRACE", 60 * SECOND)
    queue = HookQueue(loop, Log(lines), TIME_LIMIT)
    child = tmp_path / "child"
    script = shell(f"sleep 1000 & echo $! >{child}; wait")
    result = overtime(loop, queue, script, child, sleep)
    queue.close()
    assert result.outcome is Outcome.TIMED_OUT
    assert TIME_LIMIT <= result.duration_ns < TIME_LIMIT + hooks._GRACE
    turn_until(loop, lambda: not is_alive(int(child.read_text())))
    assert "still running after 6" in lines.with_level(Level.ERROR)[0]


def test_a_script_deaf_to_sigterm_is_killed_after_the_grace(
    loop: Loop,
    lines: Written,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sleep: Callable[[int], None],
) -> None:
    monkeypatch.setattr(hooks, "_GRACE", 200 * MS)
    queue = HookQueue(loop, Log(lines), TIME_LIMIT)
    child = tmp_path / "child"
    script = f"trap '' TERM; sleep 1000 & echo $! >{child}; while :; do sleep 1; done"
    result = overtime(loop, queue, shell(script), child, sleep)
    queue.close()
    assert result.outcome is Outcome.TIMED_OUT
    assert result.duration_ns >= TIME_LIMIT + 200 * MS
    turn_until(loop, lambda: not is_alive(int(child.read_text())))


def test_a_deaf_child_of_a_script_that_obeyed_does_not_act_behind_the_next_one(
    loop: Loop,
    lines: Written,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sleep: Callable[[int], None],
) -> None:
    monkeypatch.setattr(hooks, "_GRACE", 60 * SECOND)
    queue = HookQueue(loop, Log(lines), TIME_LIMIT)
    child = tmp_path / "child"
    deaf = f"trap '' TERM; echo $$ >{child}; exec sleep 1000"
    script = Hook(("/bin/sh", "-c", 'sh -c "$1" & wait', "", deaf), {}, "up")
    result = overtime(loop, queue, script, child, sleep)
    queue.close()
    assert result.outcome is Outcome.TIMED_OUT
    assert result.duration_ns < TIME_LIMIT + hooks._GRACE
    turn_until(loop, lambda: not is_alive(int(child.read_text())))


def test_a_process_that_cannot_be_killed_is_given_up(
    loop: Loop, lines: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_GRACE", 20 * MS)
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda pid, signum: killed.append((pid, signum)))
    queue = HookQueue(loop, Log(lines), 20 * MS)
    results: list[Outcome] = []

    def done(result: HookResult) -> None:
        results.append(result.outcome)

    queue.submit(shell("exec sleep 1000"), done)
    turn_until(loop, lambda: bool(results))
    assert results == [Outcome.TIMED_OUT]
    pids, signals = zip(*killed, strict=True)
    assert signals == (signal.SIGTERM, signal.SIGKILL)
    assert "cannot be killed" in lines.with_level(Level.ERROR)[-1]
    os.kill(pids[0], signal.SIGKILL)  # it ends at last, and nobody waits for it any more
    turn_until(loop, lambda: not Path(f"/proc/{pids[0]}").exists())
    queue.close()
    assert results == [Outcome.TIMED_OUT]


def test_a_background_child_with_the_pipe_open_delays_nothing_and_lives_on(
    loop: Loop, queue: HookQueue, lines: Written, tmp_path: Path
) -> None:
    gate, child = tmp_path / "gate", tmp_path / "child"
    background = f"while ! test -e {gate}; do sleep 0.01; done; echo late; echo alive >{child}"
    started = time.monotonic()
    result = run_one(loop, queue, shell(f"({background}) & echo early"))
    assert result.ok
    assert time.monotonic() - started < 5
    assert output(lines) == ["early"]
    gate.touch()
    turn_until(loop, child.exists)
    turn_until(loop, lambda: output(lines) == ["early", "late"])


def test_pipes_of_background_children_are_bounded(loop: Loop, queue: HookQueue) -> None:
    before = open_descriptors()
    for _ in range(10):
        assert run_one(loop, queue, shell("sleep 5 &")).ok
    assert open_descriptors() <= before + 4
    queue.close()
    assert open_descriptors() == before


def test_output_is_bounded_in_lines_and_bytes_and_a_flood_ends_nothing(
    loop: Loop, queue: HookQueue, lines: Written
) -> None:
    assert run_one(loop, queue, shell("seq 1 200000")).ok
    assert output(lines) == [str(index) for index in range(1, 101)]
    assert sum("further output" in text for _, text in lines) == 1
    lines.clear()
    assert run_one(loop, queue, shell("head -c 3000000 /dev/zero | tr '\\0' x")).ok
    assert 1 <= len(output(lines)) <= 20
    assert all(set(text) == {"x"} and len(text) <= 1000 for text in output(lines))


def test_output_that_is_not_text_cannot_forge_lines(
    loop: Loop, queue: HookQueue, lines: Written
) -> None:
    run_one(loop, queue, shell(r"printf 'a\r\033[2J\377\n\nlast without newline'"))
    assert output(lines) == [r"a\r\x1b[2J\xff", "last without newline"]


def test_a_script_inherits_no_descriptor_and_no_ignored_signal(
    loop: Loop, queue: HookQueue, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        script = (
            f"grep ^SigIgn /proc/self/status >{report}; "
            f"ls /proc/$$/fd >>{report}; readlink /proc/$$/fd/0 >>{report}; "
            f"cut -d' ' -f5 /proc/$$/stat >>{report}; echo $$ >>{report}"
        )
        assert run_one(loop, queue, shell(script)).ok
    finally:
        signal.signal(signal.SIGHUP, hangup)
    ignored, *fds, stdin, group, pid = report.read_text().split("\n")[:-1]
    of_libc = 1 << 31 | 1 << 32  # signals 32 and 33, which no program may set
    assert int(ignored.split()[1], 16) & ~of_libc == 0
    assert [fd for fd in fds if int(fd) < 10] == ["0", "1", "2"]  # the shell's own are above
    assert stdin == os.devnull
    assert group == pid


def test_a_script_inherits_no_blocked_signal(loop: Loop, queue: HookQueue) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        result = run_one(loop, queue, shell("kill -USR1 $$; exit 0"))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert result.exit_code == -signal.SIGUSR1


def test_drain_calls_back_when_idle(loop: Loop, queue: HookQueue) -> None:
    order: list[str] = []
    queue.drain(lambda: order.append("idle already"))
    assert order == []
    turn_until(loop, lambda: bool(order))
    queue.submit(shell("exit 0", "first"), lambda r: order.append(r.hook.label))
    queue.submit(shell("exit 0", "second"), lambda r: order.append(r.hook.label))
    queue.drain(lambda: order.append("drained"))
    turn_until(loop, lambda: "drained" in order)
    assert order == ["idle already", "first", "second", "drained"]


def test_a_done_callback_may_submit_the_next(loop: Loop, queue: HookQueue) -> None:
    order: list[str] = []

    def first_done(result: HookResult) -> None:
        order.append(result.hook.label)
        queue.submit(shell("exit 0", "second"), lambda r: order.append(r.hook.label))

    queue.submit(shell("exit 0", "first"), first_done)
    queue.drain(lambda: order.append("drained"))
    turn_until(loop, lambda: "drained" in order)
    assert order == ["first", "second", "drained"]
