"""The house keeps its shape: imports go one way, modules fit in a head, nothing is installed."""

import ast
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = "carpool"
SOURCE = Path(__file__).parent.parent / "src" / PACKAGE
MODULES = sorted(SOURCE.rglob("*.py"))

TIERS = (
    {""},
    {"carp", "netlink", "notify"},
    {"cluster", "recorder"},
    {"smartos"},
    {"node"},
    {"sim", "watch"},
    {"doctor"},
    {"deploy", "lab"},  # The lab falls back on the virtual LAN where there are no namespaces.
    {"web"},
    {"cli"},
    {"__main__"},
)
"""From the bottom up. A package imports itself and what is below; "" is carpool/__init__.py."""
TIER = {name: level for level, names in enumerate(TIERS) for name in names}

IMPURE = {
    "asyncio",
    "os",
    "random",
    "secrets",
    "select",
    "selectors",
    "socket",
    "threading",
    "time",
}
"""What the protocol core must not know: it is given bytes and a clock reading."""

WALL_CLOCK = {
    "CLOCK_REALTIME",
    "ctime",
    "datetime",
    "gmtime",
    "localtime",
    "strftime",
    "time",
    "time_ns",
}
"""What reads the wall clock, or shows its time: attributes of the module time."""
READS_THE_WALL_CLOCK = {
    "node/log.py",  # to stamp its lines
    "node/log_lines.py",  # likewise
    "node/events.py",  # to stamp events
    "node/recorder.py",  # to say when a trace was written
    "node/trace_files.py",  # to name it
    "node/counters.py",  # once, to seed counters that go on where the last run's ended
}
"""Modules of the daemon that may: nothing that decides or waits is among them."""

OF_EXTRAS = {"web": {"jinja2", "markupsafe", "starlette", "uvicorn"}}
"""What a room may import besides the standard library: what its extra of pyproject.toml brings."""

CEILING = 600
"""Lines of a module."""


def room(parts: tuple[str, ...]) -> str:
    """Return the package of ours that a dotted module name belongs to."""
    return parts[1] if len(parts) > 1 else ""


def is_module(name: str) -> bool:
    return (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").is_file()


@cache
def imports(path: Path) -> tuple[tuple[int, str], ...]:
    return tuple(imports_in(path))


def imports_in(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute module name) for every import, wherever in the module it stands.

    `from carpool import cli` imports a module, `from carpool import __version__` does not.
    """
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                assert level == 0, f"{path}:{node.lineno}: write the import in full"
                assert module is not None
                if module == PACKAGE:
                    modules = (a.name for a in names if is_module(a.name))
                    yield from ((node.lineno, f"{PACKAGE}.{name}") for name in modules)
                yield node.lineno, module


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def parts_of(path: Path) -> tuple[str, ...]:
    inside = path.relative_to(SOURCE).with_suffix("").parts
    return (PACKAGE, *(part for part in inside if part != "__init__"))


def every_module(*rooms: str) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Run a test on each module, or on each of these packages, as one test: it costs less."""
    chosen = [path for path in MODULES if not rooms or room(parts_of(path)) in rooms]

    def decorate(test: Callable[[Path], None]) -> Callable[[], None]:
        def on_each() -> None:
            for module in chosen:
                test(module)

        return on_each

    return decorate


def test_there_are_modules() -> None:
    assert {room(parts_of(path)) for path in MODULES} >= {"carp", "netlink", "cluster", "node"}


@every_module()
def test_imports_go_one_way(module: Path) -> None:
    own = room(parts_of(module))
    assert own in TIER, f"give {own} a tier in {Path(__file__).name}"
    for line, name in imports(module):
        parts = tuple(name.split("."))
        if parts[0] != PACKAGE:
            continue
        other = room(parts)
        assert other == own or TIER[other] < TIER[own], (
            f"{module}:{line}: {own} must not import {name}"
        )


@every_module(*TIERS[1])
def test_the_bottom_imports_nothing_of_ours(module: Path) -> None:
    own = room(parts_of(module))
    foreign = [name for _, name in imports(module) if name.split(".")[0] == PACKAGE]
    assert all(room(tuple(name.split("."))) == own for name in foreign), module


@every_module()
def test_run_time_imports_are_the_standard_library(module: Path) -> None:
    known = sys.stdlib_module_names | {PACKAGE} | OF_EXTRAS.get(room(parts_of(module)), set())
    for line, name in imports(module):
        assert name.split(".")[0] in known, f"{module}:{line}: {name} would have to be installed"


@every_module("carp")
def test_the_core_touches_no_socket_clock_thread_or_chance(module: Path) -> None:
    for line, name in imports(module):
        assert name.split(".")[0] not in IMPURE, f"{module}:{line}: carp must not import {name}"


def wall_clock_uses(source: str) -> list[tuple[int, str]]:
    """Return (line, name) wherever a module reads the wall clock."""
    return [
        (node.lineno, node.attr)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "time"
        and node.attr in WALL_CLOCK
    ] + [
        (node.lineno, "an import")
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.ImportFrom) and node.module in {"time", "datetime"})
        or (isinstance(node, ast.Import) and any(a.name == "datetime" for a in node.names))
    ]


@every_module("carp", "node", "netlink")
def test_a_step_of_the_wall_clock_changes_nothing(module: Path) -> None:
    if name_of(module) not in READS_THE_WALL_CLOCK:
        assert wall_clock_uses(module.read_text()) == [], module


def test_the_check_sees_the_wall_clock() -> None:
    assert wall_clock_uses("import time\ntime.monotonic()") == []
    assert wall_clock_uses("import time\nx = time.time()") == [(2, "time")]
    assert wall_clock_uses("time.clock_gettime(time.CLOCK_REALTIME)") == [(1, "CLOCK_REALTIME")]
    assert wall_clock_uses("from time import time") == [(1, "an import")]


@every_module()
def test_modules_fit_in_a_head(module: Path) -> None:
    lines = len(module.read_text().splitlines())
    assert lines <= CEILING, f"{module} has {lines} lines"


def test_the_checks_see_every_form_of_import(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "import a.b, c\nfrom d.e import f\n"
        "def g():\n    import h\n"
        "if x:\n    from carpool import cli\n"
    )
    assert {name for _, name in imports(path)} == {
        *("a.b", "c", "d.e", "h", "carpool", "carpool.cli")
    }
