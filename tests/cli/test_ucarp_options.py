import os
import re
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carpool.cli.ucarp_options import USAGE, Parsed, UcarpOptions, parse
from carpool.cluster.ucarp_words import WITH_VALUE, WITHOUT_VALUE

REQUIRED = ["-s", "10.0.0.1", "-v", "1", "-p", "secret", "-a", "10.0.0.9"]


def options(*extra: str, required: Sequence[str] = REQUIRED) -> UcarpOptions:
    parsed = parse([*required, *extra])
    assert parsed.errors == ()
    assert parsed.exit_code == 0
    assert parsed.options is not None
    return parsed.options


def refused(*extra: str, required: Sequence[str] = REQUIRED) -> Parsed:
    parsed = parse([*required, *extra])
    assert parsed.options is None
    assert parsed.errors
    return parsed


def test_defaults_are_ucarps() -> None:
    assert options() == UcarpOptions(
        source=IPv4Address("10.0.0.1"),
        vhid=1,
        password=b"secret",
        address=IPv4Address("10.0.0.9"),
        interface=None,
        multicast=IPv4Address("224.0.0.18"),
        preempt=False,
        neutral=False,
        advbase=1,
        advskew=0,
        upscript=None,
        downscript=None,
        dead_ratio=3,
        debug=False,
        shutdown=False,
        daemonize=False,
        ignore_link=False,
        broadcast=False,
        facility="daemon",
        xparam=None,
    )


EVERY_VALUE = {
    ("-i", "--interface"): ("eth7", "interface", "eth7"),
    ("-s", "--srcip"): ("10.0.0.2", "source", IPv4Address("10.0.0.2")),
    ("-m", "--mcastip"): ("224.0.0.19", "multicast", IPv4Address("224.0.0.19")),
    ("-v", "--vhid"): ("42", "vhid", 42),
    ("-p", "--pass"): ("other", "password", b"other"),
    ("-a", "--addr"): ("10.0.0.8", "address", IPv4Address("10.0.0.8")),
    ("-b", "--advbase"): ("5", "advbase", 5),
    ("-k", "--advskew"): ("50", "advskew", 50),
    ("-u", "--upscript"): ("/etc/up.sh", "upscript", "/etc/up.sh"),
    ("-d", "--downscript"): ("/etc/down.sh", "downscript", "/etc/down.sh"),
    ("-r", "--deadratio"): ("4", "dead_ratio", 4),
    ("-f", "--facility"): ("Local3", "facility", "local3"),
    ("-x", "--xparam"): ("x y", "xparam", "x y"),
}
EVERY_FLAG = {
    ("-P", "--preempt"): "preempt",
    ("-n", "--neutral"): "neutral",
    ("-D", "--debug"): "debug",
    ("-z", "--shutdown"): "shutdown",
    ("-B", "--daemonize"): "daemonize",
    ("-S", "--ignoreifstate"): "ignore_link",
    ("-M", "--nomcast"): "broadcast",
}


def test_these_tests_know_every_option() -> None:
    tested = {*EVERY_VALUE, *EVERY_FLAG} | {
        ("-o", "--passfile"),
        ("-h", "--help"),
    }
    assert {
        (f"-{letter}", f"--{name}") for name, letter in (WITH_VALUE | WITHOUT_VALUE).items()
    } == tested
    assert len(tested) == 22


@pytest.mark.parametrize("pair", EVERY_VALUE)
def test_an_option_with_a_value_in_every_spelling(pair: tuple[str, str]) -> None:
    short, long = pair
    text, field, value = EVERY_VALUE[pair]
    for spelling in ([short, text], [short + text], [long, text], [f"{long}={text}"]):
        changed = options(*spelling)
        assert getattr(changed, field) == value
        assert getattr(options(), field) != value


@pytest.mark.parametrize("pair", EVERY_FLAG)
def test_an_option_without_a_value_in_both_spellings(pair: tuple[str, str]) -> None:
    for spelling in pair:
        assert getattr(options(spelling), EVERY_FLAG[pair]) is True


def test_letters_run_together_abbreviations_and_mcast() -> None:
    parsed = options("-PzBk7", "--mcast", "224.0.1.1", "--adv" + "b=2", "--dead=9")
    assert (parsed.preempt, parsed.shutdown, parsed.daemonize) == (True, True, True)
    assert (parsed.advskew, parsed.advbase, parsed.dead_ratio) == (7, 2, 9)
    assert parsed.multicast == IPv4Address("224.0.1.1")


def test_the_examples_of_the_manual() -> None:
    first = options(
        *("-i", "eth0", "-s", "10.1.1.10", "-v", "10", "-p", "secret", "-a", "10.1.1.252"),
        *("--upscript=/etc/vip-up.sh", "--downscript=/etc/vip-down.sh", "-P"),
        required=(),
    )
    assert first.preempt
    assert first.upscript == "/etc/vip-up.sh"
    second = options(
        *("-b", "5", "-k", "50", "-s", "192.168.1.20", "-v", "27", "-p", "badpass"),
        *("-a", "10.1.12.7", "-u", "/etc/vip-up.sh", "-d", "/etc/vip-down.sh", "-z"),
        required=(),
    )
    assert (second.interface, second.advbase, second.advskew) == (None, 5, 50)


@pytest.mark.parametrize(
    ("text", "number"), [("0x10", 16), ("0X1f", 31), ("010", 8), ("0", 0), ("+7", 7), (" 9", 9)]
)
def test_numbers_are_read_as_strtoul_reads_them(text: str, number: int) -> None:
    assert options("-k", text).advskew == number


@pytest.mark.parametrize(
    ("option", "low", "high"), [("-v", 1, 255), ("-b", 0, 255), ("-k", 0, 255), ("-r", 1, 255)]
)
def test_every_number_out_of_range_is_refused_with_its_range(
    option: str, low: int, high: int
) -> None:
    for text in (str(low - 1), str(high + 1), "-300", "4294967297", "0xffff", "9" * 5000):
        parsed = refused(option, text)
        assert parsed.exit_code == 1
        (error,) = parsed.errors
        assert error.startswith(f"{option}: ")
        assert error.endswith(f"use {low} to {high}")
        assert len(error) < 120
    for good in (low, high):
        extra = ["-k", "1"] if option == "-b" else ["-b", "2"] if option == "-k" else []
        options(*extra, option, str(good))


@pytest.mark.parametrize(
    "text", ["", " ", "1x", "0x", "1.5", "one", "1_0", "0b1", "0o7", "٣", "--1"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    assert "is not a number; use 0 to 255" in refused(f"--advskew={text}").errors[0]


def test_a_leading_zero_is_explained() -> None:
    assert "a leading 0 means octal" in refused("-b", "08").errors[0]


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.256", "10.0.0.01", "host", "10.0.0.1/24"])
@pytest.mark.parametrize("option", ["-s", "-a", "-m"])
def test_what_is_no_address_is_refused(option: str, text: str) -> None:
    parsed = refused(option, text)
    assert parsed.exit_code == 1
    assert f"{option}: {text!r} is not an IPv4 address; write it as in" in parsed.errors[0]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["-a", "fd00::1"], "carpool run"),
        (["-s", "0.0.0.0"], "not the address of one host"),
        (["-a", "224.0.0.1"], "not the address of one host"),
        (["-a", "255.255.255.255"], "not the address of one host"),
        (["--mcast=10.0.0.1"], "not a multicast group"),
        (["-a", "10.0.0.1"], "as --addr and as --srcip"),
        (["-b", "0"], "no interval"),
        (["-b", "255", "-k", "255"], "a node leaves"),
        (["-p", ""], "a password has 1 to 20"),
        (["-p", "two\nlines"], "a password has 1 to 20"),
    ],
)
def test_values_that_cannot_work_are_refused(extra: list[str], words: str) -> None:
    parsed = refused(*extra)
    assert parsed.exit_code == 1
    assert not parsed.usage
    assert words in " ".join(parsed.errors)


def test_everything_that_is_missing_is_named() -> None:
    parsed = refused("-P", required=())
    assert parsed.exit_code == 1
    assert [re.search("--[a-z]+", error)[0] for error in parsed.errors] == [  # type: ignore[index]
        "--vhid",
        "--passfile",
        "--srcip",
        "--addr",
    ]


def test_all_mistakes_are_reported_at_once_and_a_wrong_value_is_not_also_missing() -> None:
    parsed = refused("-v", "0", "-s", "x", "-k", "999", "-q", "--typo", required=())
    assert len(parsed.errors) == 7
    assert sum("missing" in error for error in parsed.errors) == 2


def test_help_and_no_arguments_print_the_usage_with_exit_code_0() -> None:
    for arguments in ([], ["-h"], ["--help"], ["-i", "eth0", "--he", "-v", "999"]):
        assert parse(arguments) == Parsed(None, usage=True)
    for name, letter in (WITH_VALUE | WITHOUT_VALUE).items():
        assert f"-{letter}, --{'mcast' if letter == 'm' else name}" in USAGE


@pytest.mark.parametrize("unknown", ["-q", "--quick", "--adv=1", "--preempt=yes", "-Pq", "-k"])
def test_an_unknown_option_is_an_error_with_the_usage(unknown: str) -> None:
    parsed = refused(unknown)
    assert (parsed.exit_code, parsed.usage) == (1, True)


def test_facilities() -> None:
    assert options("-f", "none").facility is None
    assert options("-f", "NONE").facility is None
    assert options("--facility=authpriv").facility == "authpriv"
    parsed = parse([*REQUIRED, "-f", "bogus"])
    assert parsed.options is not None
    assert parsed.options.facility == "daemon"
    assert "syslog has no facility 'bogus'" in parsed.warnings[0]


def test_scripts_are_found_again_from_another_directory() -> None:
    assert options("-u", "up.sh").upscript == str(Path.cwd() / "up.sh")
    assert options("-u", "/etc/up.sh", "-u", "").upscript is None


def test_missing_scripts_and_stray_words_are_warned_about_without_repeating_them() -> None:
    assert parse(REQUIRED).warnings == (
        "no script called when going up",
        "no script called when going down",
    )
    warnings = parse([*REQUIRED, "-u", "/u", "-d", "/d", "secret2", "--", "@x"]).warnings
    assert warnings == (
        "argument 13 is not an option, and ignored",
        "argument 15 is not an option, and ignored",
    )


def test_a_password_of_20_bytes_is_for_kernels_and_one_of_21_for_nobody() -> None:
    assert parse([*REQUIRED, "-p", "x" * 19]).warnings == parse(REQUIRED).warnings
    parsed = parse([*REQUIRED, "-p", "x" * 20])
    assert parsed.options is not None
    assert "not with ucarp" in parsed.warnings[0]
    parsed = refused("-p", "x" * 21)
    assert parsed.exit_code == 2
    assert "x" * 21 not in parsed.errors[0]
    assert refused("-p", "x" * 21, "-v", "0").exit_code == 1


def test_a_password_shows_nowhere() -> None:
    assert "secret" not in repr(options())
    for extra in (["-v", "0"], ["-q"], ["-p", "secret\n"], ["-p", "secret" * 10]):
        assert "secret" not in repr(refused(*extra))


@pytest.fixture
def passfile(tmp_path: Path) -> Path:
    path = tmp_path / "pass"
    path.write_bytes(b"from file\nsecond line\n")
    path.chmod(0o600)
    return path


def test_of_password_and_passfile_the_last_one_counts(passfile: Path) -> None:
    assert options("-o", str(passfile)).password == b"from file"
    assert options(f"--passfile={passfile}", "-p", "last").password == b"last"


def test_a_passfile_that_cannot_be_used_is_an_error(passfile: Path) -> None:
    parsed = refused("-o", str(passfile.with_name("missing")))
    assert parsed.exit_code == 1
    assert "missing: the password file does not exist" in parsed.errors[0]
    passfile.chmod(0o644)
    assert "chmod 600" in refused("-o", str(passfile)).errors[0]
    passfile.chmod(0o600)
    passfile.write_bytes(b"\n")
    assert "empty" in refused("-o", str(passfile)).errors[0]


def test_an_inherited_pipe_with_the_password_is_closed_after_reading() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"piped\n")
    os.close(writer)
    assert options("-o", f"/dev/fd/{reader}").password == b"piped"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)


CONFIG = """\
# ucarp.cfg, as in the article
--interface=net0 \\
--srcip=10.0.0.1 --vhid=1 \\
--pass='a b' \\
--addr=10.0.0.9 -P
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ucarp.cfg"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


def test_a_file_of_options_mixes_with_others_in_order(config: Path) -> None:
    parsed = options("-v", "9", "-k", "3", f"@{config}", "-i", "net1", required=())
    assert (parsed.vhid, parsed.advskew, parsed.interface) == (1, 3, "net1")
    assert parsed.password == b"a b"
    assert parsed.preempt


def test_mistakes_in_a_file_carry_file_and_line(config: Path) -> None:
    config.write_text("-P \\\n--vhid=300 \\\n\n -q @other stray --advbase")
    parsed = refused(f"@{config}")
    assert parsed.errors == (
        f"{config}:2: --vhid: 300 is out of range; use 1 to 255",
        f"{config}:4: unknown option -q",
        f"{config}:4: a file of options cannot name another one; write it out here",
        f"{config}:4: --advbase needs a value",
    )
    assert f"{config}:4: is not an option, and ignored" in parsed.warnings


def test_a_file_with_a_password_that_everybody_may_read_is_warned_about(config: Path) -> None:
    assert not any("chmod" in warning for warning in parse([f"@{config}"]).warnings)
    config.chmod(0o644)
    parsed = parse([f"@{config}"])
    assert parsed.options is not None
    assert parsed.warnings[0].endswith(
        f"every user of this host may read it; run: chmod 600 {config}"
    )
    config.write_text(CONFIG.replace("--pass='a b'", ""))
    assert not any("chmod" in warning for warning in parse([f"@{config}"]).warnings)


def test_a_missing_file_of_options_is_an_error(tmp_path: Path) -> None:
    parsed = refused(f"@{tmp_path}/missing")
    assert parsed.exit_code == 1
    assert "missing: cannot be read" in parsed.errors[0]


def test_a_word_with_an_at_sign_is_a_file_only_where_an_option_may_stand() -> None:
    assert options("-x", "@home").xparam == "@home"


words = st.one_of(
    st.sampled_from([*REQUIRED, "--", "-h", "-k", "--pass=x", "-m", "@/dev/null", "255"]),
    st.text(max_size=6).filter(lambda text: not text.startswith("@")),
    st.text("-ivsapkPh0159.=", max_size=8),
)


@given(st.lists(words, max_size=8))
def test_any_words_give_options_or_reasons(arguments: list[str]) -> None:
    parsed = parse(arguments)
    assert (parsed.options is None) == bool(parsed.errors or parsed.usage)
    assert (parsed.exit_code == 0) == (not parsed.errors)
