"""What people read at 3 a.m."""

from __future__ import annotations

from tests.notify.support import NOW, job, notice

from carpool.notify.wording import body, line, subject


def test_the_subject_says_who_what_and_which() -> None:
    assert subject(job("mail")) == "[carpool] www: web2 is MASTER now (192.168.0.200)"
    backup = notice(details={"to": "BACKUP", "from": "MASTER"})
    assert subject(job("mail", backup)) == "[carpool] www: web2 is BACKUP now"
    conflict = notice(kind="conflict", text="www: 192.168.0.200 is used by 52:54:00:00:00:01")
    assert subject(job("mail", conflict)) == "[carpool] www: conflict on web2"
    assert subject(job("mail", conflict, conflict)) == "[carpool] www: 2 events on web2"
    both = subject(job("mail", notice(), conflict))
    assert both == "[carpool] www: web2 is MASTER now (192.168.0.200)"
    many = [notice(group=f"g{number}") for number in range(17)]
    assert subject(job("mail", *many)) == "[carpool] 17 groups changed on web2, master of 17"


def test_whoever_was_master_before_is_named() -> None:
    lost = notice(
        details={
            "from": "MASTER",
            "to": "BACKUP",
            "cause": "a less demoted master from 192.168.0.201 (0, ours is 10)",
        },
        now={**NOW, "state": "BACKUP", "demotions": ["check web"]},
    )
    text = body(job("mail", lost))
    assert "web2 is not master of group www: it is BACKUP since 2026-01-02 03:04:05 UTC." in text
    assert "Why:        a less demoted master from 192.168.0.201 [web1] (0, ours is 10)" in text
    assert "Before:     web2 was master" in text
    assert "Demoted:    check web" in text
    first = notice(details={"master": None})
    assert "Before:     web2 was BACKUP\n" in body(job("mail", first))


def test_what_is_no_longer_so_is_told() -> None:
    late = notice(now={**NOW, "state": "BACKUP"})
    assert "Meanwhile:  web2 is BACKUP" in body(job("mail", late))


def test_many_events_have_a_line_each() -> None:
    many = [notice(group=f"g{number}") for number in range(200)]
    text = body(job("mail", *many))
    assert len(text.splitlines()) == 202
    assert text.startswith("g0: OK: web2 is MASTER of 192.168.0.200 - no master heard")


def test_a_test_cannot_be_taken_for_the_real_thing() -> None:
    told = job("mail", notice(kind="test", text="www: a test"))
    assert subject(told) == "[carpool] test from web2"
    assert "Nothing has happened" in body(told)
    assert line(told, told.notices[0]) == "OK: test from web2, nothing has happened"
