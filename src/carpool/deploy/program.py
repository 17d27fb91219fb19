"""carpool.pyz, made from the carpool that runs here: what `carpool apply` puts into zones.

The same sources make the same bytes, whatever the machine, the time and the umask; so a zone that
has them already shows by their digest.
"""

from __future__ import annotations

import ast
import io
import tokenize
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import carpool
from carpool.deploy.targets import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

OMITTED = (
    *("carpool.deploy", "carpool.lab", "carpool.sim", "carpool.web"),
    "carpool.cli.shells",  # completion: a zone's services do not type
)
"""What only an operator's machine runs; modules that import it are left out too."""

DATA = (".sh", ".service", ".rules", ".conf", ".typed")
"""Endings of the files that go in beside the modules."""

_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = """import sys

from carpool.cli import bytecode, main

bytecode.use(__loader__.archive)

sys.exit(main())
"""
_MADE = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can say


def build() -> Program:
    """Return the program. Raises OSError."""
    made = io.BytesIO(_SHEBANG)
    made.seek(0, io.SEEK_END)
    package = Path(carpool.__file__).parent
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for path in members(package):
            data = path.read_bytes()
            if path.suffix == ".py":
                data = without_words(data.decode()).encode()
            _add(archive, path.relative_to(package.parent).as_posix(), data)
    return Program(made.getvalue())


def without_words(source: str) -> str:
    """Return a module without comments and docstrings, each statement in the line where it was.

    They are a quarter of the archive, and tracebacks are as good without.
    """
    lines = source.splitlines()
    read = iter(source.splitlines(keepends=True))
    for token in tokenize.generate_tokens(lambda: next(read, "")):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str()), end_lineno=int(last)):
                first = node.lineno - 1
                lines[first] = " " * node.col_offset + '""'
                lines[first + 1 : last] = [""] * (last - 1 - first)
    return "\n".join(lines) + "\n"


def members(package: Path) -> list[Path]:
    """Return the files that go in, sorted by their names in the archive."""
    source = package.parent
    found = []
    for path in package.rglob("*"):
        if path.suffix == ".py":
            names = (_module_name(path.relative_to(source)), *_imported(path))
            if not any(map(_is_omitted, names)):
                found.append(path)
        elif path.suffix in DATA and not _is_omitted(_module_name(path.relative_to(source))):
            found.append(path)
    return sorted(found, key=lambda path: path.relative_to(source).as_posix())


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_omitted(name: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in OMITTED)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _MADE)
    info.create_system = 3  # Unix, on whatever system this runs
    info.external_attr = 0o100644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)
