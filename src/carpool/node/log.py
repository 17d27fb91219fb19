"""The daemon's log: one event, one line, and no line ever holds up an advertisement.

Not the standard `logging`: importing it costs 11 ms and 2 MB, and its handlers wait for whoever
reads them. Here a sink that cannot take a line at once drops it, counts it, and says so later.
"""

import os
import select
import socket
import sys
import syslog
import time
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

LONGEST_LINE = 4096  # bytes with the newline: PIPE_BUF, up to which a pipe takes all or nothing
_SYSLOG_SOCKETS = ("/dev/log", "/var/run/log", "/var/run/syslog")
"""Of Linux and OpenBSD, of FreeBSD and NetBSD, of macOS."""
_MOST_KEYS = 1024  # an outsider may have a say in what a key is made of


class Level(IntEnum):
    """How urgent a line is, by syslog's numbers (RFC 5424, 6.2.1): less is more urgent."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


_FIRST_FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog"),
    *("lpr", "news", "uucp", "cron", "authpriv", "ftp"),
)
FACILITIES = {
    **{name: number for number, name in enumerate(_FIRST_FACILITIES)},
    **{f"local{index}": 16 + index for index in range(8)},
    "security": 4,
}
"""syslog's facilities by name (RFC 5424, 6.2.1; "security" is glibc's old name of auth)."""

_NO_DETAILS: Mapping[str, Any] = {}


class About(NamedTuple):
    """What a line that tells of an event is about; see `carpool.node.events`."""

    kind: str
    group: str | None
    details: Mapping[str, Any]
    seq: int | None
    """The number of the event, None where nobody keeps events."""


Form = Callable[[Level, str, About | None], str]
Keeper = Callable[[str, Level, str, str | None, Mapping[str, Any]], int]
"""Takes an event: its kind, level, text, group and details. Returns its number."""


def dated(level: Level, text: str, _about: About | None = None) -> str:
    """Write a line for a terminal or a file: UTC with milliseconds, level, text."""
    now = time.time_ns()
    day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1_000_000_000))
    return f"{day}.{now // 1_000_000 % 1000:03d}Z {level.name.lower():<7} {text}"


def for_journal(level: Level, text: str, _about: About | None = None) -> str:
    """Write a line for systemd's journal, which dates it and reads the level (sd-daemon(3))."""
    return f"<{level}>{text}"


def like_ucarp(level: Level, text: str, _about: About | None = None) -> str:
    """Write a line as ucarp does in the foreground: local time with microseconds, [LEVEL], text."""
    now = time.time_ns()
    day = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now // 1_000_000_000))
    return f"{day}.{now // 1000 % 1_000_000:06d}: [{level.name}] {text}"


class Sink(Protocol):
    """Where lines go."""

    def write(self, level: Level, text: str) -> None:
        """Take one line at once or drop it; never wait, never raise."""
        ...


class DroppingSink:
    """Counts the lines that cannot be written at once, and reports them with the next that can.

    It is told what a line is about, which other sinks are not.
    """

    def __init__(self) -> None:
        self.dropped = 0
        """Lines lost since the last one that was taken."""
        self.lost = 0
        """Lines lost in all."""

    def write(self, level: Level, text: str, about: About | None = None) -> None:
        """Take one line at once or drop it."""
        lost = f"{self.dropped} log lines were lost here"
        if self.dropped and self._put(Level.WARNING, lost, None):
            self.dropped = 0
        if self.dropped or not self._put(level, text, about):
            self.dropped += 1
            self.lost += 1

    def reopen(self) -> None:
        """Go on in a child that has closed what its parent had open, but for 0 to 2."""

    def leave(self) -> list[str]:
        """Return what waits to be sent, for the program that replaces this one."""
        return []

    def restore(self, waiting: Sequence[str]) -> None:
        """Send what the program before this one has left; to be called before any line."""

    def _put(self, level: Level, text: str, about: About | None) -> bool:
        raise NotImplementedError


class StreamSink(DroppingSink):
    """Lines to an open descriptor: a terminal, a pipe, a file, a socket. Does not close it."""

    def __init__(self, fd: int, form: Form = dated) -> None:
        super().__init__()
        self._fd = fd
        self._form = form
        # Not O_NONBLOCK: that belongs to the open file, which the shell and others share.
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def _put(self, level: Level, text: str, about: About | None) -> bool:
        line = _cut(self._form(level, text, about).encode())
        try:
            ready = self._poll.poll(0)
            if not ready or not ready[0][1] & select.POLLOUT:
                return False
            os.write(self._fd, line + b"\n")
        except OSError:  # the reader has gone, the disk is full, the terminal hung up
            return False
        return True


class SplitSink:
    """Warnings and errors to one sink, the rest to another, as ucarp does in the foreground."""

    def __init__(self, urgent: Sink, rest: Sink) -> None:
        self._urgent = urgent
        self._rest = rest

    def write(self, level: Level, text: str) -> None:
        """Pass one line on."""
        (self._urgent if level <= Level.WARNING else self._rest).write(level, text)


class SyslogSink(DroppingSink):
    """Lines to the syslog daemon of this host, in the form of RFC 3164 unless told otherwise.

    Not the standard `syslog`: it waits for a syslog daemon that has stalled.
    """

    def __init__(
        self,
        ident: str,
        facility: str = "daemon",
        path: str = "/dev/log",
        message: Callable[[Level, str, About | None], bytes] | None = None,
    ) -> None:
        """Raise KeyError for a facility that is not in `FACILITIES`.

        `message` returns what is sent, if it is to be of another form.
        """
        super().__init__()
        self._ident = ident
        self._priority = FACILITIES[facility] * 8
        self._path = path
        self._message = message or self._rfc3164
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def reopen(self) -> None:
        """Open a socket of our own."""
        self._socket.detach()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def _put(self, level: Level, text: str, about: About | None) -> bool:
        try:
            # By name each time, so that a restarted syslog daemon is found again.
            message = _cut(self._message(level, text, about))
            self._socket.sendto(message, socket.MSG_DONTWAIT, self._path)
        except OSError:
            return False
        return True

    def _rfc3164(self, level: Level, text: str, _about: About | None) -> bytes:
        date = time.strftime("%b %e %H:%M:%S")
        return f"<{self._priority + level}>{date} {self._ident}[{os.getpid()}]: {text}".encode()


class LibrarySyslogSink:
    """Lines through syslog(3), where the syslog daemon has no socket: on illumos.

    There it writes to a device of the kernel and does not wait for the daemon.
    """

    def __init__(self, ident: str, facility: str = "daemon") -> None:
        """Take LOG_DAEMON for a facility that this system does not have."""
        number = getattr(syslog, f"LOG_{facility.upper()}", syslog.LOG_DAEMON)
        syslog.openlog(ident, syslog.LOG_PID, number)

    def write(self, level: Level, text: str) -> None:
        """Write one line."""
        syslog.syslog(level, text)


def syslog_sink(
    ident: str,
    facility: str = "daemon",
    message: Callable[[Level, str, About | None], bytes] | None = None,
) -> Sink:
    """Return a sink for the syslog of this system. KeyError for an unknown facility.

    `message` is as `SyslogSink` has it; on illumos the system has a form of its own.
    """
    if _has_syslog_device():
        return LibrarySyslogSink(ident, facility)
    path = _syslog_socket() or _SYSLOG_SOCKETS[0]
    return SyslogSink(ident, facility, path, message)


def syslog_listens() -> bool:
    """Return whether there is a syslog that takes lines now."""
    return _has_syslog_device() or _syslog_socket() is not None


def _syslog_socket() -> str | None:
    """Return the path of the socket of this system's syslog daemon, None if there is none."""
    return next((path for path in _SYSLOG_SOCKETS if os.access(path, os.W_OK)), None)


def _has_syslog_device() -> bool:
    platform: str = sys.platform
    return platform.startswith("sunos")


def _cut(line: bytes) -> bytes:
    return line if len(line) < LONGEST_LINE else line[: LONGEST_LINE - 4] + b"..."


class _Window:
    """What one rate key has done since `opened`."""

    __slots__ = ("level", "lines", "opened", "suppressed", "text")

    def __init__(self, opened: int) -> None:
        self.opened = opened
        self.level = Level.INFO
        self.text = ""  # the last that was suppressed
        self.lines = 0
        self.suppressed = 0


class Log:
    """What the rest of the daemon writes to.

    Lines with the same `key` share a limit of `burst` lines per `interval_ns`; those above it are
    counted, and the count is logged later. Give a key to every line that somebody else can cause
    at will, such as a rejected frame.
    """

    def __init__(
        self,
        *sinks: Sink,
        level: Level = Level.INFO,
        burst: int = 5,
        interval_ns: int = 60_000_000_000,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.sinks = sinks
        """Where lines go. May be replaced at any time."""
        self.level = level
        """The least urgent level that is written."""
        self.keeper: Keeper | None = None
        """Whom `happened` tells; None: nobody."""
        self._burst = burst
        self._interval = interval_ns
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def error(self, text: str, *, key: str | None = None) -> None:
        """Write what needs an operator."""
        self.write(Level.ERROR, text, key=key)

    def warning(self, text: str, *, key: str | None = None) -> None:
        """Write what an operator should look at."""
        self.write(Level.WARNING, text, key=key)

    def notice(self, text: str, *, key: str | None = None) -> None:
        """Write what is normal and matters, such as a change of state."""
        self.write(Level.NOTICE, text, key=key)

    def info(self, text: str, *, key: str | None = None) -> None:
        """Write what is normal."""
        self.write(Level.INFO, text, key=key)

    def debug(self, text: str, *, key: str | None = None) -> None:
        """Write what only somebody who looks for a fault wants."""
        self.write(Level.DEBUG, text, key=key)

    def write(self, level: Level, text: str, *, key: str | None = None) -> None:
        """Write one line, unless it is below the level or above the limit of its key.

        Control characters and line ends in `text` are escaped: one call is one line.
        """
        if level > self.level:
            return
        if key is None or self._admit(level, text, key):
            self._emit(level, text)

    def happened(
        self,
        kind: str,
        level: Level,
        text: str,
        *,
        group: str | None = None,
        key: str | None = None,
        details: Mapping[str, Any] = _NO_DETAILS,
    ) -> None:
        """Write one line as `write` does, and tell the keeper, if any: this is an event.

        The keeper is told of what the limit of `key` admits, also if its level is not written, up
        to INFO. `group`: the one it concerns; "" is none.
        """
        written = level <= self.level
        kept = self.keeper is not None and level <= Level.INFO
        if not (written or kept) or (key is not None and not self._admit(level, text, key)):
            return
        seq = None
        if kept and self.keeper is not None:
            seq = self.keeper(kind, level, escaped(text), group or None, details)
        if written:
            self._emit(level, text, About(kind, group or None, details, seq))

    @property
    def lost(self) -> int:
        """How many lines could not be written, counted once for each place they were to go to."""
        return sum(sink.lost for sink in self.sinks if isinstance(sink, DroppingSink))

    def reopen(self) -> None:
        """Go on in a child that has closed what its parent had open, but for 0 to 2."""
        for sink in self.sinks:
            if isinstance(sink, DroppingSink):
                sink.reopen()

    def leave(self) -> list[str]:
        """Return what waits for a log server, for the program that replaces this one."""
        sinks = (sink for sink in self.sinks if isinstance(sink, DroppingSink))
        return [message for sink in sinks for message in sink.leave()]

    def restore(self, waiting: Sequence[str]) -> None:
        """Send what the program before this one has left, if there still is a log server."""
        for sink in self.sinks:
            if isinstance(sink, DroppingSink):
                sink.restore(waiting)

    def flush(self) -> None:
        """Log how many lines were suppressed. Call it now and then, and before the end."""
        self._forget_old(self._clock())
        for window in self._windows.values():
            self._report(window)

    def _emit(self, level: Level, text: str, about: About | None = None) -> None:
        line = escaped(text)
        for sink in self.sinks:
            if about is not None and isinstance(sink, DroppingSink):
                sink.write(level, line, about)
            else:
                sink.write(level, line)

    def _admit(self, level: Level, text: str, key: str) -> bool:
        now = self._clock()
        self._forget_old(now)
        if key not in self._windows and len(self._windows) >= _MOST_KEYS:
            key = "any other"
        window = self._windows.setdefault(key, _Window(now))
        window.lines += 1
        if window.lines <= self._burst:
            return True
        window.suppressed += 1
        window.level, window.text = level, text
        return False

    def _forget_old(self, now: int) -> None:
        while self._windows:
            oldest = next(iter(self._windows))  # a dict keeps the order of opening
            if now - self._windows[oldest].opened < self._interval:
                break
            self._report(self._windows.pop(oldest))

    def _report(self, window: _Window) -> None:
        if window.suppressed:
            self._emit(window.level, f"suppressed {window.suppressed} similar to: {window.text}")
            window.suppressed = 0


def escaped(text: str) -> str:
    r"""Return `text` with every character that is not printable written as \n, \x1b, \u202e.

    So that nothing that comes from outside can forge a line or drive a terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def stderr_sink() -> StreamSink:
    """Return a sink for standard error, in the journal's form if the journal reads it."""
    return StreamSink(2, for_journal if journal_reads_stderr() else dated)


def journal_reads_stderr() -> bool:
    """Return whether standard error is what systemd has given to us for its journal."""
    status = os.fstat(2)
    return f"{status.st_dev}:{status.st_ino}" == os.environ.get("JOURNAL_STREAM")


def ucarp_sink() -> SplitSink:
    """Return ucarp's foreground: warnings and errors on standard error, others on output."""
    return SplitSink(StreamSink(2, like_ucarp), StreamSink(1, like_ucarp))
