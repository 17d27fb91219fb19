"""Build carpool.pyz: the program as one file, for machines that have Python and nothing else.

    python3 tools/build_pyz.py [-o carpool.pyz]

The same sources make the same bytes, whatever the machine, the time and the umask. Left out are
the packages that need an installation (OMITTED) and the modules that import them.
"""

from __future__ import annotations

import argparse
import ast
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
PACKAGE = "carpool"

OMITTED = {"carpool.deploy", "carpool.lab", "carpool.sim"}
"""What only an operator's workstation runs."""

DATA = {".sh", ".service", ".typed"}
"""Endings of the files that are read as they are, beside the modules."""

SHEBANG = b"#!/usr/bin/env python3\n"
MAIN = """import sys

from carpool.cli import main

sys.exit(main())
"""
MADE = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can say


def module_name(path: Path) -> str:
    """Return the dotted name of a module, or of a package for its __init__.py."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Yield the name of everything that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_omitted(name: str) -> bool:
    """Return whether a module is one of those left out, or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in OMITTED)


def members() -> list[Path]:
    """Return the files that go in, sorted by their names in the archive."""
    found = []
    for path in (SOURCE / PACKAGE).rglob("*"):
        if path.suffix == ".py":
            if not is_omitted(module_name(path)) and not any(map(is_omitted, imported(path))):
                found.append(path)
        elif path.suffix in DATA and not is_omitted(module_name(path)):
            found.append(path)
    return sorted(found, key=lambda path: path.relative_to(SOURCE).as_posix())


def build(target: Path) -> None:
    """Write the archive to ``target``, at once or not at all."""
    new = target.with_name(f".{target.name}.new")
    with new.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            _add(archive, "__main__.py", MAIN.encode())
            for path in members():
                _add(archive, path.relative_to(SOURCE).as_posix(), path.read_bytes())
    new.chmod(0o755)
    new.replace(target)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, MADE)
    info.create_system = 3  # Unix, on whatever system this runs
    info.external_attr = 0o100644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


def main() -> int:
    """Build it and say how large it is."""
    parser = argparse.ArgumentParser(description="Build carpool.pyz.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "carpool.pyz", metavar="FILE")
    target = parser.parse_args().output
    try:
        build(target)
    except OSError as error:
        print(f"build_pyz: {error.filename or target}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{target}: {target.stat().st_size:,} bytes, {len(members())} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
