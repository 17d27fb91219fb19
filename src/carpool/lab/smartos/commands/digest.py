"""digest: message digests, as illumos has them where Linux has sha256sum."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.stage import CommandError


def main(words: Sequence[str]) -> int:
    """Print the digest of each file, or of standard input."""
    options, files = read.options(words, "a:lv")
    name = options.get("-a", "")
    if name not in ("md5", "sha1", "sha256", "sha384", "sha512"):
        raise CommandError(f"unsupported algorithm: {name!r}", read.USAGE)
    for data in [Path(file).read_bytes() for file in files] or [sys.stdin.buffer.read()]:
        print(hashlib.new(name, data, usedforsecurity=False).hexdigest())
    return 0
