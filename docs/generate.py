"""Write the pages that are made from the code: ``python -m docs.generate [--check]``.

With ``--check`` nothing is written; the exit status is 1 if a page is not up to date.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tools import man_pages

from carpool.carp.election import ROWS, Event, State
from carpool.carp.words import ACTIONS
from carpool.cli import shells
from carpool.cluster.explanations import markdown
from carpool.doctor import faults

ROOT = Path(__file__).parent.parent
MARK = "<!-- Drawn from carp/election.py by python -m docs.generate: change it there. -->"

FINDINGS = "<!-- findings: drawn from src/carpool/doctor/faults.py by docs/generate.py -->"
END = "<!-- /findings -->"

LEGEND = """\
A *less demoted* master is one whose advertisement has the smaller demotion byte. Among equally
demoted ones an advertisement is *faster* or *slower* than our own by its interval,
advbase + advskew/256 s. Of equally fast ones the sender with the lower address wins, compared from
the last byte (ucarp's rule). A pair of state and event that is not listed changes nothing.

What a backup hears makes it master 3 ms later for each better backup that the cluster file names,
or 0 to 10 ms later in proportion to advskew where there is no such file or the node is demoted, so
that the best backup is heard by the others before they act.

A node whose own demotion is 255 has no master-down time: it listens, and stays BACKUP.
"""


def election() -> str:
    """Return the page about the election: a state diagram and the table."""
    return "\n".join(
        (
            "# The election",
            "",
            MARK,
            "",
            *_diagram(),
            "",
            LEGEND,
            "| state | event | then | what is done, in order |",
            "| --- | --- | --- | --- |",
            *(
                f"| {row.state} | {row.event.value} | {row.next} | "
                f"{'; '.join(ACTIONS[action] for action in row.actions) or '-'} |"
                for row in ROWS
            ),
            "",
        )
    )


def doctor() -> str:
    """Return the page about the doctor, its findings drawn anew."""
    page = (Path(__file__).parent / "doctor.md").read_text()
    head, _, rest = page.partition(FINDINGS)
    tail = rest.partition(END)[2]
    return f"{head}{FINDINGS}\n{faults.markdown()}{END}{tail}"


def _diagram() -> list[str]:
    """Draw the rows that change the state; those between the same two states share an arrow."""
    arrows: defaultdict[tuple[State, State], list[Event]] = defaultdict(list)
    for row in ROWS:
        if row.state is not row.next:
            arrows[row.state, row.next].append(row.event)
    return [
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {State.INIT}",
        *(
            f"    {before} --> {after}: {'<br>'.join(event.value for event in events)}"
            for (before, after), events in arrows.items()
        ),
        "```",
    ]


def architecture() -> str:
    """Return the page about the code, which people write, with the diagram as it is now."""
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    before, begin, rest = page.partition("<!-- election -->\n")
    _, end, after = rest.partition("<!-- /election -->\n")
    return "".join((before, begin, *(f"{line}\n" for line in _diagram()), end, after))


PAGES: dict[str, Callable[[], str]] = {
    "docs/doctor.md": doctor,
    "docs/election.md": election,
    "docs/architecture.md": architecture,
    "docs/check.md": markdown,
    "docs/cluster-file.md": man_pages.keys_page,
    "data/share/man/man1/carpool.1": man_pages.commands_page,
    "data/share/man/man5/carpool.toml.5": man_pages.file_page,
    "data/share/bash-completion/completions/carpool": shells.bash,
    "data/share/zsh/site-functions/_carpool": shells.zsh,
    "data/share/fish/vendor_completions.d/carpool.fish": shells.fish,
}


def main(arguments: list[str]) -> int:
    """Write every page, or say which are not up to date."""
    stale = 0
    os.environ.pop("RUNTIME_DIRECTORY", None)  # help texts tell it
    for name, draw in PAGES.items():
        page, path = draw(), ROOT / name
        if path.exists() and path.read_text() == page:
            continue
        if arguments == ["--check"]:
            stale += 1
            sys.stderr.write(f"{name} is out of date: run make docs\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
