"""The README's few figures, from the same results as docs/performance.md."""

from bench.performance_page import ORDER
from bench.results import Results, Spread
from bench.svg import told

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
ROWS = (
    ("death", "outage", "node death", "ms"),
    ("stop", "outage", "clean stop", "ms"),
    ("cable", "outage", "cable pulled", "ms"),
    ("freeze", "two", "frozen daemon: two holders for", "ms"),
    ("death-fast", "outage", "node death, fast profile (VRRPv3 at 10 ms)", "ms"),
    ("addresses-255", "master_cpu", "255 addresses: CPU", "%"),
    ("addresses-255", "master_pss", "255 addresses: memory", "MiB"),
)


def summary(results: Results) -> str:
    """Return the table: medians, least and most."""
    lines = [f"| median (least-most) | {' | '.join(ORDER)} |", f"| --- |{' --- |' * len(ORDER)}"]
    for measure, figure, title, unit in ROWS:
        spreads = [results.spread(measure, peer, figure) for peer in ORDER]
        if not any(spreads):
            continue
        cells = [_cell(one, unit) if one else "-" for one in spreads]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    if "remark" in results.data:
        lines += ["", results.data["remark"]]
    return "\n".join(lines)


def _cell(spread: Spread, unit: str) -> str:
    told_median = f"{told(spread.median)} {unit}"
    if spread.least == spread.most:
        return told_median
    return f"{told_median} ({told(spread.least)}-{told(spread.most)})"


def renewed(text: str, table: str) -> str:
    """Return the README's text with the table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"
