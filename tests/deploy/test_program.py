from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.program import built

from carpool.deploy.program import build, narrowed


def test_it_runs_and_is_the_same_every_time(tmp_path: Path) -> None:
    assert build().data == built()
    path = tmp_path / "carpool.pyz"
    path.write_bytes(built())
    done = subprocess.run(
        [sys.executable, "-IS", path, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("carpool ")


def test_what_only_the_operator_runs_is_left_out() -> None:
    names = zipfile.ZipFile(io.BytesIO(built())).namelist()
    assert "carpool/node/daemon.py" in names
    assert not [
        name
        for name in names
        if "deploy" in name or "/lab" in name or ("plan.py" in name and "cli" in name)
    ]


def test_a_text_of_several_lines_is_no_indentation() -> None:
    source = (
        "if 1:\n"
        "    # a comment\n"
        "    def f(\n"
        "        a,\n"
        "    ):\n"
        '        return """x  \n'
        "            y\n"
        '        """\n'
        "\n"
        "    b = f(1) + \\\n"
        "        'z'\n"
    )
    assert narrowed(source) == (
        "if 1:\n"
        "# a comment\n"
        " def f(\n"
        "a,\n"
        "):\n"
        '  return """x  \n'
        "            y\n"
        '        """\n'
        "\n"
        " b = f(1) + \\\n"
        "'z'\n"
    )
