"""Running a program without privilege."""

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import carpool

NOBODY: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": ()}
"""For subprocess.Popen."""


def python_for_nobody() -> str:
    """Return a Python that the user nobody may run; skip the test if there is none."""
    for path in (Path(sys.executable).resolve(), Path("/usr/bin/python3")):
        question = [str(path), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        with suppress(OSError):
            if subprocess.run(question, **NOBODY, check=False, timeout=20).returncode == 0:
                return str(path)
    pytest.skip("no Python 3.11 or later that the user nobody may run")


def copy_sources(folder: Path) -> None:
    """Put carpool where nobody can read it: the sources may be where nobody cannot look."""
    package = Path(carpool.__file__).parent
    shutil.copytree(package, folder / "carpool", ignore=shutil.ignore_patterns("__pycache__"))
