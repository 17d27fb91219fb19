"""``carpool scan IFACE``: which groups a network has, who is master, which vhids are free."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address
from itertools import groupby
from typing import Any

from carpool.carp.timing import SECOND
from carpool.cli.check import show
from carpool.cli.paragraphs import Paragraphs
from carpool.node.listening import CannotListenError
from carpool.watch.ear import Ear
from carpool.watch.lan import Group, Lan
from carpool.watch.listen import take
from carpool.watch.table import heading, is_wrong, remarks, row

EPILOG = """Nothing is sent. A master that advertises less often than that is not seen, nor is a
backup: it says nothing.

exit codes: 0 each group has one master; 1 one has none or several; 2 cannot listen, or wrong usage.
"""
_COLUMNS = 100
_STEP = 0.25
_MOST_SECONDS = 86400


def main(arguments: list[str]) -> int:
    """Listen, tell, and return the exit code."""
    options = parser().parse_args(arguments)
    lan = Lan(time.monotonic_ns())
    try:
        with Ear(options.interface) as ear:
            end = time.monotonic() + options.seconds
            while (left := end - time.monotonic()) > 0:
                ear.wait(min(left, _STEP))
                take(ear, lan)
    except CannotListenError as error:
        print(f"carpool scan: {error}", file=sys.stderr)
        return 2
    if not ear.hears_itself:
        print("carpool scan: what this host itself advertises is not heard here", file=sys.stderr)
    now = time.monotonic_ns()
    lan.advance(now)
    groups = list(lan.in_order())
    if options.json:
        found = [_document(group, now) for group in groups]
        show(json.dumps({"groups": found, "free": lan.free()}, indent=2) + "\n")
    else:
        show("".join(f"{line}\n" for line in _text(lan, groups, now)))
    return int(any(map(is_wrong, groups)))


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool scan",
        description="Listen for CARP and VRRP, and tell which groups there are.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("interface", metavar="IFACE", help="where to listen")
    made.add_argument("--seconds", type=seconds_of, default=4.0, help="how long (default: 4)")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def seconds_of(text: str) -> float:
    """Read a time of an option."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text}: not a time of more than 0 and at most a day")
    return seconds


def _text(lan: Lan, groups: Sequence[Group], now: int) -> list[str]:
    lines = [heading(_COLUMNS)] if groups else ["no group was heard"]
    lines += [row(group, now, _COLUMNS, {}) for group in groups]
    lines += [remark for group in groups for remark in remarks(group, {})]
    return [*lines, f"free vhids: {ranges(lan.free()) or 'none'}"]


def ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers as ranges: 1-41, 43."""
    runs = groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    spans = [[number for _, number in run] for _, run in runs]
    return ", ".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else str(s[0]) for s in spans)


def _document(group: Group, now: int) -> dict[str, Any]:
    vhid, protocol, family = group.key
    return {
        "vhid": vhid,
        "protocol": protocol.value,
        "family": family,
        "masters": [str(ip_address(source)) for source in group.masters],
        "speakers": [
            {
                "address": str(ip_address(source)),
                "interval": speaker.last.interval / SECOND,
                "strength": speaker.last.strength,
                "demotion": speaker.last.demotion,
                "leaving": speaker.last.leaving,
                "heard_seconds": round((now - speaker.heard_at) / SECOND, 6),
                "advertisements": speaker.advertisements,
                "pace": speaker.pace / SECOND,
                "jitter": speaker.jitter / SECOND,
                "constant_counter": speaker.same_counter >= 3,
                "addresses": list(speaker.last.addresses),
            }
            for source, speaker in group.speakers.items()
        ],
    }
