"""uname: a SmartOS, to those who look."""

import socket
from collections.abc import Sequence

from carpool.lab.smartos.commands import words as read


def main(words: Sequence[str]) -> int:
    """Print what is asked for."""
    options, _ = read.options(words, "asnrvmpiov")
    known = {
        "-s": "SunOS",
        "-n": socket.gethostname(),
        "-r": "5.11",
        "-v": "joyent_20240101T000000Z",
        "-m": "i86pc",
        "-p": "i386",
        "-i": "i86pc",
        "-o": "illumos",
    }
    wanted = known if "-a" in options else options or {"-s": ""}
    print(" ".join(value for name, value in known.items() if name in wanted))
    return 0
