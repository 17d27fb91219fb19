"""docs/performance.md and its pictures, from the results."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import svg
from bench.measures import MEASURES, crowds, floods, intervals, outages, starts, steady
from bench.musts import MUSTS, Verdict, bounds, judge
from bench.results import Results, Spread

ORDER = ("carpool", "ucarp", "keepalived")
PICTURES = "img"  # beside the page
MARK = "<!-- Written by `make bench`; change the text in bench/performance_page.py. -->"

HEAD = """\
# Performance

{mark}

carpool beside Debian's ucarp and keepalived, in the same network namespaces, in one run, in turn:
{versions}; Linux {kernel}, Python {python}, {cpus} cores; {dates}.
`make bench` does it again.

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
    peers = [peer for peer in ORDER if peer in results.peers]
    verdicts = [judge(must, results) for must in MUSTS]
    parts = [
        _head(results),
        "## What it must reach\n",
        *_verdicts(verdicts, peers),
        "",
        *_not_met(verdicts),
    ]
    sections = (
        ("Outages", outages.MEASURES, "outages.svg"),
        ("Many addresses", crowds.MEASURES, "addresses.svg"),
        ("Start-up", starts.MEASURES, ""),
        ("The cost of an interval", intervals.MEASURES, "intervals.svg"),
        ("Floods", floods.MEASURES, ""),
        ("Minutes without a fault", steady.MEASURES, ""),
    )
    for title, measures, picture in sections:
        there = [measure.name for measure in measures if measure.name in results.measures]
        if not there:
            continue
        parts += ["", f"## {title}", ""]
        if _prefixed(picture) in drawn:
            parts += [f"![{title}]({PICTURES}/{_prefixed(picture)})", ""]
        parts += [*_table(results, there, peers)]
        notes = [MEASURES[name].note for name in there if MEASURES[name].note]
        parts += ["", *(f"- {note}" for note in notes)] if notes else []
    parts += ["", "## The machine's own noise", "", *_noise(results)]
    failures = [*_failures(results)]
    parts += ["", "## Rounds that failed", "", *failures] if failures else []
    return "\n".join(parts).rstrip("\n") + "\n"


def pictures(results: Results) -> dict[str, str]:
    """Return the SVG files, by name, for which there are figures."""
    peers = [peer for peer in ORDER if peer in results.peers]
    found: dict[str, str] = {}
    rows: dict[str, dict[str, Spread]] = {}
    for measure in outages.MEASURES:
        spreads = {peer: results.spread(measure.name, peer, "outage") for peer in peers}
        there = {peer: spread for peer, spread in spreads.items() if spread}
        if there:
            rows[measure.name] = there
    if rows:
        found["outages.svg"] = svg.bars("Outage seen by a client", "ms, logarithmic", rows)
    for name, title, across, numbers, figure, up in (
        ("addresses.svg", "CPU of a master", "addresses", crowds.COUNTS, "addresses", "%"),
        ("intervals.svg", "CPU of a master", "interval, ms", intervals.STEPS, "interval", "%"),
    ):
        series: dict[str, list[tuple[float, float]]] = {}
        for peer in peers:
            points = [
                (float(number), spread.median)
                for number in numbers
                if (spread := results.spread(f"{figure}-{number}", peer, "master_cpu"))
            ]
            if points:
                series[peer] = points
        if series:
            found[name] = svg.lines(title, across, f"{up} of a core", series)
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
        values = [number(verdict.values[peer]) if peer in verdict.values else "-" for peer in peers]
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
    for verdict in failed:
        yield f"- **{verdict.must.title}**: {verdict.must.why or 'the reason is not known yet.'}"


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
    median = number(spread.median)
    if spread.count == 1 or spread.least == spread.most:
        return median
    return f"{median} ({number(spread.least)}-{number(spread.most)})"


def number(value: float) -> str:
    """Return a figure as it is told: three digits that count, all of the whole ones."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):,.10g}"


def _noise(results: Results) -> Iterator[str]:
    yield "How late a process is that sleeps for 1 ms, 99th percentile before each fault, in ms:"
    yield ""
    yield "| measure | rounds | median | least | most | seconds it took |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, entry in results.measures.items():
        spread = results.noise(name)
        if spread:
            cells = [number(value) for value in (spread.median, spread.least, spread.most)]
            yield f"| {name} | {spread.count} | {' | '.join(cells)} | {entry['seconds']} |"


def _failures(results: Results) -> Iterator[str]:
    for name, entry in results.measures.items():
        failed: dict[str, list[Any]] = entry["failed"]
        for peer, reasons in failed.items():
            first = str(reasons[0]).partition("\n")[0]
            yield f"- {name}, {peer}: {len(reasons)} rounds; {first}"
