"""Waiting for file descriptors: epoll(7) where there is one, else poll(2).

What the module selectors does, without what this daemon has no use for: it is what each wake-up
begins and ends with, and an idle one pays for every function that it has to fetch from memory.
"""

import select
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

Callback = Callable[[], None]


class HasFileno(Protocol):
    """A socket, a file: anything with a file descriptor."""

    def fileno(self) -> int:
        """Return the file descriptor."""
        ...


class Watched:
    """A descriptor that is watched, and what to call when it is ready."""

    __slots__ = ("callback", "fd", "source")

    def __init__(self, source: int | HasFileno, fd: int, callback: Callback) -> None:
        self.source = source
        self.fd = fd
        self.callback = callback


class Poller:
    """The descriptors of one loop."""

    def __init__(self) -> None:
        """Watch nothing."""
        # Not kqueue or /dev/poll where there is no epoll: they do not survive the fork of a daemon
        # that detaches.
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._poll = select.poll() if self._epoll is None else None
        self._by_fd: dict[int, Watched] = {}

    @property
    def waitable(self) -> int | None:
        """A descriptor that is itself readable when one of the watched is ready, if there is."""
        return None if self._epoll is None else self._epoll.fileno()

    def watch(
        self, source: int | HasFileno, callback: Callback, *, for_writing: bool = False
    ) -> None:
        """Watch `source`. Raises KeyError if it is watched already, ValueError if it is closed."""
        fd = _descriptor(source)
        if fd in self._by_fd:
            raise KeyError(f"descriptor {fd} is watched already")
        # The same bits in both.
        events = select.POLLOUT if for_writing else select.POLLIN
        if self._epoll is not None:
            self._epoll.register(fd, events)
        elif self._poll is not None:
            self._poll.register(fd, events)
        self._by_fd[fd] = Watched(source, fd, callback)

    def unwatch(self, source: int | HasFileno) -> None:
        """Stop watching `source`, which may be closed by now. Raises KeyError if it is not."""
        fd = self._find(source).fd
        del self._by_fd[fd]
        if self._poll is not None:
            self._poll.unregister(fd)
        elif self._epoll is not None:
            with suppress(OSError):  # It was closed, which ended that as well.
                self._epoll.unregister(fd)

    def ready(self, seconds: float | None) -> list[Watched]:
        """Wait for so long at most, None: for ever; return what is ready, or has ended."""
        by_fd = self._by_fd
        if self._epoll is not None:
            found = self._epoll.poll(seconds, len(by_fd) or 1)
        else:
            assert self._poll is not None
            found = self._poll.poll(None if seconds is None else seconds * 1000)
        return [by_fd[fd] for fd, _ in found if fd in by_fd] if found else []

    def holds(self, watched: Watched) -> bool:
        """Tell whether it is watched still: its descriptor may have been closed and used anew."""
        return self._by_fd.get(watched.fd) is watched

    def close(self) -> None:
        """Close what it opened; what was watched stays open."""
        self._by_fd.clear()
        if self._epoll is not None:
            self._epoll.close()

    def _find(self, source: int | HasFileno) -> Watched:
        try:
            return self._by_fd[_descriptor(source)]
        except ValueError:
            for one in self._by_fd.values():
                if one.source is source:
                    return one
            raise


def _descriptor(source: int | HasFileno) -> int:
    fd = source if isinstance(source, int) else source.fileno()
    if fd < 0:
        raise ValueError(f"{source!r} is not open")
    return fd
