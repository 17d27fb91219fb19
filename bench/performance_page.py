"""docs/performance.md and its pictures, from the results."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from bench import svg
from bench.measures import MEASURES, crowds, floods, intervals, outages, starts, steady
from bench.musts import MUSTS, Verdict, bounds, judge
from bench.results import Results, Spread
from bench.svg import told

ORDER = ("carpool", "ucarp", "keepalived")
TWO = ("kill", "freeze", "partition")
CPU = "% of a core"
LINES = (
    ("addresses.svg", "master_cpu", "addresses", crowds.COUNTS, "addresses", CPU),
    ("memory.svg", "master_pss", "addresses", crowds.COUNTS, "addresses", "MiB"),
    ("intervals.svg", "master_cpu", "interval, ms", (*intervals.STEPS,), "interval", CPU),
)
PICTURES = "img"  # beside the page
MARK = "<!-- Written by `make bench`; change the text in bench/performance_page.py. -->"

HEAD = """\
# Performance

{mark}

carpool beside Debian's ucarp and keepalived, in the same network namespaces, in one run, in turn:
{versions}; Linux {kernel}, Python {python}, {cpus} cores; {dates}.
`make bench` does it again, in 45 minutes; `make bench BENCH=--quick` in six or seven.

A client asks the virtual address every millisecond, and an outage is its longest wait; an observer
asks by ARP every five, and two holders are both answering. Rounds divide the advertisement interval
among them, so that a fault comes at any moment of it, and start the second node at any moment, too.
All advertise each second and take over after three missed ones and their skew: of the second node
20/256 s with carpool (its default by rank) and ucarp, (256 - 100)/256 s with keepalived (100 is its
default priority). Where both nodes are set up alike, that is said.

Cells are medians (least-most). CPU is percent of one core, user and system time of all processes;
memory is PSS. Each round first measures how late the machine wakes a sleeper; a round on a machine
that was too busy is run again, and marked ({noisy} of {rounds} rounds here).
"""

EXPLAINED = {
    "Outages": (
        "`outage`: the client's longest wait. `two`: how long both nodes answered ARP, "
        "`two after`: after the heal or the thaw. `dropped`: when the node whose cable was pulled "
        "had taken the address off. `dark after`: the client's longest wait after the heal. "
        f"`dead`: that was {outages.DEAD:.0f} ms or more, or it had not settled at the end. "
        "A killed or frozen daemon's kernel goes on answering unless the address runs out, which "
        "is dark for a second, and then one holder instead of two."
    ),
    "Many addresses": (
        "`pss`: as the kernel shares out what both nodes and the bench have in common; `alone`: as "
        "on a node of its own, each file once. `up`: from the start of the first node to an "
        "address's announcement; `moved`: from its death to the announcement of the second; "
        "`noticed last`: the same, but from each address's own last advertisement."
    ),
    "Start-up": (
        "`listening`: until the kernel shows a socket that hears advertisements; `cpu`: processor "
        "time until then. `rss` counts shared pages for each process, `pss` and `alone` as above. "
        "Programs have their bytecode, as installed ones."
    ),
    "The cost of an interval": (
        "Below a second it is the fast profile, which wakes up ten times a second more, to see how "
        "late the machine wakes it: at half a second that is most of its cost."
    ),
    "Floods": (
        "`drained`: how many frames the backup gets rid of in a second of processor time, in the "
        "kernel or by itself. `missed`: advertisements of the master that were late or lost; "
        "`false`: those of the backup. `outage`: of a node death in the flood."
    ),
    "Minutes without a fault": (
        "`changes` of master, each a false failover; `stalls`: how often a processor of this "
        "machine stood still for longer than a backup waits, also for a sleeper of real-time "
        "priority above the daemons'. Both nodes share the processors: one may be struck and the "
        "other not, which then rightly takes over. `dark`: all waits of 50 ms and more of the "
        "client, less what it stood still itself; what answers it has no priority either. "
        "`interval`: what the master kept: carpool uses a longer one if the machine cannot hold "
        "the one asked for."
    ),
}


def write(results: Results, path: Path) -> None:
    """Write the page, and the pictures beside it."""
    folder = path.parent / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    drawn = pictures(results)
    for name, text in drawn.items():
        (folder / name).write_text(text)
    path.write_text(page(results, {*drawn}))


def page(results: Results, drawn: set[str]) -> str:
    """Return the page, with those pictures."""
    peers = ORDER  # one that is not installed has an empty column
    verdicts = [judge(must, results) for must in MUSTS]
    parts = [
        _head(results),
        *([f"**{results.data['remark']}**\n"] if "remark" in results.data else []),
        "## What it must reach\n",
        *_verdicts(verdicts, peers),
        "",
        *_not_met(verdicts),
    ]
    sections = (
        ("Outages", outages.MEASURES, ("outages.svg", "two.svg")),
        ("Many addresses", crowds.MEASURES, ("addresses.svg", "memory.svg")),
        ("Start-up", starts.MEASURES, ()),
        ("The cost of an interval", intervals.MEASURES, ("intervals.svg",)),
        ("Floods", floods.MEASURES, ()),
        ("Minutes without a fault", steady.MEASURES, ()),
    )
    for title, measures, of_section in sections:
        there = [measure.name for measure in measures if measure.name in results.measures]
        if not there:
            continue
        parts += ["", f"## {title}", ""]
        for name in of_section:
            if _prefixed(name) in drawn:
                parts += [f"![{title}]({PICTURES}/{_prefixed(name)})", ""]
        parts += [EXPLAINED[title], ""] if title in EXPLAINED else []
        parts += [*_table(results, there, peers)]
    parts += ["", "## The machine's own noise", "", *_noise(results)]
    failures = [*_failures(results)]
    parts += ["", "## Rounds that failed", "", *failures] if failures else []
    return "\n".join(parts).rstrip("\n") + "\n"


def pictures(results: Results) -> dict[str, str]:
    """Return the SVG files, by name, for which there are figures."""
    peers = [peer for peer in ORDER if peer in results.peers]
    found: dict[str, str] = {}
    for name, figure, title, wanted in (
        ("outages.svg", "outage", "Outage seen by a client", [*outages.MEASURES]),
        ("two.svg", "two", "Two holders at once", [MEASURES[name] for name in TWO]),
    ):
        rows: dict[str, dict[str, Spread]] = {}
        for measure in wanted:
            spreads = {peer: results.spread(measure.name, peer, figure) for peer in peers}
            there = {peer: spread for peer, spread in spreads.items() if spread}
            if there:
                rows[measure.short] = there
        if rows:
            found[name] = svg.bars(title, "ms, logarithmic", rows)
    for name, figure, across, numbers, measures, up in LINES:
        series: dict[str, list[tuple[float, float]]] = {}
        for peer in peers:
            points = [
                (float(count), spread.median)
                for count in numbers
                if (spread := results.spread(f"{measures}-{count}", peer, figure))
            ]
            if points:
                series[peer] = points
        if series:
            title = "Memory of a master" if figure == "master_pss" else "CPU of a master"
            found[name] = svg.lines(title, across, up, series)
    return {_prefixed(name): text for name, text in found.items()}


def _prefixed(name: str) -> str:
    return f"performance-{name}"


def _head(results: Results) -> str:
    rounds = [
        one
        for name in results.measures
        for peer in results.peers
        for one in results.rounds(name, peer)
    ]
    dates = sorted({entry["date"] for entry in results.measures.values()})
    return HEAD.format(
        mark=MARK,
        versions=", ".join(
            f"{name} {version}" for name, version in results.data["versions"].items()
        ),
        dates=" to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else "not yet",
        noisy=sum("noisy" in one for one in rounds),
        rounds=len(rounds),
        **{"kernel": "?", "python": "?", "cpus": "?", **results.data["machine"]},
    )


def _verdicts(verdicts: Sequence[Verdict], peers: Sequence[str]) -> Iterator[str]:
    yield f"| measure | must | {' | '.join(peers)} | ratio to each peer | met |"
    yield f"| --- | --- |{' --- |' * len(peers)} --- | --- |"
    for verdict in verdicts:
        values = [told(verdict.values[peer]) if peer in verdict.values else "-" for peer in peers]
        ratios = ", ".join(f"{value:.3g} ({peer})" for peer, value in verdict.ratios.items()) or "-"
        met = {True: "yes", False: "**no**", None: f"- ({verdict.lacking})"}[verdict.met]
        cells = [verdict.must.title, bounds(verdict.must), *values, ratios, met]
        yield f"| {' | '.join(cells)} |"


def _not_met(verdicts: Sequence[Verdict]) -> Iterator[str]:
    failed = [verdict for verdict in verdicts if verdict.met is False]
    if not failed:
        return
    yield "Not met:"
    yield ""
    for why, alike in groupby(failed, lambda verdict: verdict.must.why):
        titles = "; ".join(verdict.must.title for verdict in alike)
        yield f"- **{titles}**: {why or 'the reason is not known yet.'}"


def _table(results: Results, names: Sequence[str], peers: Sequence[str]) -> Iterator[str]:
    """Yield one table of all figures: rows are measures and figures, columns the daemons."""
    yield f"| measure | figure | unit | {' | '.join(peers)} |"
    yield f"| --- | --- | --- |{' --- |' * len(peers)}"
    for name in names:
        title = MEASURES[name].title
        for figure, unit in MEASURES[name].units.items():
            spreads = [results.spread(name, peer, figure) for peer in peers]
            if any(spreads):
                cells = " | ".join(_cell(spread) for spread in spreads)
                yield f"| {title} | {figure.replace('_', ' ')} | {unit} | {cells} |"
                title = ""


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    median = told(spread.median)
    if spread.count == 1 or spread.least == spread.most:
        return median
    return f"{median} ({told(spread.least)}-{told(spread.most)})"


def _noise(results: Results) -> Iterator[str]:
    yield "How late a process is that sleeps for 1 ms, 99th percentile before each fault, in ms:"
    yield ""
    yield "| measure | rounds | median | least | most | seconds it took |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, entry in results.measures.items():
        spread = results.noise(name)
        if spread:
            cells = [told(value) for value in (spread.median, spread.least, spread.most)]
            yield f"| {name} | {spread.count} | {' | '.join(cells)} | {entry['seconds']} |"


def _failures(results: Results) -> Iterator[str]:
    for name, entry in results.measures.items():
        failed: dict[str, list[Any]] = entry["failed"]
        for peer, reasons in failed.items():
            first = str(reasons[0]).partition("\n")[0]
            yield f"- {name}, {peer}: {len(reasons)} rounds; {first}"
