"""carpool.pyz, built once for all workers: it takes a second."""

from __future__ import annotations

import fcntl
from functools import cache
from typing import TYPE_CHECKING

from carpool.deploy.program import build

if TYPE_CHECKING:
    from pathlib import Path

folder: Path | None = None
"""Where the workers keep it; conftest.py says."""


@cache
def built() -> bytes:
    assert folder is not None
    made = folder / "carpool.pyz"
    with (folder / "carpool.pyz.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_bytes(build().data)
    return made.read_bytes()
