from errno import EBADF

import pytest

from carpool.lab.libc import call


def test_what_the_kernel_refuses_is_an_error() -> None:
    call("sched_yield")
    with pytest.raises(OSError, match="setns") as refused:
        call("setns", -1, 0)
    assert refused.value.errno == EBADF
