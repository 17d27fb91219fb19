"""For how long an address may stay after an advertisement: the rules, held against a table."""

import pytest

from carpool.carp.timing import SECOND, interval, lapse_time
from carpool.node.lease import guarded_time, kernel_lifetime

# advbase, own advskew, dead ratio of the group, the others' least advskew: seconds of each.
TABLE = [
    # The defaults: the kernel is done 2.3 s after the advertisement, the backup comes after 3 s.
    (1, 0, 3, 0, 2, 2.75),
    (1, 100, 3, 0, 2, 2.75),
    (1, 128, 3, 0, 2, 2.75),
    # Demoted: two seconds would not bridge the interval of 1.94 s, so the guard is first.
    (1, 240, 3, 0, 3, 2.90625),
    (2, 0, 3, 0, 5, 5.75),
    (10, 0, 3, 0, 29, 29.75),
    (255, 0, 255, 0, 65024, 65024.75),
    # Less patience than whole seconds can serve.
    (1, 0, 2, 0, 2, 1.75),
    (1, 0, 1, 0, 2, 1.5),
    (0, 48, 3, 48, 1, 0.421875),
    (0, 48, 3, 64, 1, 0.5625),
    (0, 128, 3, 128, 1, 1.25),
    (0, 192, 3, 192, 2, 2.0),
    (0, 4, 3, 4, 1, 0.03515625),
]


@pytest.mark.parametrize(("advbase", "advskew", "dead_ratio", "other", "kernel", "guarded"), TABLE)
def test_the_table(
    advbase: int, advskew: int, dead_ratio: int, other: int, kernel: int, guarded: float
) -> None:
    patience = lapse_time(advbase, other, dead_ratio)
    own = interval(advbase, advskew)
    assert kernel_lifetime(patience, own) == kernel
    assert guarded_time(patience, own) == guarded * SECOND


@pytest.mark.parametrize("dead_ratio", [1, 2, 3, 5])
@pytest.mark.parametrize("advbase", [0, 1, 2, 3, 30])
@pytest.mark.parametrize("advskew", [0, 1, 20, 100, 200, 255])
def test_a_late_advertisement_finds_its_address_and_a_backup_finds_none(
    advbase: int, advskew: int, dead_ratio: int
) -> None:
    patience, own = lapse_time(advbase, advskew, dead_ratio), interval(advbase, advskew)
    seconds, guarded = kernel_lifetime(patience, own), guarded_time(patience, own)
    assert seconds * SECOND >= own + SECOND // 2
    assert guarded >= own * 3 // 2
    assert guarded < patience or patience <= own * 3 // 2
    # A second later the kernel takes off even what the guard has not.
    assert seconds * SECOND <= max(patience, own + SECOND // 2) + SECOND
