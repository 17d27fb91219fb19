"""``carpool run FILE``: the daemon, from a cluster file."""

import argparse
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carpool import __version__
from carpool.cli import bytecode, run_log
from carpool.cli.paragraphs import Paragraphs
from carpool.cli.telling import tell
from carpool.cluster.findings import Finding, Severity
from carpool.cluster.identify import identify
from carpool.cluster.load import load
from carpool.cluster.model import Cluster, Node
from carpool.cluster.password import PasswordError
from carpool.node.changes import SALT, Running
from carpool.node.counters import BusyError, open_counter_file
from carpool.node.daemon import CannotRunError, Daemon, NoInterfaceError
from carpool.node.detach import detach, open_standard_descriptors
from carpool.node.events import Events
from carpool.node.handover import HELD_BACK, OLDEST, TRY, VERSION, Handover, identities, receive
from carpool.node.host import Host, HostError
from carpool.node.hosts import this_host
from carpool.node.log import Level, Log, stderr_sink
from carpool.node.loop import Loop
from carpool.node.maintenance import Maintenance
from carpool.node.plan import plan
from carpool.node.recorder import Recorder
from carpool.node.rundir import (
    AlreadyRunningError,
    Claim,
    RunDirectoryError,
    adopt,
    claim,
    default_run_directories,
)
from carpool.node.state import (
    DEFAULT,
    StateDirectory,
    default_state_directory,
    open_state_directory,
)

if TYPE_CHECKING:
    from carpool.node.control import Control
    from carpool.node.health.settings import CheckSettings
    from carpool.node.notify.settings import NotifierSettings
    from carpool.node.steering import Steering

EPILOG = """signals: TERM, INT, QUIT and HUP stop cleanly (addresses off, bow out); USR1 logs the
state of every group and check; USR2 hands every group that is master here to another node.

exit codes: 0 stopped cleanly; 1 an interface is not there, which may come: start it again; 2 the
file, the node or the host is not fit to run. A start that ends so touched nothing. With --smf: 96
the file or the node is wrong, which parks the service; 1 this host cannot run it now, which SMF
tries again.
"""

_UNFIT = 2
_TRY_AGAIN = 1
"""For service managers: smf_method(7), and Restart= of the systemd units."""
_SMF_ERR_CONFIG = 96
"""smf_method(7): a configuration that no further try will mend."""


class _UnfitError(Exception):
    """The file or the node is wrong; the text says how and what to do."""


def main(arguments: list[str]) -> int:
    """Run the daemon until it is told to stop. Return the exit code."""
    under_smf = "--smf" in arguments
    # What a program that is tried says is told by the daemon, which the user knows.
    who = "" if TRY in arguments else "carpool run: "
    handover = receive()
    try:
        with _abandoned_on_failure(handover):
            _run(parser().parse_args(arguments), handover)
    except SystemExit as error:  # argparse has said why
        return _SMF_ERR_CONFIG if under_smf and error.code == _UNFIT else int(error.code or 0)
    except (_UnfitError, PasswordError) as error:
        tell(f"{who}{error}")
        return _SMF_ERR_CONFIG if under_smf else _UNFIT
    except (CannotRunError, HostError, BusyError) as error:
        tell(f"{who}{error}")
        return _TRY_AGAIN if under_smf or isinstance(error, NoInterfaceError) else _UNFIT
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool run",
        description="Run this node's part of a cluster file, in the foreground.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the cluster file (TOML)")
    made.add_argument(
        "--node",
        metavar="NAME",
        help="which node this is (default: the one with this host's address)",
    )
    made.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="keep in this directory what must survive a restart "
        f"(default: $STATE_DIRECTORY, which systemd sets, or {DEFAULT})",
    )
    made.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="where to make the control socket, NODE.sock (default: $RUNTIME_DIRECTORY, which "
        f"systemd sets, or the first that can be used of "
        f"{', '.join(map(str, default_run_directories()))})",
    )
    run_log.add_options(made)
    made.add_argument(
        "--smf",
        action="store_true",
        help="as the start method of an SMF service: go to the background once all is open, "
        "log to where SMF says, use SMF's exit codes",
    )
    # Asked by a daemon that is to be restarted: could this program take over from it?
    made.add_argument(TRY, type=int, dest="successor_to", help=argparse.SUPPRESS)
    return made


@contextmanager
def _abandoned_on_failure(handover: Handover | None) -> Iterator[None]:
    """Take off what the program before this one held, if this one cannot go on holding it."""
    try:
        yield
    except BaseException:
        if handover is not None:
            with suppress(HostError):
                this_host(Loop(), Log(stderr_sink())).sweep(handover.addresses())
        raise


def _run(options: argparse.Namespace, handover: Handover | None) -> None:
    cluster = _load(options)
    open_standard_descriptors()
    loop = Loop()
    wanted = run_log.wanted_log(options, cluster.log)
    log = run_log.first_log(wanted)
    events = _events(log, handover)
    host = this_host(loop, log)
    node = _identify(cluster, options.node, host)
    groups = plan(cluster, node)
    if not groups:
        raise _UnfitError(f"{options.file}: node {node.name} is in no group: nothing to run")
    checks = _checks(cluster, node)
    notifiers = _notifiers(cluster, node)
    if options.successor_to is not None:
        tried = Daemon(groups, host, loop, log, None, checks)
        _try(tried, Running(cluster, node, groups, notifiers), options.successor_to)
        return
    run_log.direct(log, wanted, node.name, loop)
    if handover is not None:
        log.restore(handover.lines)
    state = open_state_directory(options.state_dir or default_state_directory(), log)
    claimed = _claim(options.run_dir, node.name, log, handover)
    try:
        counters = open_counter_file(state, node.name, log)
        directory = state.path if state else claimed.directory if claimed else None
        recorder = Recorder(node.name, directory, len(groups), loop=loop, log=log)
        daemon = Daemon(
            groups, host, loop, log, counters, checks, recorder=recorder, realtime=node.realtime
        )
        daemon.handle_signals(
            stop_on=(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
        daemon.open()
        _notify(notifiers, daemon, events, handover, loop, log)
        if handover is None:
            daemon.probe()
        if options.smf and handover is None:
            detach(keep_output=True)
        maintenance = Maintenance(node.name, state, log)
        if handover is None:
            maintenance.load()
        else:
            maintenance.restore(handover.maintenance)
        maintenance.apply(daemon.groups)
        control = None
        if claimed is not None:
            # Only now: what is advertised meanwhile waits in the sockets.
            from carpool.node.restart import Restart
            from carpool.node.steering import Steering

            restarts = 0 if handover is None else handover.restarts
            restart = Restart(
                *(daemon, claimed, maintenance, loop, log),
                events=events,
                running=Running(cluster, node, groups, notifiers),
                restarts=restarts,
            )
            steering = Steering(
                node.name,
                daemon,
                maintenance=maintenance,
                restart=restart,
                recorder=recorder,
                events=events,
                loop=loop,
                log=log,
            )
            control = _listen(claimed, steering, loop, log)
            restart.owes = control.owes
        _tell_service_manager(daemon, events, loop)
        if state is not None and options.state_dir is None:
            _keep_bytecode(state)
        started = "starting" if handover is None else "restarted"
        text = f"node {node.name}: {_count(len(groups), 'group')}, {started}"
        log.happened("daemon", Level.NOTICE, text, details={"phase": started})
        try:
            daemon.run(handover)
        except Exception as error:
            recorder.crashed(error)
            raise
        log.happened(
            "daemon", Level.NOTICE, f"node {node.name}: stopped", details={"phase": "stopped"}
        )
        _say_the_last(control)
    finally:
        if claimed is not None:
            claimed.release()


def _load(options: argparse.Namespace) -> Cluster:
    """Read the cluster file, and tell what is found in it. Raises _UnfitError."""
    if options.successor_to is not None and options.file.is_fifo():
        raise _UnfitError(
            f"{options.file} is a pipe, which nobody fills again: start the daemon with a file"
        )
    loaded = load(options.file)
    for finding in loaded.findings:
        tell(str(finding))
    if loaded.cluster is None:
        errors = sum(finding.severity is Severity.ERROR for finding in loaded.findings)
        raise _UnfitError(f"{options.file}: {_count(errors, 'error')}; nothing was touched")
    return loaded.cluster


def _events(log: Log, handover: Handover | None) -> Events:
    events = Events(log)
    if handover is not None:
        events.restore(handover.events)
    return events


def _tell_service_manager(daemon: Daemon, events: Events, loop: Loop) -> None:
    """Tell systemd how we are, if it wants to know."""
    if "NOTIFY_SOCKET" in os.environ:
        from carpool.node import service_manager

        manager = service_manager.find(loop)
        if manager is not None:
            manager.tell_of(daemon, events)


def _listen(claimed: Claim, steering: "Steering", loop: Loop, log: Log) -> "Control":
    from carpool.node.control import Control

    claimed.sign()
    return Control(claimed.listener, loop, log, steering.handle, steering.pages)


def _say_the_last(control: "Control | None") -> None:
    if control is not None:
        control.flush()


def _keep_bytecode(state: StateDirectory) -> None:
    """Let the next start from this archive be faster, if it is one."""
    compiled = bytecode.to_keep()
    if compiled is not None:
        with suppress(OSError):
            state.write(bytecode.NAME, compiled)


def _try(daemon: Daemon, running: Running, version: int) -> None:
    """Say what we would run, if we can. Raises _UnfitError and CannotRunError."""
    if not OLDEST <= version <= VERSION:
        raise _UnfitError(f"this program takes over from version {VERSION}, not {version}")
    daemon.open()
    told: dict[str, Any] = {
        "groups": identities(running.groups),
        "program": __version__,
        "processor_wait_seconds": _processor_wait() / 1e9,
    }
    if salt := os.environ.get(SALT):
        told["described"] = running.described(salt)
    print(json.dumps(told))


def _processor_wait() -> int:
    """Return for how long this process has waited for a processor (ns), 0 where none tells."""
    try:  # Documentation/scheduler/sched-stats.rst of Linux
        return int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, LookupError):
        return 0


def _claim(directory: Path | None, node: str, log: Log, handover: Handover | None) -> Claim | None:
    """Claim the node on this host; None if there is nowhere to put the socket."""
    if handover is not None:
        adopted = adopt(
            Path(handover.run_directory), handover.node, handover.listener, handover.lock
        )
        if handover.node == node:
            return adopted
        adopted.release()  # The new configuration knows this host by another name.
    try:
        return claim([directory] if directory else default_run_directories(), node)
    except AlreadyRunningError as error:
        raise CannotRunError(str(error)) from error
    except RunDirectoryError as error:
        log.warning(
            f"no control socket: {error}; carpool status will not find this daemon. Name a "
            "directory that it may write to: --run-dir"
        )
        return None


def _checks(cluster: Cluster, node: Node) -> "tuple[CheckSettings, ...]":
    if not cluster.checks:
        return ()
    # Only here: a cluster without checks need not load them.
    from carpool.node.health.plan import plan_checks

    return plan_checks(cluster, node)


def _notifiers(cluster: Cluster, node: Node) -> "tuple[NotifierSettings, ...]":
    if not cluster.notifiers:
        return ()
    # Only here, likewise.
    from carpool.node.notify.settings import plan_notifiers

    return plan_notifiers(cluster, node)


def _notify(
    notifiers: "tuple[NotifierSettings, ...]",
    daemon: Daemon,
    events: Events,
    handover: Handover | None,
    loop: Loop,
    log: Log,
) -> None:
    """Tell of what happens from now on, if anybody is to be told."""
    if not notifiers:
        return
    from carpool.node.notify.notifying import Notifying

    daemon.notifying = Notifying(
        notifiers, loop=loop, log=log, look=daemon.outline, epoch=events.epoch
    )
    if handover is not None:
        daemon.notifying.restore(handover.notices)
    events.subscribe(daemon.notifying.hear)


def _identify(cluster: Cluster, name: str | None, host: Host) -> Node:
    found = identify(cluster, [one.interface.ip for one in host.addresses()], name)
    if isinstance(found, Finding):
        raise _UnfitError(str(found))
    return found


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
