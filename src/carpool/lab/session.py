"""A run of the lab: namespaces, a folder that goes with them, and no traceback for the user."""

import sys
from collections.abc import Callable
from pathlib import Path

from carpool.lab.namespaces import LabError, inside, private_folder
from carpool.netlink import NetlinkError


def in_lab(main: Callable[[Path], int]) -> int:
    """Run `main` in namespaces of its own, with an empty folder, and return its exit code.

    What it raises as LabError or NetlinkError is told on standard error: exit code 2. A reader of
    its output that has gone ends it with 1. Raises LabError where namespaces are not to be had.
    """

    def run() -> int:
        try:
            with private_folder() as folder:
                return main(folder)
        except (LabError, NetlinkError) as error:
            print(f"carpool lab: {reason(error)}", file=sys.stderr)
            return 2
        except BrokenPipeError:
            return 1

    return inside(run)


def reason(error: LabError | NetlinkError) -> str:
    """Return the text of an error, without a number."""
    return str(error.strerror) if isinstance(error, NetlinkError) else str(error)
