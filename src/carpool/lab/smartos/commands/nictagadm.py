"""nictagadm: the networks that this hypervisor is on, by nic tag."""

import sys
from collections.abc import Sequence

from carpool.lab.smartos import boot
from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.stage import CommandError


def main(words: Sequence[str]) -> int:
    """Run a subcommand."""
    known = {"list": _list, "exists": _exists}
    if not words or words[0] not in known:
        raise CommandError(f"unknown command: {' '.join(words[:1])}", read.USAGE)
    return known[words[0]](words[1:])


def _list(words: Sequence[str]) -> int:
    options, _ = read.options(words, "pd:Lv", anywhere=True)
    rows = [[tag, it["mac"], it["link"], "normal"] for tag, it in boot.host()["nic_tags"].items()]
    separator = options.get("-d", ":") if "-p" in options else ""
    if separator:  # as the real one, which escapes what separates
        rows = [[cell.replace(separator, f"\\{separator}") for cell in row] for row in rows]
    read.table(rows, ["NAME", "MACADDRESS", "LINK", "TYPE"], head=True, separator=separator)
    return 0


def _exists(words: Sequence[str]) -> int:
    options, tags = read.options(words, "l", anywhere=True)
    missing = [tag for tag in tags if tag not in boot.host()["nic_tags"]]
    for tag in missing:
        if "-l" in options:
            print(tag)
        else:
            print(f"nictagadm: nic tag '{tag}' does not exist", file=sys.stderr)
    return 1 if missing else 0
