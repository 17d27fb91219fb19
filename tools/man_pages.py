"""The pages carpool(1) and carpool.toml(5), from the parsers and the cluster file's tables."""

import argparse
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from tools.mdoc import (
    argument,
    described,
    epilog,
    escaped,
    flag,
    literal,
    operands,
    options,
    prose,
    synopsis,
    tagged,
    term,
)

import carpool.cluster
from carpool.cli import COMMANDS, parsers
from carpool.cluster import check_schema, notify_schema
from carpool.cluster.kinds import Kinds
from carpool.cluster.schema import TABLES, ZONE
from carpool.cluster.table import Field, Table

DATE = "November 23, 2026"
"""Of the last change that a reader of the pages would notice."""
EXAMPLE = Path(__file__).parent.parent / "examples" / "two-zones.toml"
MORE = {
    "[groups.NAME]": ("mastership.md", "fast.md", "replay.md", "scripts.md", "notify.md"),
    "[checks.NAME]": ("health.md",),
    "[log]": ("logs.md",),
    "[notify.NAME]": ("notify.md",),
    "[zone]": ("smartos.md",),
}
"""Pages of the manual that tell more of a table's keys."""

HEAD = r""".\" Made by python -m docs.generate from the parsers and tables: change it there.
.Dd {date}
.Dt {title}
.Os
.Sh NAME
{name}
"""

ABOUT = """\
keeps IP addresses alive.
A group of machines shares a virtual IP address; one of them, the master, holds it, and when that
one dies another takes over.
It speaks CARP, the protocol of ucarp and of the BSD kernels.
What each machine does stands in one cluster file, the same for all: see
"""

SIGNALS = (
    (
        "TERM , INT , QUIT , HUP",
        "Stop cleanly: take the addresses off, and bow out. Without -z they kill carpool ucarp.",
    ),
    ("USR1", "Log the state of every group and health check."),
    ("USR2", "Hand every group that is master here to another node."),
)

ENVIRONMENT = (
    ("RUNTIME_DIRECTORY", "Directory of the control socket; systemd sets it."),
    ("STATE_DIRECTORY", "Directory of what survives a restart; systemd sets it."),
    ("JOURNAL_STREAM", "Says that standard error is the journal; systemd sets it."),
    ("NO_COLOR", "If set, carpool watch uses no colour; nor does it with TERM=dumb."),
    ("SSH_AUTH_SOCK", "The agent that plan, apply, status FILE and destroy ask for keys."),
)

FILES = (
    ("/run/carpool/NODE.sock", "The control socket, mode 0600. (/var/run where there is no /run.)"),
    ("/run/carpool/NODE.lock", "Held as long as the daemon of that node runs."),
    (
        "/var/lib/carpool/",
        "State directory, mode 0700: counters, maintenance, traces of failovers and crashes.",
    ),
    ("/var/lib/carpool/run/", "Control sockets of a daemon that may not write to /run."),
    ("~/.ssh/config , ~/.ssh/known_hosts", "Read by plan, apply, status FILE and destroy."),
)


def commands_page() -> str:
    """Return carpool(1)."""
    lines = [
        *_head("CARPOOL 1", (".Nm carpool", ".Nd keep an IP address alive")),
        ".Sh SYNOPSIS",
        ".Nm",
        ".Ar command",
        ".Op Ar argument ...",
        ".Nm",
        f".Op {flag('--help')} | {flag('--version')}",
        ".Sh DESCRIPTION",
        ".Nm",
        *prose(ABOUT),
        ".Xr carpool.toml 5 .",
        ".Pp",
        "The commands are:",
        *_listing(),
        ".Sh COMMANDS",
    ]
    for command, made in parsers.parsers():
        for word, parser in made.items():
            lines += _command(f"{command} {word}".strip(), parser)
    lines += [
        ".Sh SIGNALS",
        *tagged((f"Dv {names}", prose(text)) for names, text in SIGNALS),
        ".Sh ENVIRONMENT",
        *tagged((f"Ev {name}", prose(text)) for name, text in ENVIRONMENT),
        ".Sh FILES",
        *tagged((f"Pa {name}", prose(text)) for name, text in FILES),
        ".Sh EXIT STATUS",
        "That of each command is told above.",
        "In general 0 is success, 2 wrong usage or a file with mistakes,",
        "130 an interruption, and 141 a reader of the output that has gone.",
        ".Sh EXAMPLES",
        "Make a cluster file, try it on this machine, and run it:",
        *literal(
            (
                "carpool init web.toml --yes --interface eth0 \\",
                "    --node web1=192.168.0.201/24 --node web2=192.168.0.202/24 \\",
                "    --address 192.168.0.200",
                "carpool check web.toml",
                "carpool lab web.toml",
                "carpool run web.toml",
            )
        ),
        ".Pp",
        "Take a machine out for work on it, and back:",
        *literal(("carpool maintenance on", "carpool maintenance off")),
        ".Sh SEE ALSO",
        ".Xr carpool.toml 5",
        ".Pp",
        ".Lk docs/index.md the manual",
        ".Sh SECURITY CONSIDERATIONS",
        *prose(
            "CARP authenticates the vhid, the addresses and a counter, not advbase and advskew. "
            "carpool refuses what was heard before, but who can hold an advertisement back can "
            "change it: keep CARP on a network that you trust."
        ),
    ]
    return _page(lines)


def file_page() -> str:
    """Return carpool.toml(5)."""
    lines = [
        *_head("CARPOOL.TOML 5", (".Nm carpool.toml", ".Nd cluster file of carpool")),
        ".Sh DESCRIPTION",
        *prose(
            "A cluster file is TOML 1.0 in UTF-8, and the same on every node: each finds itself in "
            "it by its own address. It may have any name. `carpool check` tells every mistake in "
            "it, with line and mend; an unknown key is one."
        ),
        ".Pp",
        *prose(
            "NAME is up to 64 letters, digits, hyphens, dots and underscores, the first a letter "
            "or digit. Passwords are never in it, but in files of mode 600 that it names."
        ),
        ".Sh TABLES",
    ]
    for table in tables():
        lines += [rf".Ss {argument(table.header)}\&", *prose(table.doc)]
        lines += tagged((f"Ic {field.name}", _key(field)) for field in table.fields)
    lines += [
        ".Sh EXAMPLES",
        "Two machines and the address that they share:",
        *literal(_without_comments(EXAMPLE)),
        ".Sh SEE ALSO",
        ".Xr carpool 1",
    ]
    return _page(lines)


def keys_page() -> str:
    """Return the page of the docs with the same keys, in Markdown."""
    lines = [
        "# Every key of a cluster file",
        "",
        "<!-- Made from src/carpool/cluster/*schema.py by python -m docs.generate. -->",
        "",
        "A cluster file is TOML 1.0, and the same on every node. `carpool check FILE` tells every",
        "mistake in it; an unknown key is one. As a manual page: `man carpool.toml`. With",
        "comments, an example: [`examples/two-zones.toml`](../examples/two-zones.toml).",
    ]
    for table in tables():
        pages = ", ".join(f"[{page}]({page})" for page in MORE.get(table.header, ()))
        more = f" More: {pages}." if pages else ""
        lines += ["", f"## `{table.header}`", "", f"{table.doc}{more}", ""]
        lines += ["| key | takes | default | |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{field.name}` | {_cell(field.reader.kind)} | {_cell(field.default_doc)} | "
            f"{_cell(field.doc)} |"
            for field in table.fields
        ]
        for kinds in (check_schema.KINDS, notify_schema.KINDS):
            if table is kinds.table:
                lines += _of_types(kinds)
    return "\n".join([*lines, ""])


def _of_types(kinds: Kinds) -> list[str]:
    return [
        *("", f"Which keys each type of {kinds.noun} has:", ""),
        *("| type | required | optional |", "| --- | --- | --- |"),
        *(
            f"| `{name}` | {_keys(keys.required)} | {_keys(keys.optional)} |"
            for name, keys in kinds.types.items()
        ),
    ]


def tables() -> list[Table]:
    """Return the tables of a cluster file: those of the schema, and of each module of its own."""
    found = list(TABLES)
    for module in iter_modules(carpool.cluster.__path__):
        if module.name.endswith("_schema"):
            held = vars(import_module(f"carpool.cluster.{module.name}")).values()
            found += [one for one in held if isinstance(one, Table) and one not in found]
    # Last what only zones of SmartOS have.
    return sorted(found, key=lambda table: table is ZONE)


def _head(title: str, name: tuple[str, ...]) -> list[str]:
    return HEAD.format(date=DATE, title=title, name="\n".join(name)).splitlines()


def _page(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _listing() -> list[str]:
    width = max(map(len, COMMANDS))
    lines = [f".Bl -tag -width {'n' * width} -compact"]
    for command, text in COMMANDS.items():
        lines += [f".It Cm {argument(command)}", *prose(text)]
    return [*lines, ".El"]


def _command(name: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return the section of one command."""
    command, _, word = name.partition(" ")
    asked = f"Cm {argument(command)}"
    if word and not word.isupper():  # status FILE: FILE is among its arguments
        asked += f" {argument(word)}"
    lines = [
        f".Ss carpool {escaped(name)}",
        ".Nm",
        f".{asked}",
        *synopsis(parser),
        ".Pp",
        *prose(parser.description or ""),
    ]
    items = [
        (term(action), described(parser, action))
        for action in (*operands(parser), *options(parser))
    ]
    return [*lines, *tagged(items), *epilog(parser.epilog or "")]


def _key(field: Field) -> Iterator[str]:
    yield from prose(field.doc)
    yield ".br"
    yield from prose(f"Takes {field.reader.kind}. Default: {_default(field)}.")
    yield f".Dl {argument(f'{field.name} = {field.reader.example}')}"


def _default(field: Field) -> str:
    return "none, it is required" if field.required else field.default_doc


def _keys(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _without_comments(path: Path) -> list[str]:
    kept = [line.partition("  #")[0].rstrip() for line in path.read_text("utf-8").splitlines()]
    text = "\n".join(line for line in kept if not line.startswith("#"))
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip().splitlines()
