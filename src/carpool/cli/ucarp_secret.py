"""Takes a password off this process's command line, where every user of the host could read it."""

import os
import sys
from collections.abc import Sequence

from carpool.cluster.ucarp_words import Option, scan

_LONGEST = 20  # bytes of a CARP key


def hide_password(arguments: Sequence[str], orig_argv: Sequence[str]) -> None:
    """Start this program again, in this same process, without the password of `-p` in its words.

    `arguments` are ucarp's options, the last of `orig_argv`, which is `sys.orig_argv`. Each
    `-p SECRET`, however it is spelled, becomes `--passfile=/dev/fd/N`: a pipe that only this
    process has open. Returns if there is nothing to hide. Call it before anything is opened or
    imported that takes time: until then the password shows.
    """
    prefix = list(orig_argv[: len(orig_argv) - len(arguments)])
    secrets = _secrets(arguments)
    if not secrets or [*prefix, *arguments] != list(orig_argv) or not sys.executable:
        return
    hidden = without_passwords(arguments, [_pipe_with(secret.value) for secret in secrets])
    command = [sys.executable, *prefix[1:], *hidden]
    try:
        os.execv(sys.executable, command)  # noqa: S606 - our own command line, and no shell wanted
    except OSError as error:
        sys.exit(
            f"carpool ucarp: cannot hide the password of -p: {error.strerror}; use --passfile=FILE"
        )


def without_passwords(arguments: Sequence[str], descriptors: Sequence[int]) -> list[str]:
    """Return `arguments` with the passwords replaced, in order, by what reads `descriptors`."""
    words: list[str] = []
    done = 0
    for secret, descriptor in zip(_secrets(arguments), descriptors, strict=True):
        words += arguments[done : secret.first]
        if secret.offset > 1:  # -PpSECRET: the letters before stay
            words.append(arguments[secret.first][: secret.offset])
        words.append(f"--passfile=/dev/fd/{descriptor}")
        done = secret.end
    return [*words, *arguments[done:]]


def _secrets(arguments: Sequence[str]) -> list[Option]:
    """Return the passwords that can be one; the others are refused later, and that is the end."""
    return [
        found
        for found in scan(arguments)
        if isinstance(found, Option)
        and found.letter == "p"
        and 0 < len(os.fsencode(found.value)) <= _LONGEST
        and "\n" not in found.value
    ]


def _pipe_with(password: str) -> int:
    reader, writer = os.pipe()
    os.write(writer, os.fsencode(password) + b"\n")
    os.close(writer)
    os.set_inheritable(reader, True)
    return reader
