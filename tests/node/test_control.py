"""The control socket: one line, one answer, and nobody who connects can hold it up."""

import json
import os
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.node.serving import Served, line

from carpool.node import control
from carpool.node.client import AskError, Connection, NotRunningError, RefusedError
from carpool.node.control import (
    LONGEST_LINE,
    MOST_CLIENTS,
    MOST_FOLLOWERS,
)
from carpool.node.events import KEPT, Happening
from carpool.node.follower import Follower
from carpool.node.log import Level

MS = 1_000_000


def test_a_line_is_answered_with_a_line(served: Served) -> None:
    with served.connect() as client:
        assert served.says(client, line("echo", text="x")) == {
            "version": 1,
            "ok": True,
            "echo": "x",
        }
        assert served.says(client, line("no")) == {
            "version": 1,
            "ok": False,
            "error": "no; say yes",
        }


def test_lines_that_come_at_once_are_answered_in_order(served: Served) -> None:
    with served.connect() as client:
        client.send(b"".join(line("echo", text=str(number)) for number in range(20)))
        found = [answer["echo"] for answer in served.answers(client, 20)]
        assert found == [str(number) for number in range(20)]


def test_one_request_of_a_client_is_done_in_a_round(served: Served) -> None:
    with served.connect() as client:
        client.send(line("echo") * 5)
        served.run(0)
        assert len(served.handled) < 3
        served.answers(client, 5)


def test_a_line_may_come_in_pieces(served: Served) -> None:
    with served.connect() as client:
        whole = line("echo", text="pieces")
        for byte in whole[:-1]:
            client.send(bytes([byte]))
            served.run(MS // 10)
        assert served.handled == []
        assert served.says(client, whole[-1:])["echo"] == "pieces"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\n",
        b"status\n",
        b"[]\n",
        b'"status"\n',
        b'{"version": 1}\n',
        b'{"version": 1, "command": 5}\n',
        b"[" * 20000 + b"\n",
        b"1" * 20000 + b"\n",
        b"\xff\xfe\n",
        bytes(range(128, 256)) + b"\n",
    ],
)
def test_rubbish_is_told_and_the_client_may_go_on(served: Served, rubbish: bytes) -> None:
    with served.connect() as client:
        answer = served.says(client, rubbish)
        assert not answer["ok"]
        assert '{"version": 1, "command": ...}' in answer["error"]
        assert served.says(client, line("echo"))["ok"]


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_another_version_is_refused(served: Served, version: object) -> None:
    with served.connect() as client:
        answer = served.says(client, line("echo", version=version))
        assert (answer["ok"], answer["version"]) == (False, 1)
        assert "version 1" in answer["error"]
        assert served.handled == []


def test_a_line_without_an_end_is_cut_off(served: Served) -> None:
    with served.connect() as client:
        client.send(b"x" * (LONGEST_LINE + 1))
        answer = served.answers(client)[0]
        assert f"{LONGEST_LINE} bytes" in answer["error"]
        served.until_hung_up(client)


def test_who_does_not_read_is_not_read(served: Served) -> None:
    with served.connect() as client:
        sent = 0
        text = "x" * (LONGEST_LINE // 2)
        while served.loop.now() and sent < 1000:
            try:
                client.send(line("echo", text=text))
            except BlockingIOError:
                if len(served.handled) == sent:
                    break
                sent = len(served.handled)
            served.run(MS // 10)
        (only,) = served.control._clients
        assert len(only._output) <= LONGEST_LINE
        assert len(only._input) <= 2 * LONGEST_LINE


def test_who_is_silent_or_does_not_read_is_dropped(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PATIENCE", 20 * MS)
    silent, half, busy = served.connect(), served.connect(), served.connect()
    with silent, half, busy:
        half.send(b"{")
        busy.send(line("later"))
        served.until_hung_up(silent)
        served.until_hung_up(half)
        served.until(lambda: served.waiting)
        assert not served.hung_up(busy)  # it waits for us
        served.waiting[0]({"ok": True})
        assert served.answers(busy)[0]["ok"]


def test_an_answer_to_who_has_gone_is_no_trouble(served: Served) -> None:
    with served.connect() as client:
        client.send(line("later"))
        served.until(lambda: served.waiting)
    served.waiting[0]({"ok": True})
    served.until(lambda: not served.control._clients)


def test_what_a_client_asked_that_has_given_up_is_not_done(served: Served) -> None:
    # The daemon was frozen for as long as the client waited.
    with served.connect() as client:
        client.send(line("yield"))
    served.run()
    served.until(lambda: not served.control._clients)
    assert served.handled == []


def test_what_a_client_asked_that_has_said_all_is_done(served: Served) -> None:
    with served.connect() as client:
        client.send(line("yield"))
        client.shutdown(socket.SHUT_WR)
        assert served.answers(client)[0]["ok"]
    assert served.handled == ["yield"]


def test_of_too_many_the_longest_silent_is_dropped(served: Served) -> None:
    clients = served.connect_all(MOST_CLIENTS)
    served.says(clients[0], line("echo"))
    with served.connect() as one_more:
        assert served.says(one_more, line("echo"))["ok"]
        served.until_hung_up(clients[1])
        assert not served.hung_up(clients[0])
        assert len(served.control._clients) == MOST_CLIENTS
    for client in clients:
        client.close()


def test_clients_take_turns_one_in_a_round(served: Served) -> None:
    clients = [served.connect() for _ in range(10)]
    for client in clients:
        client.send(line("echo") * 3)
    handled = 0
    deadline = served.loop.now() + 60_000 * MS
    while len(served.handled) < 30:
        served.run(0)
        assert len(served.handled) - handled <= 2  # what ends the round may let one more through
        handled = len(served.handled)
        assert served.loop.now() < deadline
    for client in clients:
        assert len(served.answers(client, 3)) == 3
        client.close()


def test_who_asks_without_end_makes_room_for_who_asks_once(served: Served) -> None:
    greedy = served.connect_all(MOST_CLIENTS)
    for client in greedy:
        client.send(line("echo") * 100)
        served.run(MS)
    with served.connect() as modest:
        assert served.says(modest, line("echo"))["ok"]
    assert len(served.handled) < MOST_CLIENTS * 100
    for client in greedy:
        client.close()


def test_where_all_wait_for_their_first_answer_others_wait_at_the_door(served: Served) -> None:
    first = served.connect_all(MOST_CLIENTS)
    for client in first:
        client.send(line("later"))
        served.run(MS)
    served.until(lambda: len(served.waiting) == MOST_CLIENTS)
    with served.connect() as one_more:
        one_more.send(line("echo"))
        served.run()
        assert len(served.control._clients) == MOST_CLIENTS
        served.waiting[0]({"ok": True})
        first[0].close()
        assert served.answers(one_more)[0]["ok"]
    for client in first:
        client.close()


# Streams.


def emit(served: Served, number: int = 1, size: int = 0) -> None:
    for _ in range(number):
        text = f"event {served.events.next_seq} {'x' * size}".rstrip()
        served.events.emit(Happening("state", text, Level.NOTICE, "www"))


def test_events_are_told_and_that_is_all(served: Served) -> None:
    emit(served, 3)
    with served.connect() as client:
        client.send(line("events", since=1) + line("echo"))
        head, second, third, end, echo = served.answers(client, 5)
        told = {"ok": True, "epoch": "e", "first": 1, "last": 3, "anew": False}
        assert head == {"version": 1, **told}
        assert [second["text"], third["text"]] == ["event 2", "event 3"]
        assert (second["seq"], second["node"], second["epoch"]) == (2, "left", "e")
        assert end == {"end": True}
        assert echo["ok"]


def test_who_follows_is_told_when_something_happens(served: Served) -> None:
    emit(served)
    with served.connect() as client:
        client.send(line("events", follow=True))
        assert [one.get("seq") for one in served.answers(client, 2)] == [None, 1]
        emit(served, 2)
        assert [one["seq"] for one in served.answers(client, 2)] == [2, 3]
        assert not served.hung_up(client)
    served.until(lambda: served.control._followers == [])
    assert served.events._listeners == []


def test_who_follows_may_be_silent_for_ever(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "PATIENCE", 20 * MS)
    with served.connect() as client:
        client.send(line("events", follow=True))
        served.answers(client)
        served.run(100 * MS)
        assert not served.hung_up(client)


@pytest.mark.parametrize(
    ("since", "epoch", "anew", "first"),
    [
        (None, None, False, 1),
        (2, None, False, 3),
        (2, "e", False, 3),
        (3, "e", False, None),
        (2, "of another start", True, 1),
        (99, None, True, 1),
    ],
)
def test_where_a_reader_goes_on(
    served: Served, since: int | None, epoch: str | None, first: int | None, *, anew: bool
) -> None:
    emit(served, 3)
    with served.connect() as client:
        client.send(line("events", since=since, epoch=epoch))
        head, following = served.answers(client, 2)[:2]
        assert (head["anew"], following.get("seq")) == (anew, first)


def test_a_slow_reader_loses_events_and_is_told_how_many(served: Served) -> None:
    with served.connect() as client:
        client.send(line("events", follow=True))
        served.answers(client)
        lost, last, got = 0, 0, 0
        emit(served, 20, 20_000)
        (follower,) = served.control._followers
        # As much as the system keeps for it, and one piece more.
        served.until(lambda: follower._output)
        for _ in range(3 * KEPT):
            emit(served)
        assert len(follower._output) < 50_000
        while last < served.events.next_seq - 1:
            for document in served.answers(client):
                lost += document.get("lost", 0)
                got += "seq" in document
                last = document.get("seq", last)
        assert lost > 0
        assert got + lost == served.events.next_seq - 1


def test_followers_that_do_not_read_make_room(served: Served) -> None:
    followers = []
    for _ in range(MOST_FOLLOWERS):
        followers.append(served.connect())
        followers[-1].send(line("events", follow=True))
        served.answers(followers[-1])
    with served.connect() as one_more:
        answer = served.says(one_more, line("events", follow=True))
        assert f"{MOST_FOLLOWERS} clients follow" in answer["error"]
        assert served.says(one_more, line("echo"))["ok"]
        emit(served)
        for follower in followers[1:]:
            served.answers(follower)
        assert served.says(one_more, line("events", follow=True, since=1))["ok"]
        served.answers(followers[0])  # what it had been sent
        served.until_hung_up(followers[0])
        assert not served.hung_up(followers[1])
    for follower in followers:
        follower.close()


def test_who_follows_and_takes_nothing_is_dropped(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served.connect() as client:
        client.send(line("events", follow=True))
        served.answers(client)
        monkeypatch.setattr(control, "PATIENCE", 20 * MS)
        emit(served, 20, 20_000)
        served.until(lambda: served.control._followers == [])


def test_the_last_words_are_heard(served: Served) -> None:
    with served.connect() as client:
        client.send(line("events", follow=True))
        served.answers(client)
        emit(served)
        served.control.flush()
        assert json.loads(client.recv(4096))["seq"] == 1


def test_all_that_a_follower_can_take_are_its_last_words(served: Served) -> None:
    with served.connect() as client:
        client.send(line("events", follow=True))
        served.answers(client)
        emit(served, 9, 10_000)
        served.control.flush()
        said = b""
        with suppress(BlockingIOError):
            while True:
                said += client.recv(1 << 20)
        assert [json.loads(one)["seq"] for one in said.splitlines()] == [*range(1, 10)]


def test_who_has_said_all_and_does_not_follow_reads_all(served: Served) -> None:
    emit(served, 9, 10_000)
    with served.connect() as client:
        client.send(line("events"))
        client.shutdown(socket.SHUT_WR)
        assert served.answers(client, 11)[-1] == {"end": True}
        served.until_hung_up(client)


def test_a_client_is_owed_its_answer_until_it_has_taken_all(served: Served) -> None:
    with served.connect() as client:
        client.send(line("later"))
        served.until(lambda: served.waiting)
        assert not served.control.owes()
        served.waiting[0]({"ok": True, "text": "x" * (1 << 20)})
        assert served.control.owes()
        served.answers(client)
        assert not served.control.owes()


def test_who_does_not_follow_waits_for_each_line_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, frozen = socket.socketpair()
    with here, frozen, monkeypatch.context() as patch:
        patch.setattr(socket, "socket", lambda *_: here)
        patch.setattr(Connection, "_connect", lambda *_: None)
        frozen.send(b'{"version": 1, "ok": true, "epoch": "e", "anew": false}\n{"seq": 1}\n')
        events = Follower(Path("x"), seconds=0.05).read()
        assert next(events) == {"seq": 1}
        with pytest.raises(AskError, match="is it frozen"):
            next(events)


def test_a_follower_reads_what_there_is(served: Served) -> None:
    emit(served, 3)
    follower = Follower(served.path, since=1)
    with ThreadPoolExecutor(1) as threads:
        read = threads.submit(lambda: list(follower.read()))
        while not read.done():
            served.run(MS)
        assert [one["seq"] for one in read.result()] == [2, 3]
    assert (follower.since, follower.epoch) == (3, "e")


def test_another_user_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with served.connect() as client:
        monkeypatch.setattr(control, "peer_user", lambda _connection: os.geteuid() + 1)
        served.run()
        served.until_hung_up(client)
    assert f"refused user {os.geteuid() + 1}" in served.log.texts[-1]


def test_the_user_of_the_other_end_is_known(served: Served) -> None:
    left, right = socket.socketpair()
    with left, right:
        assert control.peer_user(left) == os.geteuid()


def test_without_descriptors_it_rests_and_goes_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_PAUSE", 20 * MS)
    listener = served.control._listener

    class Short:
        def accept(self) -> None:
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(served.control, "_listener", Short())
    with served.connect() as client:
        monkeypatch.setattr(served.loop, "unwatch", lambda _short: None)
        served.control._accept()
        monkeypatch.undo()
        assert "Too many open files" in served.log.texts[-1]
        served.loop.unwatch(listener)
        assert served.says(client, line("echo"))["ok"]


def test_the_client_says_what_is_wrong(served: Served) -> None:
    with pytest.raises(NotRunningError, match="no daemon listens at /no/such"):
        Connection(Path("/no/such.sock"))
    with Connection(served.path, 0.05) as connection, pytest.raises(AskError, match="frozen"):
        connection.ask("echo")  # nobody runs the loop


def answered(answer: bytes) -> Exception | dict[str, Any]:
    """Ask a server that says `answer` whatever it is asked."""
    with (
        tempfile.TemporaryDirectory(prefix="carpool-") as folder,
        socket.socket(socket.AF_UNIX) as server,
    ):
        path = Path(folder, "x.sock")
        server.bind(str(path))
        server.listen()
        with Connection(path, 60) as connection:
            served, _ = server.accept()
            with served:
                served.sendall(answer)
                served.shutdown(socket.SHUT_WR)
                try:
                    return connection.ask("echo")
                except AskError as error:
                    return error


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (b"", AskError, "hung up"),
        (b"{", AskError, "hung up"),
        (b"rubbish\n", AskError, "breaks off"),
        (b"[]\n", AskError, "another version"),
        (b'{"version": 2, "ok": true}\n', AskError, "another version"),
        (b'{"version": 1, "ok": false, "error": "no"}\n', RefusedError, "no"),
    ],
)
def test_the_client_takes_no_rubbish(answer: bytes, kind: type[AskError], text: str) -> None:
    error = answered(answer)
    assert type(error) is kind
    assert text in str(error)


def test_the_client_takes_an_answer() -> None:
    assert answered(b'{"version": 1, "ok": true}\n') == {"version": 1, "ok": True}
