"""``carpool check FILE...``: everything that is wrong in files, and between them."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from carpool.cli.paragraphs import Paragraphs
from carpool.cluster.findings import Finding, Rule, Severity
from carpool.cluster.inputs import check_files

EPILOG = """A file may be a cluster file (TOML), a vmadm payload (JSON), a file of ucarp's options,
or Debian's /etc/network/interfaces; what it is shows in its content. Several files are also held
against each other. `carpool explain CODE` tells more of a finding.

exit codes: 0 nothing found, or only warnings; 1 warnings, with --strict; 2 errors.
"""


def main(arguments: list[str]) -> int:
    """Check the files, print what was found, and return the exit code."""
    options = parser().parse_args(arguments)
    found = check_files(options.files, secrets=not options.no_passwords, loss=options.loss)
    findings = [finding for finding in found if finding.code not in options.ignore]
    show(FORMATS[options.format](findings))
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    warnings = len(findings) - errors
    if options.format == "text":
        print(_summary(len(options.files), errors, warnings), file=sys.stderr)
    if errors:
        return 2
    return 1 if warnings and options.strict else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool check",
        description="Tell everything that is wrong in the files, and between them.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a file to check")
    made.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings")
    made.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="text: FILE:LINE:COLUMN: ..., as editors read it (default); json; "
        "github: annotations of a GitHub workflow",
    )
    made.add_argument(
        "--json", action="store_const", const="json", dest="format", help="same as --format json"
    )
    made.add_argument(
        "--ignore",
        metavar="CODE,...",
        type=_codes,
        action="extend",
        default=[],
        help="leave out what has one of these codes",
    )
    made.add_argument(
        "--no-passwords",
        action="store_true",
        help="do not read password files, which may not be where the check runs",
    )
    made.add_argument(
        "--loss",
        metavar="PERCENT",
        type=_percent,
        default=0.0,
        help="tell which groups fail over without a fault more than once a day where the network "
        "loses that many of all frames, and the dead_ratio that bears it",
    )
    return made


def show(text: str) -> None:
    """Print ``text``, also where it has characters that the terminal's encoding lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def text_lines(findings: Sequence[Finding]) -> str:
    """Return one line for each finding, in the form that compilers use."""
    return "".join(f"{finding}\n" for finding in findings)


def json_text(findings: Sequence[Finding]) -> str:
    """Return a JSON object with the findings and how many there are."""
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    listed = [
        {
            "code": finding.code,
            "severity": finding.severity.value,
            "file": None if finding.file is None else str(finding.file),
            "line": finding.line,
            "column": finding.column,
            "key": finding.key,
            "message": finding.message,
            "mend": finding.mend,
        }
        for finding in findings
    ]
    counts = {"errors": errors, "warnings": len(findings) - errors}
    return json.dumps({"findings": listed, **counts}, indent=2) + "\n"


def github_lines(findings: Sequence[Finding]) -> str:
    """Return workflow commands that annotate the lines of a pull request."""
    titles = {rule.code: rule.title for rule in Rule}
    lines = []
    for finding in findings:
        properties = {
            "file": finding.file,
            "line": finding.line,
            "col": finding.column,
            "title": f"{finding.code}: {titles[finding.code]}",
        }
        listed = ",".join(
            f"{name}={_escape(str(value), ':,')}"
            for name, value in properties.items()
            if value is not None
        )
        key = f"{finding.key}: " if finding.key else ""
        message = _escape(f"{key}{finding.message}; {finding.mend}")
        lines.append(f"::{finding.severity.value} {listed}::{message}\n")
    return "".join(lines)


FORMATS = {"text": text_lines, "json": json_text, "github": github_lines}


def _escape(text: str, also: str = "") -> str:
    """Escape what would end a workflow command, or one of its properties."""
    for character in f"%\r\n{also}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _codes(text: str) -> list[str]:
    codes = [code.strip().upper() for code in text.split(",")]
    known = {rule.code for rule in Rule}
    for code in codes:
        if code not in known:
            raise argparse.ArgumentTypeError(f"there is no code {code!r}; see carpool explain")
    return codes


def _percent(text: str) -> float:
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1
    if not 0 <= percent <= 90:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage from 0 to 90")
    return percent / 100


def _summary(files: int, errors: int, warnings: int) -> str:
    def count(number: int, thing: str) -> str:
        return f"{number} {thing}{'s' * (number != 1)}"

    found = f"{count(errors, 'error')}, {count(warnings, 'warning')}"
    return f"{count(files, 'file')} checked: {found if errors or warnings else 'no mistake found'}"
