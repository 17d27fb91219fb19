"""Reasons for which a node is demoted, and what they add up to."""

import pytest

from carpool.node.demotions import Demotions


def test_reasons_add_up_and_go_one_by_one() -> None:
    demotions = Demotions()
    assert demotions.change("web", 10) == "demoted by 10: web"
    assert demotions.change("db", 5) == "demoted by 5: db (15 in all)"
    assert demotions.change("web", 0) == "no longer demoted: web"
    assert demotions.total == 5
    assert demotions.change("db", 0) == "no longer demoted: db"
    assert (demotions.total, demotions.amounts) == (0, {})


def test_a_reason_amounts_to_what_was_said_last() -> None:
    demotions = Demotions()
    demotions.change("web", 10)
    assert demotions.change("web", 20) == "demoted by 20: web"
    assert demotions.total == 20


def test_what_is_so_already_changes_nothing() -> None:
    demotions = Demotions()
    assert demotions.change("web", 0) is None
    demotions.change("web", 10)
    assert demotions.change("web", 10) is None


def test_many_reasons_never_forbid_what_none_of_them_forbids() -> None:
    demotions = Demotions()
    demotions.change("web", 200)
    demotions.change("db", 200)
    assert demotions.total == 254


def test_one_reason_that_forbids_is_enough() -> None:
    demotions = Demotions()
    demotions.change("web", 10)
    assert demotions.change("maintenance", 255) == "must not be master: maintenance"
    assert demotions.total == 255
    assert demotions.change("maintenance", 0) == "no longer demoted: maintenance"
    assert demotions.total == 10


@pytest.mark.parametrize("amount", [-1, 256])
def test_another_amount_is_a_mistake(amount: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 255"):
        Demotions().change("web", amount)
