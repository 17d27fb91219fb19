"""Where the daemon's lines go, as the cluster file and the command line say."""

from carpool.cluster.model import Logging
from carpool.node.log import (
    Sink,
    StreamSink,
    dated,
    for_journal,
    journal_reads_stderr,
    stderr_sink,
    syslog_sink,
)
from carpool.node.log_lines import JsonLine, Rfc5424
from carpool.node.log_server import TcpSink, UdpSink
from carpool.node.loop import Loop

IDENT = "carpool"
"""What syslog calls the program."""


def make_sinks(log: Logging, node: str, loop: Loop) -> tuple[Sink, ...]:
    """Return the sinks of a node's daemon: one on this host, and the log server if there is one."""
    return (_here(log, node), *_there(log, node, loop))


def _here(log: Logging, node: str) -> Sink:
    match log.format:
        case "text":
            return StreamSink(2, dated)
        case "journal":
            return StreamSink(2, for_journal)
        case "json":
            return StreamSink(2, JsonLine(node, for_journal=journal_reads_stderr()))
        case "syslog":
            return syslog_sink(IDENT, log.facility)
        case "rfc5424":
            return syslog_sink(IDENT, log.facility, _message(log, node))
        case None:
            return stderr_sink()


def _there(log: Logging, node: str, loop: Loop) -> tuple[Sink, ...]:
    if log.server is None:
        return ()
    transport, address, port = log.server
    message = _message(log, node)
    if transport == "udp":
        return (UdpSink(address, port, message),)
    return (TcpSink(address, port, message, loop),)


def _message(log: Logging, node: str) -> Rfc5424:
    return Rfc5424(IDENT, node, log.facility, log.enterprise)
