import errno
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from tests.support.processes import state
from tests.support.waiting import turn, turn_until, until

from carpool.node import clock
from carpool.node.loop import Loop

MS = 1_000_000


@pytest.fixture(params=["epoll", "poll"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    if request.param == "poll":
        monkeypatch.delattr(select, "epoll")
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def test_timers_run_in_order_of_instant_then_of_setting(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    at = loop.now() + 5 * MS
    with monkeypatch.context() as patch:
        # Else an instant that has passed meanwhile would be that of the setting.
        patch.setattr(clock, "now", lambda: at - 5 * MS)
        loop.call_at(at + MS, lambda: ran.append("later"))
        for name in "abcdefgh":
            loop.call_at(at, lambda name=name: ran.append(name))  # type: ignore[misc]
        loop.call_at(at + 2 * MS, loop.stop)
    loop.run()
    assert ran == [*"abcdefgh", "later"]


def test_a_timer_is_never_early(loop: Loop) -> None:
    at = loop.now() + 3_300_000
    loop.call_at(at, loop.stop)
    loop.run()
    assert 0 <= loop.now() - at < 5000 * MS


def test_a_cancelled_timer_does_not_run_and_can_be_set_again(loop: Loop) -> None:
    ran: list[str] = []
    cancelled = loop.call_at(loop.now(), lambda: ran.append("cancelled"))
    cancelled.cancel()
    cancelled.cancel()
    assert cancelled.when is None
    again = loop.call_at(loop.now(), lambda: ran.append("again"))
    again.cancel()
    again.reschedule(loop.now() + MS)
    turn(loop, 5 * MS)
    assert ran == ["again"]
    assert again.when is None


def test_a_moved_timer_runs_once_at_its_last_instant(loop: Loop) -> None:
    ran: list[int] = []
    start = loop.now()
    timer = loop.call_at(start + MS, lambda: ran.append(loop.now() - start))
    timer.reschedule(start + 10 * MS)
    turn(loop, 15 * MS)
    assert len(ran) == 1
    assert ran[0] >= 10 * MS


def test_a_timer_may_set_itself_from_its_own_callback(loop: Loop) -> None:
    ran: list[int] = []

    def tick() -> None:
        ran.append(loop.now())
        if len(ran) == 3:
            loop.stop()
        timer.reschedule(loop.now() + MS)

    timer = loop.call_at(loop.now(), tick)
    loop.run()
    assert len(ran) == 3


def test_a_timer_cancelled_by_one_of_the_same_instant_does_not_run(loop: Loop) -> None:
    ran: list[str] = []
    second = loop.call_at(loop.now(), lambda: ran.append("cancelled"))
    at = loop.now() + MS
    loop.call_at(at, second.cancel)
    second.reschedule(at)
    turn(loop, 4 * MS)
    assert ran == []


def test_a_million_moves_leave_no_pile_of_garbage(loop: Loop) -> None:
    timers = [loop.call_at(loop.now() + 3600_000 * MS, loop.stop) for _ in range(10)]
    for index in range(20_000):
        timers[index % 10].reschedule(loop.now() + 3600_000 * MS + index)
    assert len(loop._timers._heap) < 200
    for timer in timers:
        timer.cancel()
    turn(loop, MS)
    assert len(loop._timers._heap) < 200


def test_a_timer_that_keeps_asking_for_the_past_does_not_starve_the_sockets(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    spin = loop.call_at(0, lambda: spin.reschedule(0))
    loop.watch(pair[1], loop.stop)
    pair[0].send(b"x")
    loop.run()


def test_what_is_queued_is_read_before_a_late_timer_acts(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    order: list[str] = []

    def read() -> None:
        order.append(pair[1].recv(100).decode())

    def timer() -> None:
        order.append("timer")
        loop.stop()

    loop.watch(pair[1], read)
    loop.call_at(loop.now() + MS, timer)
    time.sleep(0.003)  # stalled: the timer is late by now
    pair[0].send(b"frame")
    loop.run()
    assert order == ["frame", "timer"]


STOPPED_WHILE_WAITING = """
    import os, socket, sys
    from carpool.node.loop import Loop

    loop = Loop()
    frames = socket.socket(fileno=int(sys.argv[1]))
    timer = loop.call_at(loop.now() + 2_500_000_000, lambda: (print("timer"), loop.stop()))
    loop.watch(frames, lambda: print(frames.recv(100).decode()))
    print("waiting", flush=True)
    loop.run()
"""


def test_a_process_stopped_inside_its_poll_reads_before_its_timer_acts(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """After SIGCONT the interrupted epoll_wait gives up for its deadline and reports nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STOPPED_WHILE_WAITING), str(pair[1].fileno())],
        stdout=subprocess.PIPE,
        pass_fds=[pair[1].fileno()],
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "waiting\n"
            until(lambda: state(child.pid) == "S")
            os.kill(child.pid, signal.SIGSTOP)
            until(lambda: state(child.pid) == "T")
            pair[0].send(b"frame")
            time.sleep(2.6)  # past the timer's instant, before which all of this has to be done
            os.kill(child.pid, signal.SIGCONT)
            assert child.stdout.read() == "frame\ntimer\n"
        finally:
            child.kill()


def test_a_connection_is_told_when_it_is_made_or_refused(loop: Loop) -> None:
    told: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for closed in (False, True):
            if closed:
                server.close()
            with socket.socket() as client:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))

                def note(client: socket.socket = client) -> None:
                    told.append(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                    loop.unwatch(client)

                loop.watch(client, note, for_writing=True)
                before = len(told)
                deadline = loop.now() + 5000 * MS
                while len(told) == before:
                    assert loop.now() < deadline, "waited in vain"
                    turn(loop, MS)
    assert told == [0, errno.ECONNREFUSED]


def test_who_waits_to_write_is_not_woken_by_what_can_be_read(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    left.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            left.send(b"x" * 65536)
    told: list[str] = []
    right.send(b"something to read")
    loop.watch(left, lambda: told.append("writable"), for_writing=True)
    turn(loop, 5 * MS)
    assert told == []
    right.setblocking(False)
    with suppress(BlockingIOError):
        while right.recv(65536):
            pass
    turn_until(loop, lambda: told)


def test_a_descriptor_unwatched_in_its_own_round_is_not_called(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    called: list[str] = []

    def first(name: str, other: socket.socket) -> None:
        called.append(name)
        loop.unwatch(other)

    loop.watch(pair[0], lambda: first("left", pair[1]))
    loop.watch(pair[1], lambda: first("right", pair[0]))
    pair[0].send(b"x")
    pair[1].send(b"x")
    loop.call_at(loop.now(), loop.stop)
    loop.run()
    assert len(called) == 1


def test_a_reused_descriptor_number_does_not_inherit_the_event(loop: Loop) -> None:
    called: list[str] = []
    pipes = [os.pipe(), os.pipe()]
    quiet_reader, quiet_writer = os.pipe()

    def replace_other(mine: int, other: int) -> None:
        called.append("first")
        loop.unwatch(mine)
        loop.unwatch(other)
        os.dup2(quiet_reader, other)
        loop.watch(other, lambda: called.append("new"))

    (reader0, writer0), (reader1, writer1) = pipes
    loop.watch(reader0, lambda: replace_other(reader0, reader1))
    loop.watch(reader1, lambda: replace_other(reader1, reader0))
    os.write(writer0, b"x")
    os.write(writer1, b"x")
    loop.call_at(loop.now(), loop.stop)
    loop.run()
    assert called == ["first"]
    for fd in (reader0, reader1, writer0, writer1, quiet_reader, quiet_writer):
        os.close(fd)


def test_stop_leaves_what_is_behind_it_to_the_next_run(loop: Loop) -> None:
    ran: list[str] = []
    loop.call_at(loop.now(), loop.stop)
    loop.call_at(loop.now(), lambda: ran.append("behind"))
    loop.run()
    assert ran == []
    loop.call_at(loop.now(), loop.stop)
    loop.run()
    assert ran == ["behind"]


def test_what_waits_for_the_end_of_the_round_comes_after_its_timers_and_before_a_wait(
    loop: Loop,
) -> None:
    seen: list[str] = []

    def first() -> None:
        loop.at_end_of_round(lambda: seen.append("end"))
        seen.append("first")

    now = loop.now()
    loop.call_at(now, first)
    loop.call_at(now, lambda: seen.append("second"))
    turn_until(loop, lambda: seen)
    assert seen == ["first", "second", "end"]
    turn(loop, MS)
    assert seen == ["first", "second", "end"]


def test_a_callback_that_raises_is_loud(loop: Loop) -> None:
    def bug() -> None:
        raise ZeroDivisionError

    loop.call_at(loop.now(), bug)
    with pytest.raises(ZeroDivisionError):
        loop.run()


def test_signals_wake_the_loop_and_close_gives_them_back() -> None:
    def mine(signum: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGUSR1, mine)
    try:
        loop = Loop()
        got: list[str] = []
        loop.on_signal(signal.SIGUSR1, lambda: got.append("replaced"))
        loop.on_signal(signal.SIGUSR1, lambda: got.append("usr1"))
        loop.on_signal(signal.SIGUSR2, loop.stop)
        os.kill(os.getpid(), signal.SIGUSR1)
        sender = subprocess.Popen(["/bin/sh", "-c", f"kill -USR2 {os.getpid()}"])
        loop.run()
        sender.wait()
        loop.close()
        assert got == ["usr1"]
        assert signal.getsignal(signal.SIGUSR1) is mine
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_children_report_exit_code_or_signal(loop: Loop) -> None:
    codes: dict[str, int] = {}

    def note(name: str, code: int) -> None:
        codes[name] = code
        if len(codes) == 3:
            loop.stop()

    for name, script in {
        "ok": "exit 0",
        "seven": "sleep 0.01; exit 7",
        "killed": "kill -9 $$",
    }.items():
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ)
        loop.on_child(pid, lambda code, name=name: note(name, code))  # type: ignore[misc]
    loop.run()
    assert codes == {"ok": 0, "seven": 7, "killed": -9}


def test_a_child_that_ended_before_it_was_registered_is_reported(loop: Loop) -> None:
    codes: list[int] = []
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 3"], os.environ)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    turn(loop, MS)  # its SIGCHLD has come and gone
    loop.on_child(pid, codes.append)
    turn_until(loop, lambda: codes)
    assert codes == [3]


def test_children_of_others_are_left_alone(loop: Loop) -> None:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], os.environ)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    turn(loop, MS)
    assert os.waitpid(pid, 0)[1] == 5 << 8


def test_an_inherited_ignored_sigchld_does_not_lose_the_status() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        loop = Loop()
        codes: list[int] = []
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 4"], os.environ)
        loop.on_child(pid, codes.append)
        turn_until(loop, lambda: codes)
        loop.close()
        assert codes == [4]
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)


# The machine sleeps.


def test_the_clock_counts_the_sleep_of_the_machine() -> None:
    if not hasattr(time, "CLOCK_BOOTTIME"):
        pytest.skip("this system cannot tell")
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    now = clock.now()
    assert before <= now <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    before, awake = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.monotonic_ns()
    asleep = clock.asleep()
    still_awake, after = time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before - still_awake <= asleep <= after - awake


def test_a_pause_between_two_clocks_is_no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    real, pauses = clock.now, [200 * MS, 200 * MS]

    def paused() -> int:
        if pauses:
            time.sleep(pauses.pop() / 1e9)
        return real()

    before = clock.asleep()
    monkeypatch.setattr(clock, "now", paused)
    assert abs(clock.asleep() - before) < 50 * MS
    assert not pauses


def test_sleep_is_told_before_timers_that_fell_due_and_before_what_is_queued(
    loop: Loop, pair: tuple[socket.socket, socket.socket], sleep: Callable[[int], None]
) -> None:
    left, right = pair
    told: list[object] = []
    loop.on_wake(told.append)
    loop.call_at(loop.now() + 1000 * MS, lambda: told.append("timer"))
    loop.watch(left, lambda: told.append(left.recv(1)))
    sleep(5000 * MS)
    right.send(b"x")
    turn_until(loop, lambda: told)
    turn(loop, MS)
    slept, *rest = told
    assert isinstance(slept, int)
    assert abs(slept - 5000 * MS) < 50 * MS
    assert rest == [b"x", "timer"]


def test_without_sleep_nothing_is_told(loop: Loop, sleep: Callable[[int], None]) -> None:
    told: list[int] = []
    loop.on_wake(told.append)
    sleep(50 * MS)  # not worth a word
    turn(loop, 20 * MS)
    assert told == []


# How late it wakes up.


def test_each_wait_for_a_timer_is_told_once_with_how_late_it_ended(loop: Loop) -> None:
    told: list[tuple[int, bool]] = []
    loop.on_late(lambda late, busy: told.append((late, busy)))
    timer = loop.call_at(loop.now() + 100 * MS, lambda: None)
    for _ in range(5):
        timer.reschedule(loop.now() + 100 * MS)
        loop.call_at(timer.when or 0, loop.stop)
        loop.run()
    assert len(told) == 5
    assert min(late for late, _ in told) >= 0
    # But for those before which the test had to wait for a processor.
    assert not all(busy for _, busy in told)


def test_lateness_by_own_work_is_told(loop: Loop) -> None:
    told: list[int] = []
    loop.on_late(lambda late, busy: told.append(late) if busy else None)
    loop.call_at(loop.now(), lambda: time.sleep(0.02))
    loop.call_at(loop.now() + 10 * MS, loop.stop)
    loop.run()
    assert max(told) > 5 * MS


def test_a_wait_that_a_descriptor_ends_is_no_lateness(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    told: list[int] = []
    loop.on_late(lambda late, _busy: told.append(late))
    loop.call_at(loop.now() + 3600_000 * MS, lambda: None)
    loop.watch(pair[1], loop.stop)
    pair[0].send(b"x")
    loop.run()
    assert told == []
