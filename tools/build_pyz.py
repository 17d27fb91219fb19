"""Build carpool.pyz: the program as one file, for machines that have Python and nothing else.

    python3 tools/build_pyz.py [-o carpool.pyz]

Nothing needs to be installed. What goes in, and that the same sources make the same bytes, is the
business of carpool.deploy.program.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent


def build(target: Path) -> None:
    """Write the archive to ``target``, at once or not at all. Raises OSError."""
    sys.path.insert(0, str(ROOT / "src"))
    program = import_module("carpool.deploy.program")
    new = target.with_name(f".{target.name}.new")
    new.write_bytes(program.build().data)
    new.chmod(0o755)
    new.replace(target)


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
    print(f"{target}: {target.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
