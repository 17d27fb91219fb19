"""Runs each test marked `namespaces` inside namespaces of its own, which go when it ends."""

import pytest

from carpool.lab.namespaces import inside, why_unsupported


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.get_closest_marker("namespaces") is None:
        return None
    if reason := why_unsupported():
        pytest.skip(reason)
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    if inside(lambda: pyfuncitem.obj(**arguments) or 0) != 0:
        pytest.fail("it failed inside its namespaces: see the captured stderr", pytrace=False)
    return True
