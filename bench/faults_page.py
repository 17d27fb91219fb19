"""docs/faults.md from the figures of `bench.faults`."""

from statistics import median
from typing import Any

from bench.fault_list import FAULTS, NOT_MEASURED

HEAD = """\
# What faults cost

Measured by `{command}` on {date}, {rounds} rounds of each in {minutes} minutes, with
{versions},
Linux {kernel} and Python {python}.
Two nodes as network namespaces on one machine, on which others worked too; all advertise each
second and take over after three missed ones and up to {skew} ms; nobody preempts. A client asks
the address every millisecond, an observer asks for it by ARP every five.

Each cell: **dark** / **two** / stale, medians. Dark: how long (ms) the client had no answer of
either node, all silences of {noise} ms or more together, or else the longest, which says how busy
the machine was. Two: how long (ms) both nodes answered ARP for the address. Stale:
advertisements, after the fault was mended, of a node that is not master in the end. ✗: at
the end, five seconds after the last act or later, there was not one node, and one alone, that
answered.
"""


def page(report: dict[str, Any], soak: dict[str, Any] | None) -> str:
    """Return the page for the report of a run, and for that of a soak, if there was one."""
    peers = [*report["versions"]]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [HEAD.format(**{**report, "versions": versions})]
    lines += [f"| fault | {' | '.join(peers)} |", f"| --- |{' --- |' * len(peers)}"]
    for name, by_peer in report["costs"].items():
        cells = [_cell(by_peer[peer]) for peer in peers]
        lines.append(f"| {FAULTS[name].title} | {' | '.join(cells)} |")
    lines += ["", "## Why", ""]
    lines += [f"- **{FAULTS[name].title}**: {FAULTS[name].why}" for name in report["costs"]]
    lines += ["", "## Not measured", ""]
    lines += [f"- **{name}**: {why}" for name, why in NOT_MEASURED.items()]
    if soak is not None:
        lines += ["", *_soak(soak)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _soak(report: dict[str, Any]) -> list[str]:
    """Return the section of a soak."""
    before, after = report["memory"]
    head = (
        f"`{report['command']}` on {report['date']}: carpool on three nodes, {report['faults']} "
        f"faults in {report['seconds'] / 60:.1f} minutes, each mended before the next, half of "
        "them to the master of the moment."
    )
    memory = (
        "- **memory** of the daemon that was never killed, resident: "
        f"{before:,} KiB at the start, {after:,} KiB at the end"
    )
    end = "one node, and one alone, answered" if report["recovered"] else "it had not settled"
    return [
        "## Soak",
        "",
        head,
        "",
        f"- **dark**: {report['dark'] / 1000:.1f} s in all",
        f"- **two**: {report['two'] / 1000:.2f} s in all",
        memory,
        f"- at the end {end}",
        "",
        "| fault | times | to the master | dark in all, ms | longest, ms | two in all, ms |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {kind['times']} | {kind['master']} | {kind['dark']:,.0f} "
            f"| {kind['longest']:,.0f} | {kind['two']:,.0f} |"
            for name, kind in sorted(report["kinds"].items())
        ),
    ]


def _cell(costs: list[dict[str, Any]]) -> str:
    if not costs:
        return "-"
    dark, two, stale = (median(cost[key] for cost in costs) for key in ("dark", "two", "stale"))
    lost = sum(not cost["recovered"] for cost in costs)
    mark = "" if not lost else " ✗" if lost == len(costs) else f" ✗ ({lost} of {len(costs)})"
    return f"{dark:,.0f} / {two:,.0f} / {stale:.0f}{mark}"
