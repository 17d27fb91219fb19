"""Whole Ethernet frames through the Berkeley Packet Filter, bpf(4): for sending only.

illumos has it in zones of the brands joyent and joyent-minimal; the BSDs and macOS have it for
root.
"""

import errno
import fcntl
import os
import struct
import sys

_BIOCSETIF = 0x8090426C if sys.platform.startswith("netbsd") else 0x8020426C
"""_IOW('B', 108, struct ifreq): 32 bytes that begin with the name; on NetBSD 144."""
_BIOCSHDRCMPLT = 0x80044275
"""_IOW('B', 117, u_int)."""
_REQUEST_BYTES = 144
_NAME_BYTES = 15
_DEVICES = ("/dev/bpf", *(f"/dev/bpf{number}" for number in range(16)))
"""One for everybody, or numbered ones with a single user each."""


class Bpf:
    """Sends frames on one interface."""

    def __init__(self, interface: str) -> None:
        """Open it. Raises OSError."""
        name = interface.encode()
        if len(name) > _NAME_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        self._fd = _open()
        try:
            fcntl.ioctl(self._fd, _BIOCSETIF, name.ljust(_REQUEST_BYTES, b"\0"))
            # Send our source MAC, and not put the interface's own in its place.
            fcntl.ioctl(self._fd, _BIOCSHDRCMPLT, struct.pack("@I", 1))
        except OSError:
            os.close(self._fd)
            raise

    def send(self, frame: bytes) -> None:
        """Send a frame with its Ethernet header. Raises OSError."""
        os.write(self._fd, frame)

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


def _open() -> int:
    """Return the descriptor of the first device that is free."""
    missing = OSError(errno.ENOENT, "there is no /dev/bpf")
    for path in _DEVICES:
        try:
            return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            missing = error
    raise missing
