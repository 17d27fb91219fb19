"""``carpool destroy FILE``: delete the zones of a cluster file."""

import argparse
import sys
from collections.abc import Sequence

from carpool.cli.deployment import (
    Progress,
    RefusedError,
    fleet,
    fleet_parser,
    interruptible,
    print_json,
    print_problems,
    refuse,
)
from carpool.deploy import lock
from carpool.deploy.destroy import destroy, doomed
from carpool.deploy.errors import DeployError
from carpool.deploy.rollout import Outcome
from carpool.deploy.targets import Target

EPILOG = """Daemons bow out before their zones go. A zone that carpool did not make is never
deleted. Images stay, for other zones may be made from them; --images deletes those that no zone
was made from.

exit codes: 0 none of the zones is left; 2 an error: run it again; 130 stopped by the user.
"""


def main(arguments: list[str]) -> int:
    """Ask, delete the zones, and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        with fleet(options, secrets=False) as working:
            with interruptible(working):
                owner = lock.owner(f"destroy {options.file.name}")
                working.survey(owner, break_lock=options.break_lock)
            if not options.yes and not working.halt.is_set():
                _ask(doomed(working))
            with interruptible(working):
                results = destroy(working, Progress(working.goal), images=options.images)
    except (RefusedError, DeployError) as error:
        return refuse("destroy", error, as_json=options.json)
    if options.json:
        nodes = [result.to_json() for result in results]
        print_json({"cluster": working.goal.cluster, "nodes": nodes})
    else:
        gone = sum(result.outcome is Outcome.CHANGED for result in results)
        print(f"{gone} zone{'s' * (gone != 1)} deleted")
    print_problems("destroy", [result.problem for result in results if result.problem])
    if any(result.outcome is Outcome.INTERRUPTED for result in results):
        return 130
    return 2 if any(result.problem for result in results) else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = fleet_parser("destroy", "Delete the zones of a cluster file, with all in them.", EPILOG)
    made.add_argument("--yes", action="store_true", help="do not ask")
    made.add_argument("--images", action="store_true", help="delete unused images as well")
    made.add_argument(
        "--break-lock", action="store_true", help="take the lock away from another operator"
    )
    return made


def _ask(targets: Sequence[Target]) -> None:
    """Return if the user says yes. Raises RefusedError."""
    if not targets:
        return
    for target in targets:
        print(f"{target.node}: zone {target.uuid} on {target.hypervisor}", file=sys.stderr)
    count = f"{len(targets)} zone{'s' * (len(targets) != 1)}"
    question = f"Delete {count}, with everything in them? Type yes: "
    print(question, end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise RefusedError("nothing was deleted; type yes, or add --yes")
