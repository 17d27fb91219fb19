"""`carpool lab demo`: the demo with a place to play, a view, and what remains of it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from carpool.carp.timing import SECOND
from carpool.cluster.model import Cluster
from carpool.lab.demo import expected_duration, play
from carpool.lab.namespaces import LabError, why_unsupported
from carpool.lab.picture import legend, svg, timeline
from carpool.lab.prepare import Prepared, faster, only, prepare
from carpool.lab.probe import INTERVAL
from carpool.lab.report import Result, as_json, table
from carpool.lab.session import in_lab
from carpool.lab.stage import LabStage, Stage
from carpool.lab.view import View
from carpool.lab.virtual import VirtualStage

SHIPPED: Final = Path(__file__).with_name("two-zones.toml")
"""The cluster file that the demo plays when none is named."""

_PACE: Final = 20  # virtual seconds in one


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to play: where to write JSON and SVG, four times as fast, on the virtual LAN."""

    json_file: Path | None = None
    svg_file: Path | None = None
    fast: bool = False
    virtual: bool = False


def perform(cluster: Cluster, wishes: Wishes) -> int:
    """Play the demo with the first group that has two nodes or more. Return the exit code.

    Raises LabError if there is none, or a file cannot be written.
    """
    group = next((group for group in cluster.groups if len(group.members) > 1), None)
    if group is None:
        raise LabError(f"{cluster.path}: no group has two nodes; one must be able to take over")
    cluster = only(cluster, group)
    prepared = prepare(faster(cluster) if wishes.fast else cluster, scripts=False)
    paths = [path for path in (wishes.json_file, wishes.svg_file) if path is not None]
    check_writable(paths)
    reason = None if wishes.virtual else why_unsupported()
    view = View(sys.stdout)
    with ExitStack() as stack:
        # Not the files themselves: what is not finished is not to be seen.
        drafts = {path: stack.enter_context(tempfile.TemporaryFile("w+")) for path in paths}
        performance = _Performance(prepared, wishes, view, drafts)
        if wishes.virtual or reason:
            if reason:
                view.say(f"This machine lets us make no network namespaces: {reason}.")
            status = performance.on_virtual_lan()
        else:
            status = in_lab(performance.in_namespaces)
        for path, draft in drafts.items():
            draft.seek(0)
            if text := draft.read():
                write(path, text)
    return status


class _Performance:
    def __init__(
        self, prepared: Prepared, wishes: Wishes, view: View, drafts: Mapping[Path, TextIO]
    ) -> None:
        self._prepared = prepared
        self._wishes = wishes
        self._view = view
        self._drafts = drafts

    def on_virtual_lan(self) -> int:
        cluster, passwords = self._prepared.cluster, self._prepared.passwords
        self._announce(f"Virtual network in one process, {_PACE} x speed.")
        return self._end(self._play(VirtualStage(cluster, passwords, pace=_PACE)), "virtual")

    def in_namespaces(self, folder: Path) -> int:
        cluster, passwords = self._prepared.cluster, self._prepared.passwords
        seconds = expected_duration(cluster.groups[0]) / SECOND
        self._announce(f"Real daemons in network namespaces; about {seconds:.0f} s.")
        try:
            with LabStage(cluster, passwords, folder) as stage:
                result = self._play(stage)
        except (KeyboardInterrupt, SystemExit):
            self._view.say("Interrupted; the zones and all in them are gone.")
            raise
        status = self._end(result, "namespaces")
        if not result.ok:
            self._view.say(f"The zones' logs: {_keep_logs(folder)}")
        return status

    def _play(self, stage: Stage) -> Result:
        return play(stage, self._view)

    def _announce(self, place: str) -> None:
        cluster, view = self._prepared.cluster, self._view
        (group,) = cluster.groups
        names = " and ".join(node.name for node in cluster.nodes)
        title = f"{cluster.path.name if cluster.path else 'cluster'}, group {group.name}"
        view.say(f"{view.paint(title, 'bold')}: {names} share {group.addresses[0].ip}.")
        view.say(f"A client asks for it every {INTERVAL // 1_000_000} ms. {place}")
        view.say()

    def _end(self, result: Result, mode: str) -> int:
        view = self._view
        view.say()
        for number, line in enumerate(table(result.outcomes)):
            view.say(view.paint(line, *(["bold"] if number == 0 else [])))
        view.say()
        for line in timeline(result.story, view.width - 1, ascii_only=view.ascii_only):
            view.say(line)
        view.say(view.paint(legend(ascii_only=view.ascii_only), "dim"))
        view.say()
        for problem in result.problems:
            view.say(view.paint(f"Not as promised: {problem}", "red"))
        if result.ok:
            view.say(view.paint("All as promised. Nothing is left of it.", "green"))
        self._write_drafts(result, mode)
        return 0 if result.ok else 1

    def _write_drafts(self, result: Result, mode: str) -> None:
        cluster, wishes = self._prepared.cluster, self._wishes
        (group,) = cluster.groups
        if wishes.json_file:
            text = as_json(
                result,
                file=str(cluster.path),
                group=group.name,
                address=str(group.addresses[0].ip),
                zones=[node.name for node in cluster.nodes],
                mode=mode,
            )
            print(text, end="", file=self._drafts[wishes.json_file], flush=True)
        if wishes.svg_file:
            title = f"{group.addresses[0].ip}: who answers its client"
            text = svg(result.story, title)
            print(text, end="", file=self._drafts[wishes.svg_file], flush=True)


def check_writable(paths: list[Path]) -> None:
    """Raise LabError now, and not after a minute, if one of the files cannot be written."""
    for path in paths:
        if path.is_dir():
            raise LabError(f"{path}: is a directory; name a file")
        target = path if path.exists() else path.absolute().parent
        if not os.access(target, os.W_OK):
            raise LabError(f"{path}: cannot be written; name a file in a folder of yours")


def write(path: Path, text: str) -> None:
    """Write a file that was found to be writable before. Raises LabError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LabError(f"{path}: cannot be written: {error.strerror}") from error


def _keep_logs(folder: Path) -> Path:
    """Copy the logs to where they outlive the lab."""
    kept = Path(tempfile.mkdtemp(prefix="carpool-lab-"))
    for log in folder.glob("*.log"):
        shutil.copy(log, kept)
    return kept
