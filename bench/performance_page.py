"""docs/performance.md from the results."""

from pathlib import Path

from bench.results import Results


def write(results: Results, path: Path) -> None:
    """Write the page."""
    path.write_text(str(results.peers) + "\n")
