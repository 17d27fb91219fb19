"""What tests may need of the machine, by marker.

`namespaces`: the test runs inside namespaces of its own, which go with all their processes when
it ends. `peer(name)`: it needs a program. Where something is missing the test is skipped with the
reason; with CARPOOL_REQUIRE_PEERS in the environment it fails, so that CI cannot pass on skips.
"""

import gc
import os
import shutil
import signal
import warnings
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from tests.support import program
from tests.support.processes import Family

from carpool.lab.namespaces import inside, why_unsupported

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))

# How fast examples are made says more of what else the machine does than of the code. They are the
# same in each run, so that one fails for a change alone: --hypothesis-profile=new looks for others.
settings.register_profile("new", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("busy", settings.get_profile("new"), derandomize=True)
settings.load_profile("busy")


@pytest.fixture(autouse=True, scope="session")
def directories_of_daemons() -> Iterator[None]:
    """Keep what tests run away from the daemons of this machine, and of other workers."""
    with TemporaryDirectory(prefix="carpool-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNTIME_DIRECTORY", f"{folder}/run")
        patch.setenv("STATE_DIRECTORY", f"{folder}/state")
        yield


@pytest.fixture(autouse=True, scope="session")
def program_of_all_workers(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    own = tmp_path_factory.getbasetemp()
    program.folder = own.parent if hasattr(request.config, "workerinput") else own


def pytest_configure() -> None:
    # A shell has what it starts in the background ignore ^C, and children inherit that: without
    # this, what tests interrupt would never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peer"):
        for name in marker.args:
            if shutil.which(name, path=_PATH) is None:
                lacking(f"there is no {name} on this machine")
    if item.get_closest_marker("namespaces") and (reason := why_unsupported()):
        lacking(reason)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    # Thousands of tests are made, and stay until the end: a search for garbage among them finds
    # none, now or later, and makes each child that is forked copy them.
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.get_closest_marker("namespaces") is None:
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    with warnings.catch_warnings():
        # From 3.12 on: a worker of pytest-xdist has a thread, which does not matter to the child.
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        status = inside(lambda: pyfuncitem.obj(**arguments) or 0)
    if status != 0:
        pytest.fail("it failed inside its namespaces: see the captured stderr", pytrace=False)
    return True


@pytest.fixture
def family() -> Iterator[Family]:
    """Fail a test that leaves a process, after ending it."""
    made = Family()
    yield made
    try:
        made.all_gone()
    finally:
        for pid in made.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder for temporary files, which is to be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def lacking(reason: str) -> None:
    if os.environ.get("CARPOOL_REQUIRE_PEERS"):
        pytest.fail(f"{reason}, and CARPOOL_REQUIRE_PEERS forbids to skip", pytrace=False)
    pytest.skip(reason)
