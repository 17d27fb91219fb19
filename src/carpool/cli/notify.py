"""``carpool notify FILE``: who is told of what from this node; with --test, tell them."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carpool.cli.paragraphs import Paragraphs
from carpool.cluster.findings import Finding, Severity
from carpool.cluster.identify import identify
from carpool.cluster.load import load
from carpool.cluster.password import PasswordError
from carpool.cluster.wording import choose_from, printable
from carpool.node.hosts import this_host
from carpool.node.log import Log, stderr_sink
from carpool.node.loop import Loop

if TYPE_CHECKING:
    from carpool.cluster.model import Cluster, Node
    from carpool.node.notify.delivery import Outcome
    from carpool.node.notify.settings import NotifierSettings

EPILOG = """A test is sent once, without a retry, and says that it is one. It comes from this user
and from here, while the daemon may run as another user, with fewer rights (see docs/notify.md).

exit codes: 0 all were told, or listed; 1 some could not be told; 2 wrong usage, or the file has
mistakes.
"""


class _UnfitError(Exception):
    """What cannot be done; the text says why and how to mend it."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    made = argparse.ArgumentParser(
        "carpool notify",
        description="List whom this node tells of what, or try it without a failover.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the cluster file (TOML)")
    made.add_argument(
        "names",
        nargs="*",
        default=[],
        metavar="NAME",
        help="only these notifiers (default: all of the node)",
    )
    made.add_argument("--test", action="store_true", help="tell them, that this is a test")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument(
        "--node",
        metavar="NAME",
        help="which node this is (default: the one with this host's address)",
    )
    return made


def main(arguments: list[str]) -> int:
    """List or test the notifiers, and return the exit code."""
    options = parser().parse_intermixed_args(arguments)
    try:
        settings = _settings(options)
    except (_UnfitError, PasswordError) as error:
        print(f"carpool notify: {error}", file=sys.stderr)
        return 2
    if options.test:
        results = _test(settings, tell=_say_nothing if options.json else _say)
        if options.json:
            print(json.dumps({"results": results}, indent=2))
        return 0 if all(result["ok"] for result in results) else 1
    if options.json:
        print(json.dumps({"notifiers": [_document(one) for one in settings]}, indent=2))
    else:
        for one in settings:
            print(_described(one))
    return 0


def _settings(options: argparse.Namespace) -> "Sequence[NotifierSettings]":
    """Return the notifiers that are meant. Raises _UnfitError and PasswordError."""
    loaded = load(options.file)
    for finding in loaded.findings:
        if loaded.cluster is None or finding.key.startswith("notify"):
            print(finding, file=sys.stderr)
    if loaded.cluster is None:
        errors = sum(finding.severity is Severity.ERROR for finding in loaded.findings)
        raise _UnfitError(f"{options.file}: {errors} error{'s' * (errors != 1)}; nobody was told")
    from carpool.node.notify.settings import plan_notifiers

    node = _node(loaded.cluster, options.node)
    found = {one.name: one for one in plan_notifiers(loaded.cluster, node)}
    if not found:
        raise _UnfitError(
            f"{options.file}: node {node.name} tells nobody; add a table [notify.NAME]"
        )
    for name in options.names:
        if name not in found:
            mend = choose_from(name, found)
            raise _UnfitError(f"node {node.name} has no notifier {name[:80]!r}; {mend}")
    return [found[name] for name in options.names or found]


def _node(cluster: "Cluster", name: str | None) -> "Node":
    addresses = []
    if name is None:
        host = this_host(Loop(), Log(stderr_sink()))
        addresses = [one.interface.ip for one in host.addresses()]
    found = identify(cluster, addresses, name)
    if isinstance(found, Finding):
        raise _UnfitError(str(found))
    return found


def _document(one: "NotifierSettings") -> dict[str, Any]:
    """Return whom a notifier tells of what, in JSON's types."""
    match one.type:
        case "mail":
            whom = f"mail to {', '.join(one.keys['to'])}"
        case "webhook":
            whom = f"a webhook of {_server(one)}"
        case "nrdp":
            whom = f"NRDP at {_server(one)}"
        case _:
            whom = f"Nagios through {one.keys['path']}"
    occasions = sorted(state.lower() for state in one.states) + sorted(one.kinds)
    told = {"notifier": one.name, "type": one.type, "whom": whom}
    return {**told, "on": occasions, "groups": sorted(one.groups)}


def _described(one: "NotifierSettings") -> str:
    told = _document(one)
    of = f"on {', '.join(told['on'])} of {', '.join(told['groups'])}"
    return f"{told['notifier']}: {told['whom']}; {of}"


def _server(one: "NotifierSettings") -> str:
    # Not the path: there may be a secret in it.
    return str(one.keys["url"]).split("/")[2]


def _say(result: dict[str, Any]) -> None:
    how = "ok" if result["ok"] else "failed"
    said = printable(result["said"])  # by a server
    print(f"{result['notifier']}: {how}: {said} ({result['seconds']:.2f} s)")


def _say_nothing(_result: dict[str, Any]) -> None:
    pass


def _test(
    settings: "Sequence[NotifierSettings]", tell: Callable[[dict[str, Any]], None]
) -> list[dict[str, Any]]:
    """Test all at once, tell each result as it comes, and return them in that order."""
    from carpool.node.notify.delivery import Delivery
    from carpool.notify.job import Job, Notice

    loop = Loop()
    results: list[dict[str, Any]] = []

    def ended(outcome: "Outcome", name: str) -> None:
        seconds = round(outcome.duration_ns / 1e9, 3)
        result = {"notifier": name, "ok": outcome.ok, "said": outcome.said, "seconds": seconds}
        results.append(result)
        tell(result)
        if len(results) == len(settings):
            loop.stop()

    for one in settings:
        group = min(one.groups)
        notices = (Notice(_event(one.node, group)),)
        job = Job(
            type=one.type,
            node=one.node,
            hostname=one.hostname,
            names=dict(one.names),
            keys=dict(one.keys),
            secret=one.secret,
            timeout=one.timeout / 1e9,
            notices=notices,
        )
        Delivery(loop, job, partial(ended, name=one.name))
    loop.run()
    loop.close()
    return results


def _event(node: str, group: str) -> dict[str, Any]:
    return {
        "seq": 0,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "node": node,
        "group": group,
        "kind": "test",
        "level": "notice",
        "text": f"{group}: a test of carpool notify; nothing has happened",
        "details": {},
    }
