import getopt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carpool.cli.ucarp_secret import without_passwords
from carpool.cluster.ucarp_words import WITH_VALUE, WITHOUT_VALUE, Mistake, Operand, Option, scan

SHORT = "".join(WITHOUT_VALUE.values()) + "".join(letter + ":" for letter in WITH_VALUE.values())
LONG = [*WITHOUT_VALUE, *(name + "=" for name in WITH_VALUE)]
LETTERS = WITH_VALUE | WITHOUT_VALUE

pieces = st.one_of(
    st.sampled_from(["--", "-", "", "-P", "-p", "-Pp", "-Pzpx", "--pass", "--pass=", "--pas=x"]),
    st.sampled_from(["--passfile=f", "--mcast=1", "--mcastip", "--m=1", "--adv=1", "--preempt=1"]),
    st.text("-ipPvnz=x ", max_size=5),
    st.builds(
        lambda name, cut, value: f"--{name[:cut]}{value}",
        st.sampled_from(sorted(LETTERS)),
        st.integers(1, 12),
        st.sampled_from(["", "=", "=v", "=a=b"]),
    ),
)


def letter_of(spelled: str) -> str:
    return spelled[1] if len(spelled) == 2 else LETTERS[spelled[2:]]


@given(st.lists(pieces, max_size=6))
def test_it_finds_what_the_standard_getopt_finds(words: list[str]) -> None:
    found = list(scan(words))
    try:
        options, operands = getopt.gnu_getopt(words, SHORT, LONG)
    except getopt.GetoptError:
        assert any(isinstance(each, Mistake) for each in found)
        return
    assert [(each.letter, each.value) for each in found if isinstance(each, Option)] == [
        (letter_of(spelled), value) for spelled, value in options
    ]
    assert [each.text for each in found if isinstance(each, Operand)] == operands
    assert not any(isinstance(each, Mistake) for each in found)


def test_with_posixly_correct_options_end_at_the_first_operand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSIXLY_CORRECT", "1")
    words = ["-P", "operand", "-n"]
    assert [type(each) for each in scan(words)] == [Option, Operand, Operand]
    assert getopt.gnu_getopt(words, SHORT, LONG) == ([("-P", "")], ["operand", "-n"])


def test_scanning_goes_on_after_a_mistake() -> None:
    found = list(scan(["--foo", "-q", "--adv", "--preempt=1", "-P", "--vhid"]))
    assert [each.message for each in found if isinstance(each, Mistake)] == [
        "unknown option --foo",
        "unknown option -q",
        "--adv may be --advbase or --advskew",
        "--preempt takes no value",
        "--vhid needs a value",
    ]
    assert [each.letter for each in found if isinstance(each, Option)] == ["P"]


@given(st.lists(pieces, max_size=6))
def test_taking_passwords_out_changes_nothing_else(words: list[str]) -> None:
    passwords = [
        each.value for each in scan(words) if isinstance(each, Option) and each.letter == "p"
    ]
    hideable = [value for value in passwords if value]
    hidden = without_passwords(words, range(10, 10 + len(hideable)))
    numbers = iter(range(10, 10 + len(hideable)))
    expected = [
        ("o", f"/dev/fd/{next(numbers)}")
        if isinstance(each, Option) and each.letter == "p" and each.value
        else (each.letter, each.value)
        if isinstance(each, Option)
        else each.text
        if isinstance(each, Operand)
        else each.message
        for each in scan(words)
    ]
    assert expected == [
        (each.letter, each.value)
        if isinstance(each, Option)
        else each.text
        if isinstance(each, Operand)
        else each.message
        for each in scan(hidden)
    ]
