"""``carpool ucarp``: ucarp's command line in front of the same daemon."""

import signal
import sys
from typing import TYPE_CHECKING

from carpool.cli.paragraphs import Paragraphs
from carpool.cli.telling import tell
from carpool.cli.ucarp_secret import hide_password

if TYPE_CHECKING:
    import argparse

    from carpool.cli.ucarp_options import UcarpOptions
    from carpool.node.settings import GroupSettings


def main(arguments: list[str]) -> int:
    """Run as ucarp would. Return its exit code: 0 stopped, 1 wrong options, 2 cannot run."""
    hide_password(arguments, sys.orig_argv)
    # Only now what takes time to import: until here a password given with -p shows in ps.
    from carpool.cli.ucarp_options import USAGE, parse

    parsed = parse(arguments)
    for warning in parsed.warnings:
        tell(f"carpool ucarp: warning: {warning}")
    for error in parsed.errors:
        tell(f"carpool ucarp: {error}")
    if parsed.usage:
        print(USAGE, file=sys.stderr if parsed.errors else sys.stdout, end="")
    return parsed.exit_code if parsed.options is None else _run(parsed.options)


def parser() -> "argparse.ArgumentParser":
    """Return what knows of its options, for manual pages and completion: `parse` reads them.

    They are taken from the usage, which `ucarp` has.
    """
    import argparse
    import re

    from carpool.cli.ucarp_options import USAGE

    made = argparse.ArgumentParser(
        "carpool ucarp",
        usage="%(prog)s OPTION... [@FILE]...",
        description="Keep one IPv4 address alive, as ucarp does, with ucarp's options.",
        epilog=USAGE.rpartition("\n\n")[2],
        formatter_class=Paragraphs,
        add_help=False,
    )
    for letter, name, metavar, text in re.findall(r"  (-\w), (--\w+)(?:=(\w+))? +(.*)", USAGE):
        if metavar:
            made.add_argument(letter, name, metavar=metavar, help=text)
        else:
            made.add_argument(letter, name, action="store_true", help=text)
    made.add_argument("file", nargs="*", metavar="@FILE", help="a file of further options")
    return made


def _run(options: "UcarpOptions") -> int:
    from carpool.node.daemon import CannotRunError, Daemon, default_interface
    from carpool.node.detach import detach, open_standard_descriptors
    from carpool.node.host import HostError
    from carpool.node.hosts import this_host
    from carpool.node.log import Level, Log, syslog_sink, ucarp_sink
    from carpool.node.loop import Loop

    open_standard_descriptors()
    log = Log(ucarp_sink(), level=Level.DEBUG if options.debug else Level.INFO)
    if options.facility is not None:
        log.sinks += (syslog_sink("ucarp", options.facility),)
    loop = Loop()
    try:
        host = this_host(loop, log)
        interface = options.interface
        if interface is None:
            interface = default_interface(host)
            log.info(f"using {interface} as the network interface")
        daemon = Daemon([_settings(options, interface)], host, loop, log)
        daemon.handle_signals(stop_on=_stopping_signals(options))
        daemon.open()
        if options.daemonize:
            detach()
            log.sinks = log.sinks[1:]
        daemon.run()
    except (CannotRunError, HostError) as error:
        log.error(str(error))
        return 2
    return 0


def _stopping_signals(options: "UcarpOptions") -> tuple[signal.Signals, ...]:
    """Return the signals that stop it cleanly: with -z; without, they kill it, as they do ucarp."""
    if options.shutdown:
        return (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # and not Python's KeyboardInterrupt
    return ()


def _settings(options: "UcarpOptions", interface: str) -> "GroupSettings":
    from ipaddress import IPv4Interface

    from carpool.carp.settings import Settings
    from carpool.node.settings import Advertise, GroupSettings

    return GroupSettings(
        name="",
        carp=Settings(
            vhid=options.vhid,
            addresses=(options.address,),
            password=options.password,
            advbase=options.advbase,
            advskew=options.advskew,
            preempt=options.preempt,
            dead_ratio=options.dead_ratio,
        ),
        interface=interface,
        addresses=(IPv4Interface(options.address),),
        sources=(options.source,),
        manage_addresses=False,
        up=(options.upscript,) if options.upscript else (),
        down=(options.downscript,) if options.downscript else (),
        down_at_start=not options.neutral,
        xparam=options.xparam,
        advertise=Advertise.BROADCAST if options.broadcast else Advertise.REAL_MAC,
        multicast=options.multicast,
        ignore_link=options.ignore_link,
    )
