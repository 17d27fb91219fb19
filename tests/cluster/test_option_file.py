import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carpool.cluster.option_file import OptionFileError, read_option_file, split


@given(st.text("ab \t\n'\"\\=-", max_size=12))
def test_words_are_those_of_the_standard_shlex(text: str) -> None:
    # shlex keeps a backslash and a line end, where a shell joins the lines.
    joined = text.replace("\\\n", "")
    try:
        expected = shlex.split(joined)
    except ValueError:
        if not joined.endswith("\\"):
            with pytest.raises(OptionFileError):
                split(joined)
        return
    assert [word for word, _ in split(joined)] == expected


def test_a_shell_command_line_with_everything() -> None:
    text = """\
# the www address; don't edit
-i net0 \\
  --pass=se#cret  # not a comment before
\t--upscript "/etc/up \\"it\\" \\$x \\q" \\
-x 'two
lines' --ad\\
dr=10.0.0.9 a\\ b ""
-P"""
    assert split(text) == [
        ("-i", 2),
        ("net0", 2),
        ("--pass=se#cret", 3),
        ("--upscript", 4),
        ('/etc/up "it" $x \\q', 4),
        ("-x", 5),
        ("two\nlines", 5),
        ("--addr=10.0.0.9", 6),
        ("a b", 7),
        ("", 7),
        ("-P", 8),
    ]


@pytest.mark.parametrize(("text", "line"), [("'", 1), ('a\n\n"b\\"', 3), ("a 'b\n\n\n", 1)])
def test_a_quote_that_is_not_closed_is_reported_where_it_opens(text: str, line: int) -> None:
    with pytest.raises(OptionFileError, match=rf"^{line}: a quote is opened and not closed"):
        split(text)


def test_a_backslash_at_the_very_end_is_nothing() -> None:
    assert split("a b \\") == [("a", 1), ("b", 1)]


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "ucarp.cfg"
    path.write_bytes(b"-P \\\r\n-z\r\n-x \xff\r\n")
    path.chmod(0o640)
    file = read_option_file(path)
    assert file.words == ("-P", "-z", "-x", "\udcff")
    assert file.lines == (1, 2, 3, 3)
    assert not file.readable_by_all
    path.chmod(0o644)
    assert read_option_file(path).readable_by_all


def test_what_cannot_be_read_is_an_error_with_the_file_in_it(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(OptionFileError, match=r"missing: cannot be read: No such file"):
        read_option_file(missing)
    with pytest.raises(OptionFileError, match="Is a directory"):
        read_option_file(tmp_path)
    with pytest.raises(OptionFileError, match="null byte"):
        read_option_file(Path("a\0b"))
    with pytest.raises(OptionFileError, match="longer than 65536 bytes"):
        read_option_file(Path("/dev/zero"))
    quoted = tmp_path / "quoted"
    quoted.write_text("\n'")
    with pytest.raises(OptionFileError, match=rf"^{quoted}:2: a quote"):
        read_option_file(quoted)
