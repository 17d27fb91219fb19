"""What the kernel can do and Python 3.11 does not wrap, by way of the C library."""

import ctypes
import os
from errno import EPERM
from functools import cache


def call(name: str, *arguments: object) -> None:
    """Call a function that returns 0 if it has done it. Raises OSError if not."""
    if getattr(_libc(), name)(*arguments) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno or EPERM, os.strerror(errno or EPERM), name)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
