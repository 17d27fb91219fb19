"""Who reads the terminal: process groups, so that shells in a zone have job control.

Process 1 of the lab is of a process group outside of its process namespace, and cannot give the
terminal back to a group that it cannot name. So it makes one of its own. Source: credentials(7),
pid_namespaces(7), tcsetpgrp(3).
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def in_foreground() -> bool:
    """Return whether standard input is a terminal, and ours to read."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def take_terminal() -> None:
    """Be the terminal's foreground, whoever was; without a terminal do nothing."""
    # From the background this would stop us.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with suppress(OSError, ValueError):
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    signal.signal(signal.SIGTTOU, before)


@contextmanager
def terminal_lent() -> Iterator[None]:
    """Take the terminal back when done, from whom it was lent to."""
    try:
        yield
    finally:
        take_terminal()


def borrow_terminal() -> None:
    """Put this process in a group of its own, in the foreground."""
    os.setpgid(0, 0)
    take_terminal()
