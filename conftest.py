"""Where a helper of the tests asserts, a failure is to show the values as in a test."""

import pytest

pytest.register_assert_rewrite("tests")
