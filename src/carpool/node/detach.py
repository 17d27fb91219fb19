"""Leaving the terminal: what `-B` of ucarp does."""

import os


def open_standard_descriptors() -> None:
    """Open /dev/null on each of descriptors 0 to 2 that is closed.

    A daemon that is started without them would get a socket under one of these numbers, and
    write its log into it. Call it first.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def detach(*, keep_output: bool = False) -> None:
    """Go on as a daemon: in the background, in a session of its own, in the directory /.

    Call it when all that can fail has been done: the command that was started ends here with
    exit code 0. Open descriptors stay open, except that 0 to 2 become /dev/null; with
    `keep_output`, only 0, because 1 and 2 are the service manager's log. The process id changes,
    so there must be no children yet; there must be no threads either. Raises OSError.
    """
    _go_on_as_child()
    os.setsid()
    _go_on_as_child()  # not the leader of the session: it can never get a terminal again
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0,) if keep_output else (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _go_on_as_child() -> None:
    if os.fork():
        os._exit(0)
