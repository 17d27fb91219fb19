"""Passive check results for a Nagios on this host, through its external command file: a FIFO."""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from carpool.notify import wording
from carpool.notify.job import DeliveryError

if TYPE_CHECKING:
    from carpool.notify.job import Job, Notice, Step

_MOST = 512
"""Bytes of one command that a pipe takes whole or not at all on every system (PIPE_BUF)."""
_LEFT_OUT = str.maketrans({"\n": " ", "\r": " ", ";": ",", "|": "/"})


def names(job: Job, notice: Notice) -> tuple[str, str]:
    """Return the host and the service, as Nagios knows them."""
    host = job.keys.get("host") or job.hostname
    service = job.keys.get("service") or ("carpool {group}" if notice.group else "carpool")
    return str(host), str(service).replace("{group}", notice.group or job.node)


def deliver(job: Job, step: Step) -> str:
    """Write a command for each group that is to be told of. Return where it went."""
    path = job.keys["path"]
    step(f"writing to {path}")
    try:
        # Without waiting for a reader: a Nagios that does not run has none.
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise DeliveryError(f"{path}: nobody reads it; is Nagios running?") from None
        raise DeliveryError(f"{path}: {error.strerror}") from None
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            raise DeliveryError(f"{path} is no named pipe; name Nagios' command_file", lasting=True)
        for notice in job.notices:
            os.write(fd, command(job, notice))
    except BlockingIOError:
        raise DeliveryError(f"{path}: it is full; Nagios does not read") from None
    except BrokenPipeError:
        raise DeliveryError(f"{path}: Nagios has closed it") from None
    finally:
        os.close(fd)
    return f"{path} has taken {len(job.notices)} results"


def command(job: Job, notice: Notice) -> bytes:
    """Return the external command PROCESS_SERVICE_CHECK_RESULT for one event."""
    host, service = names(job, notice)
    when = int(datetime.now(UTC).timestamp())
    head = f"[{when}] PROCESS_SERVICE_CHECK_RESULT;{host};{service};{wording.nagios(notice)};"
    output = wording.line(job, notice).translate(_LEFT_OUT)
    return (head + output).encode()[: _MOST - 1] + b"\n"
