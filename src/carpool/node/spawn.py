"""Starting programs, for scripts and for the system's own commands.

Not the standard `subprocess`: importing it costs 10 ms, and posix_spawn is all it would do here.
"""

import os
import signal
from collections.abc import Mapping

_OURS = frozenset({"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"})
"""What systemd has told us alone: another program (systemctl is one) would answer for us."""


def spawn(
    argv: tuple[str, ...], environment: Mapping[str, str], stdin: int | None = None
) -> tuple[int, int]:
    """Start a program; return its process and group id, and the descriptor of its output.

    The descriptor does not block. `environment` is added to ours, without what is meant for the
    daemon alone. It reads from `stdin`, or nothing. Nothing goes through a shell and PATH is not
    searched. Raises OSError if it cannot be started, ValueError for a zero byte in what it gets.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
    reader, writer = os.pipe()
    try:
        os.set_blocking(reader, False)
        pid = os.posix_spawn(
            argv[0],
            argv,
            {**inherited, **environment},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
                if stdin is None
                else (os.POSIX_SPAWN_DUP2, stdin, 0),
                (os.POSIX_SPAWN_DUP2, writer, 1),
                (os.POSIX_SPAWN_DUP2, writer, 2),
            ],
            setpgroup=0,
            setsigmask=(),
            setsigdef=signal.valid_signals(),
        )
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return pid, reader
