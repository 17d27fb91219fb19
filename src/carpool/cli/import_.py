"""``carpool import FILE... -o OUT``: a cluster file from payloads and ucarp's set-ups."""

import argparse
import sys
from pathlib import Path

from carpool.cli.check import show
from carpool.cli.paragraphs import Paragraphs
from carpool.cluster.findings import Severity
from carpool.cluster.importing import CannotImportError, import_files
from carpool.cluster.inputs import read_files
from carpool.cluster.new_files import CannotWriteError, write_files

EPILOG = """FILE may be a vmadm payload (JSON), a file of ucarp's options, or Debian's
/etc/network/interfaces; name those of all nodes. What is wrong in them is printed. What is still
wrong in the cluster file stands there in comments, and carpool check tells it again.

The password goes into a file of mode 600 beside OUT, never into OUT.

exit codes: 0 written; 1 written, with errors left to mend; 2 nothing written.
"""


def main(arguments: list[str]) -> int:
    """Import the files and return the exit code."""
    options = parser().parse_args(arguments)
    inputs = read_files(options.files)
    for read in inputs:
        for finding in read.source.findings():
            print(finding, file=sys.stderr)
    path = options.output or Path("cluster.toml")
    try:
        imported = import_files(inputs, path)
        if options.output is None:
            show(imported.text)
        else:
            write_files(imported.text, path, imported.keys, force=options.force)
    except (CannotImportError, CannotWriteError) as error:
        print(f"carpool import: {error}", file=sys.stderr)
        return 2
    left = len(imported.findings)
    errors = any(finding.severity is Severity.ERROR for finding in imported.findings)
    if options.output is not None:
        written = ", ".join(str(file) for file in (path, *imported.keys))
        mend = f"; comments in it say what is left to mend ({left})" if left else ""
        print(f"written: {written}{mend}", file=sys.stderr)
    return 1 if errors else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool import",
        description="Make a cluster file from vmadm payloads and ucarp's set-ups.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a file to import")
    made.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the cluster file to write; without it, it is printed, and no password is written",
    )
    made.add_argument("--force", action="store_true", help="overwrite files that exist")
    return made
