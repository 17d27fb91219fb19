"""Real-time priority and locked memory, where the system permits them: for the fast profile.

The priority is SCHED_FIFO's (sched(7)), low among real-time ones, so that threads of the kernel
come first, and is not passed on: scripts and other children are ordinary processes. A daemon takes
it while its program is replaced, too.
"""

import os
from contextlib import suppress

PRIORITY = 10
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def take_priority() -> str | None:
    """Become a real-time process. Return None, or why not."""
    if not hasattr(os, "sched_setscheduler") or not hasattr(os, "SCHED_RESET_ON_FORK"):
        return "this system has no SCHED_FIFO that Python knows"
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(PRIORITY))
    except OSError as error:
        return f"{error.strerror}; it takes CAP_SYS_NICE, or LimitRTPRIO={PRIORITY} of systemd"
    return None


def may_take_priority() -> bool:
    """Tell whether the system permits it; nothing is another afterwards."""
    if _has_priority():
        return True
    permitted = take_priority() is None
    drop_priority()
    return permitted


def _has_priority() -> bool:
    try:
        return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
    except (AttributeError, OSError):
        return False


def drop_priority() -> None:
    """Become an ordinary process again, if we are none."""
    if not _has_priority():
        return
    # To take the flag away as well needs CAP_SYS_NICE (sched(7)), which a daemon that has its
    # priority from a resource limit does not have.
    for policy in (os.SCHED_OTHER, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK):
        with suppress(OSError):
            os.sched_setscheduler(0, policy, os.sched_param(0))
            return


def lock_memory() -> str | None:
    """Keep what is in memory from being paged out (mlockall(2)). Return None, or why not."""
    flags = _MCL_CURRENT | _MCL_ONFAULT
    try:
        # Only here: a daemon without the fast profile need not have these.
        import ctypes  # noqa: PLC0415
        import resource  # noqa: PLC0415

        # illumos has no such limit, nor this form of mlockall.
        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
            # Not where there is a limit: one day the memory beyond it would be refused.
            flags |= _MCL_FUTURE
        library = ctypes.CDLL(None, use_errno=True)
        if library.mlockall(flags) == 0:
            return None
        problem = os.strerror(ctypes.get_errno())
    except (ImportError, OSError, AttributeError, MemoryError) as error:
        return f"mlockall cannot be called: {error}"
    return f"{problem}; it takes CAP_IPC_LOCK, or LimitMEMLOCK=infinity of systemd"
