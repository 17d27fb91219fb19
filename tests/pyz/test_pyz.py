"""The single-file build: the same bytes every time, and all that a bare zone needs."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from tests.notify.servers import web_server
from tests.support.program import built

ROOT = Path(__file__).parent.parent.parent


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_pyz", ROOT / "tools" / "build_pyz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def interpreters() -> list[str]:
    """Return this Python, and others of the machine that carpool supports."""
    found = [sys.executable]
    for minor in (11, 12, 13, 14):
        if sys.version_info[:2] == (3, minor):
            continue
        name = f"python3.{minor}"
        versions = Path.home() / ".pyenv" / "versions"
        candidates = [*map(str, versions.glob(f"3.{minor}.*/bin/{name}")), shutil.which(name)]
        for path in filter(None, candidates):
            tried = subprocess.run([path, "-c", "pass"], capture_output=True, check=False)
            if tried.returncode == 0:
                found.append(path)
                break
    return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyz") / "carpool.pyz"
    path.write_bytes(built())
    path.chmod(0o755)
    return path


def run(python: str, archive: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the archive with nothing else: no site-packages, no environment, an empty directory."""
    return subprocess.run(
        [python, "-I", "-S", "-W", "error", str(archive), *words],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_is_deterministic(tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    previous = os.umask(0o077)
    try:
        builder().build(again)
    finally:
        os.umask(previous)
    assert again.read_bytes() == built()
    assert again.stat().st_mode & 0o777 == 0o755


def test_what_is_in_it(archive: Path) -> None:
    names = zipfile.ZipFile(archive).namelist()
    assert len(names) == len(set(names))
    assert {"__main__.py", "carpool/cli/run.py", "carpool/cli/ucarp.py"} <= set(names)
    assert "carpool/smartos/firstboot.sh" in names
    assert not [name for name in names if name.startswith(("carpool/lab/", "carpool/sim/"))]
    assert archive.read_bytes().startswith(b"#!/usr/bin/env python3\n")


def test_it_is_small(archive: Path) -> None:
    """It is copied into every zone: who makes it grow by a twentieth shall have to say why."""
    assert archive.stat().st_size < 445_000


def statements(source: str) -> tuple[str, list[tuple[str, int]]]:
    """Return what a module does, and in which lines, whatever it says of itself."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str()) as words):
                words.value = ""
    lines = [
        (type(one).__name__, one.lineno) for one in ast.walk(tree) if isinstance(one, ast.stmt)
    ]
    return ast.dump(tree), lines


def test_what_it_leaves_out_of_a_module_is_words(archive: Path) -> None:
    packed = zipfile.ZipFile(archive)
    names = [name for name in packed.namelist() if name.startswith("carpool/")]
    for name in (name for name in names if name.endswith(".py")):
        source, shipped = (ROOT / "src" / name).read_text(), packed.read(name).decode()
        assert statements(shipped) == statements(source), name
    assert '"""' not in packed.read("carpool/carp/virtualhost.py").decode()


@pytest.mark.parametrize("python", interpreters())
def test_it_runs_alone(python: str, archive: Path, tmp_path: Path) -> None:
    done = run(python, archive, tmp_path, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("carpool ")
    done = run(python, archive, tmp_path, "run", "nowhere.toml")
    assert done.returncode == 2
    assert "nowhere.toml: error: cannot be read" in done.stderr
    done = run(python, archive, tmp_path, "ucarp", "--help")
    assert done.returncode == 0, done.stderr
    done = run(python, archive, tmp_path, "ucarp", "-v", "1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_its_children_are_of_the_same_file(archive: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text("0f1e2d3c4b5a6978\n")
    with web_server() as web:
        (tmp_path / "cluster.toml").write_text(
            '[nodes.a]\naddress = "192.168.0.1/24"\ninterface = "net0"\n'
            '[groups.www]\nvhid = 1\naddresses = ["192.168.0.2/24"]\npassword_file = "key"\n'
            f'[notify.a]\ntype = "webhook"\nurl = "http://127.0.0.1:{web.port}/"\n'
        )
        words = ("notify", "--test", "--node", "a", "cluster.toml")
        done = run(sys.executable, archive, tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert b'"kind": "test"' in web.requests[0].body


def test_data_files_are_found(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(
        '[nodes.a]\naddress = "192.168.0.1/24"\ninterface = "net0"\n'
        '[nodes.b]\naddress = "192.168.0.2/24"\ninterface = "net0"\n'
        '[groups.g]\nvhid = 1\naddresses = ["192.168.0.3/24"]\npassword_file = "key"\n'
        'services = ["apache2"]\n'
    )
    done = run(sys.executable, archive, tmp_path, "render", "cluster.toml")
    assert done.returncode == 0, done.stderr
    for line in "ExecStart=", "polkit.addRule(", "u carpool ":
        assert line in done.stdout


def test_what_is_left_out_says_so(archive: Path, tmp_path: Path) -> None:
    done = run(sys.executable, archive, tmp_path, "lab")
    assert done.returncode == 2
    assert done.stderr == "carpool: lab needs more than one file; install carpool\n"


def test_it_is_a_program_by_itself(archive: Path, tmp_path: Path) -> None:
    beside = Path(sys.executable).parent
    done = subprocess.run(
        [str(archive), "--version"],
        cwd=tmp_path,
        env={"PATH": f"{beside}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
