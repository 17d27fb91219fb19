"""The ``carpool`` command line: one small module per command, no logic here.

Only the module of the command that was asked for is imported: a daemon starts faster, and takes
less memory, for every module that it does not know.
"""

import errno
import os
import signal
import sys
from importlib import import_module
from keyword import iskeyword
from types import ModuleType

from carpool import __version__

COMMANDS = {
    "run": "run this node's part of a cluster file, in the foreground",
    "init": "make a cluster file and a password, by a few questions or options",
    "import": "make a cluster file from vmadm payloads and ucarp's set-ups",
    "check": "tell everything that is wrong in files, and between them",
    "explain": "tell what a finding of check or doctor means",
    "render": "make the files that each node needs: payload, first-boot script, services",
    "plan": "tell what has to be done to make the zones, over SSH",
    "apply": "make the zones of a cluster file what it says, over SSH",
    "status": "tell who is master, and why: on this host, or with a file of its zones, over SSH",
    "metrics": "tell what this host's daemons are doing, for Prometheus",
    "watch": "watch live who is master: on this host, or of all groups on a network",
    "web": "serve a page that shows who holds each group, live, and who held it",
    "scan": "listen which groups a network has, and which vhids are free",
    "doctor": "find out why there are two masters, or none",
    "destroy": "delete the zones, over SSH",
    "yield": "hand groups that are master on this host to another node",
    "demote": "make this host less wanted as master, until promote",
    "promote": "take back what demote did",
    "maintenance": "forbid this host to be master, over restarts too, or no longer",
    "reload": "apply a changed cluster file to a running daemon, without a failover",
    "restart": "replace the program of a running daemon, without a failover",
    "events": "tell what has happened on this host, and what happens",
    "notify": "list whom this node tells what happens to groups, or try it",
    "trace": "write what the daemon was told lately, and what it decided",
    "replay": "decide once more what a trace says was decided, and tell why",
    "manifest": "make an SMF manifest for any daemon, or check one",
    "completion": "print what bash, zsh or fish needs to complete these words",
    "ucarp": "do what ucarp does, with ucarp's command line",
    "simulate": "tell what each fault would cost a cluster, in virtual time",
    "lab": "run a cluster file on this machine, zones as network namespaces, and break it",
}

USAGE = """usage: carpool COMMAND [ARGUMENT ...]

Keeps an IP address alive: a group of machines shares it, and when the one that holds it
dies, another takes over.

commands:
{commands}

options:
  -h, --help     show this text
  -V, --version  show the version

`carpool COMMAND --help`, or `carpool help COMMAND`, tells more of a command.
"""


def main() -> int:
    """Run the command line of this process and return its exit code."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_standard_files()
    arguments = sys.argv[1:]
    if arguments[:1] == ["help"]:
        arguments = [*(word for word in arguments if word != "help"), "--help"]
    name = arguments[0] if arguments else "--help"
    if name in COMMANDS:
        module = f"carpool.cli.{name}{'_' * iskeyword(name)}"
        try:
            code = int(_imported(module).main(arguments[1:]))
            sys.stdout.flush()
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:  # `carpool explain | head`: who reads has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141  # as a shell tells of SIGPIPE
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise  # not of the output: a fault of ours
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            print(f"carpool {name}: cannot write: {error.strerror}", file=sys.stderr)
            return 2
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            print(f"carpool: {name} needs more than one file; install carpool", file=sys.stderr)
            return 2
        return code
    if name in ("-V", "--version", "version"):
        print(f"carpool {__version__}")
        return 0
    listed = "\n".join(f"  {command:<11} {text}" for command, text in COMMANDS.items())
    if name in ("-h", "--help"):
        print(USAGE.format(commands=listed), end="")
        return 0
    from difflib import get_close_matches

    meant = get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {meant[0]}?" if meant else "see carpool --help"
    print(f"carpool: there is no command {name!r}; {hint}", file=sys.stderr)
    return 2


def _open_standard_files() -> None:
    """Open those that were closed, as by >&-: what is printed is lost, and no failure."""
    from carpool.node.detach import open_standard_descriptors

    open_standard_descriptors()
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _imported(name: str) -> ModuleType:
    """Return a module; ^C meanwhile ends the process there and then.

    An exception in the midst of an import can get lost, or turn into another.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return import_module(name)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
