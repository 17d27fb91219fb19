"""``carpool apply FILE``: make the zones of a cluster file, or make them what it says."""

import argparse

from carpool.cli.check import show
from carpool.cli.deployment import (
    Progress,
    RefusedError,
    add_plan_options,
    fleet,
    fleet_parser,
    interruptible,
    print_json,
    print_problems,
    refuse,
)
from carpool.deploy import lock
from carpool.deploy.errors import DeployError
from carpool.deploy.report import report_text
from carpool.deploy.rollout import Rollout, plans

EPILOG = """Images are imported and payloads validated before anything is touched. In a
group one node at a time is changed, backups first; a master only while another node is ready to
take over. Where a node fails, its group is left as it is. Ctrl-C stops after the steps under way.
Run it again after any of that: what is done is not done twice.

exit codes: 0 every node is as it shall be, and every group has one master; 2 an error; 130 stopped
by the user.
"""


def main(arguments: list[str]) -> int:
    """Do it, print what became of it, and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        with fleet(options, secrets=True) as working, interruptible(working):
            owner = lock.owner(f"apply {options.file.name}")
            working.survey(owner, break_lock=options.break_lock)
            planned = plans(working, recreate=options.recreate)
            report = Rollout(working, planned, Progress(working.goal)).run()
    except (RefusedError, DeployError) as error:
        return refuse("apply", error, as_json=options.json)
    if options.json:
        print_json(
            {
                "cluster": working.goal.cluster,
                "nodes": [node.to_json() for node in report.nodes],
                "groups": [group.to_json() for group in report.groups],
                "elsewhere": list(working.goal.elsewhere),
            }
        )
    else:
        show(report_text(report))
    print_problems("apply", report.problems)
    if report.interrupted:
        return 130
    return 2 if report.problems or any(group.fault for group in report.groups) else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = fleet_parser("apply", "Make the zones of a cluster file what it says.", EPILOG)
    add_plan_options(made)
    made.add_argument(
        "--break-lock", action="store_true", help="take the lock away from another operator"
    )
    return made
