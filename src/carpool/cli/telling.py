"""Lines for the user of a daemon, on standard error."""

import os
from contextlib import suppress


def tell(text: str) -> None:
    """Write a line; that standard error is on a full disk is no reason not to run."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode(errors="backslashreplace"))
