"""``carpool plan FILE``: what `carpool apply` would do, from what the hypervisors say."""

import argparse

from carpool.cli.check import show
from carpool.cli.deployment import (
    RefusedError,
    add_plan_options,
    fleet,
    fleet_parser,
    interruptible,
    print_json,
    print_problems,
    refuse,
)
from carpool.deploy.errors import DeployError
from carpool.deploy.report import plan_text
from carpool.deploy.rollout import plans

EPILOG = """Nothing is changed. Passwords are not shown.

exit codes: 0 planned; 2 an error: not every node has a plan; 3 with --detailed-exitcode, if there
are changes to make.
"""


def main(arguments: list[str]) -> int:
    """Print the plan and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        with fleet(options, secrets=True) as working, interruptible(working):
            working.survey()
            planned = plans(working, recreate=options.recreate)
    except (RefusedError, DeployError) as error:
        return refuse("plan", error, as_json=options.json)
    problems = [plan.problem for plan in planned if plan.problem]
    changes = any(plan.steps for plan in planned)
    if options.json:
        print_json(
            {
                "cluster": working.goal.cluster,
                "changes": changes,
                "nodes": [plan.to_json() for plan in planned],
                "elsewhere": list(working.goal.elsewhere),
            }
        )
    else:
        show(plan_text(planned))
        if working.goal.elsewhere:
            show(f"not deployed, without zone or hypervisor: {', '.join(working.goal.elsewhere)}\n")
    print_problems("plan", problems)
    if problems:
        return 2
    return 3 if changes and options.detailed_exitcode else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = fleet_parser(
        "plan", "Tell what has to be done to make the zones of a cluster file.", EPILOG
    )
    add_plan_options(made)
    made.add_argument(
        "--detailed-exitcode", action="store_true", help="exit with 3 if there are changes to make"
    )
    return made
