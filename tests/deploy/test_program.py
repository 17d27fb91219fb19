from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.program import built

from carpool.deploy.program import build


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
