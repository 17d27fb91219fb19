"""Waking those who wait for something to change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Changes:
    """Wakes all who wait when something has changed; told from any thread."""

    def __init__(self) -> None:
        self.closed = False
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def tell(self) -> None:
        """Wake all."""
        for event, loop in tuple(self._waiting.items()):
            loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        """Wake all, for the last time."""
        self.closed = True
        self.tell()

    async def wait(self, over: Callable[[], bool], seconds: float) -> None:
        """Wait for a change, that long at most; not at all if it is `over` already."""
        event = asyncio.Event()
        self._waiting[event] = asyncio.get_running_loop()
        try:
            if not over() and not self.closed:
                async with asyncio.timeout(seconds):
                    await event.wait()
        except TimeoutError:
            pass
        finally:
            del self._waiting[event]
