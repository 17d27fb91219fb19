"""`carpool lab demo-smartos`: the SmartOS demo with a place to play, and what remains of it."""

import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from carpool.lab import namespaces
from carpool.lab.namespaces import LabError
from carpool.lab.network import Lab
from carpool.lab.performance import check_writable, write
from carpool.lab.picture import legend, timeline
from carpool.lab.probe import INTERVAL
from carpool.lab.session import in_lab
from carpool.lab.smartos import lab as smartos
from carpool.lab.smartos.demo import CLIENT, HYPERVISORS, VIP, play
from carpool.lab.smartos.lab import SmartosLab
from carpool.lab.smartos.results import Result, as_json, table
from carpool.lab.view import View


def perform(json_file: Path | None = None) -> int:
    """Play the demo, write its figures if asked to, and return the exit code.

    Raises LabError if this machine cannot play it, or the file cannot be written.
    """
    if reason := why_not():
        raise LabError(reason)
    if json_file:
        check_writable([json_file])
    view = View(sys.stdout)
    # Not the file itself: what is not finished is not to be seen.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as draft:

        def play_here(folder: Path) -> int:
            result = _play(view, folder)
            print(as_json(result), end="", file=draft, flush=True)
            return 0 if result.ok else 1

        status = in_lab(play_here)
        draft.seek(0)
        if json_file and (text := draft.read()):
            write(json_file, text)
    return status


def why_not() -> str | None:
    """Return why this machine cannot play the demo and what would mend it; None if it can."""
    if reason := smartos.why_unsupported() or namespaces.why_unsupported():
        return reason
    if find_spec("pyinfra") is None:
        return "carpool apply needs pyinfra; run in a checkout of carpool: pip install '.[deploy]'"
    return None


def _play(view: View, folder: Path) -> Result:
    hosts = " and ".join(HYPERVISORS)
    view.say(view.paint("SmartOS, from an empty folder to a failover", "bold"))
    view.say(f"Stand-ins for {hosts}, with real SSH servers; about a minute.")
    view.say(f"A client pings {VIP} every {INTERVAL // 1_000_000} ms.")
    try:
        with Lab() as lab, SmartosLab(lab, parent=folder) as place:
            client = lab.add_zone("client", "net0", [CLIENT])
            result = play(place, client, view)
            kept = None if result.ok else _keep_logs(place)
    except (KeyboardInterrupt, SystemExit):
        view.say("Interrupted; the hypervisors and all in them are gone.")
        raise
    view.say()
    for number, line in enumerate(table(result.steps)):
        view.say(view.paint(line, *(["bold"] if number == 0 else [])))
    view.say()
    if result.story.zones:
        for line in timeline(result.story, view.width - 1, ascii_only=view.ascii_only):
            view.say(line)
        view.say(view.paint(legend(ascii_only=view.ascii_only, spans=False), "dim"))
    view.say()
    for problem in result.problems:
        view.say(view.paint(f"Not as promised: {problem}", "red"))
    if result.ok:
        view.say(view.paint("All as promised. Nothing is left of it.", "green"))
    else:
        view.say(f"The logs: {kept}")
    return result


def _keep_logs(place: SmartosLab) -> Path:
    """Copy the logs to where they outlive the lab: the hypervisors', and their zones'."""
    kept = Path(tempfile.mkdtemp(prefix="carpool-smartos-"))
    for host in place.hypervisors.values():
        shutil.copy(host.log, kept / f"{host.name}.log")
        for log in host.disk.glob("zones/*/root/var/svc/log/*.log"):
            zone = log.relative_to(host.disk / "zones").parts[0]
            shutil.copy(log, kept / f"{host.name}-{zone}-{log.name}")
    return kept
