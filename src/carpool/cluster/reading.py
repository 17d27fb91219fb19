"""From a file to its text, or to a finding that says why there is none."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from carpool.cluster.findings import Rule
from carpool.cluster.wording import Place

if TYPE_CHECKING:
    from pathlib import Path

    from carpool.cluster.source import Source

_LARGEST = 8 << 20


def read_text(path: Path, source: Source) -> str | None:
    """Return the text of a file of up to 8 MiB in UTF-8; None after reporting that it has none."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        mend = "name a file that this user may read"
        source.report(Rule.UNREADABLE, (), f"cannot be read: {reason}", mend)
        return None
    if len(data) > _LARGEST:
        message, mend = f"is larger than {_LARGEST} bytes", "name a cluster file"
        source.report(Rule.UNREADABLE, (), message, mend)
        return None
    # Some editors begin a file with a byte order mark.
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        begun = data.rfind(b"\n", 0, error.start) + 1
        place = Place(data.count(b"\n", 0, begun) + 1, len(data[begun : error.start].decode()) + 1)
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        source.report(Rule.NOT_UTF8, (), message, "save the file as UTF-8", place=place)
        return None
