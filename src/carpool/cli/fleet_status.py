"""``carpool status FILE``: what the zones of a cluster file are right now, over SSH."""

import argparse

from carpool.cli.check import show
from carpool.cli.deployment import (
    RefusedError,
    fleet,
    fleet_parser,
    interruptible,
    print_json,
    print_problems,
    refuse,
)
from carpool.deploy.errors import DeployError
from carpool.deploy.report import status_text
from carpool.deploy.status import status

EPILOG = """exit codes: 0 every group has one master, and every service is online; 1 that is not
so; 2 not every node could be asked.
"""

INSTEAD = "; or ask the daemons of this host, without FILE: carpool status"


def main(arguments: list[str]) -> int:
    """Print the state of the cluster and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        with fleet(options, secrets=False, instead=INSTEAD) as working, interruptible(working):
            working.survey()
            nodes, groups = status(working)
    except (RefusedError, DeployError) as error:
        return refuse("status", error, as_json=options.json)
    problems = list(working.problems.values())
    if options.json:
        print_json(
            {
                "cluster": working.goal.cluster,
                "nodes": [node.to_json() for node in nodes],
                "groups": [group.to_json() for group in groups],
                "problems": [problem.to_json() for problem in problems],
                "elsewhere": list(working.goal.elsewhere),
            }
        )
    else:
        show(status_text(nodes, groups))
    print_problems("status", problems)
    if problems:
        return 2
    return 1 if any(group.fault for group in groups) else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    text = "Tell what the zones of a cluster file are, and who is master."
    return fleet_parser("status", text, EPILOG)
