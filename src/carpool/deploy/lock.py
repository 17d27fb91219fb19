"""One operator at a time on a hypervisor: a lock that lasts as long as the connection that took it.

The lock is a directory of the global zone, below /var/run, which is gone when it boots. A process
there keeps it, and removes it when its standard input ends: when we close it, and also when the
connection is cut. What remains is what was killed the hard way, for which there is --break-lock.
"""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import time
from typing import TYPE_CHECKING

from carpool.deploy.errors import DeployError

if TYPE_CHECKING:
    from carpool.deploy.ssh import Remote, Session

STEP = "lock"
PLACE = "/var/run/carpool-deploy.lock"

_KEEP = """\
lock=@PLACE@
owner=@OWNER@
holder() { cat "$lock/pid" 2>/dev/null; }
# The process may be gone, and its number be another's.
lives() { [ -n "$1" ] && ps -o args= -p "$1" 2>/dev/null | grep -F "$lock" >/dev/null; }
if [ @BREAK@ = yes ] && [ -d "$lock" ]; then
    pid=$(holder)
    # Asked kindly, it would remove the lock: perhaps ours by then.
    if lives "$pid"; then kill -9 "$pid"; fi
    rm -rf "$lock"
fi
tries=0
until said=$(mkdir "$lock" 2>&1); do
    if [ ! -d "$lock" ]; then
        echo "$said"
        echo failed
        exit 1
    fi
    # Who has only now made it says in a moment who that is, or it is just being given back.
    if [ ! -s "$lock/owner" ] && [ "$tries" -lt 5 ]; then
        tries=$((tries + 1))
        sleep 1
        continue
    fi
    cat "$lock/owner" 2>/dev/null || echo somebody
    lives "$(holder)" || echo gone
    echo busy
    exit 1
done
trap '[ "$(holder)" != "$$" ] || rm -rf "$lock"' EXIT
trap 'exit 1' HUP INT PIPE TERM
echo "$$" >"$lock/pid" && printf '%s\\n' "$owner" >"$lock/owner" || { echo failed; exit 1; }
echo held
while read -r line; do :; done
"""


def owner(doing: str) -> str:
    """Return who we are, for those who find the lock taken."""
    now = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    return (
        f"{getpass.getuser()} on {socket.gethostname()} (process {os.getpid()}) "
        f"since {now}, for carpool {doing}"
    )


def take(remote: Remote, who: str, *, break_lock: bool = False) -> Session:
    """Take the hypervisor's lock; closing what is returned gives it back. Raises DeployError."""
    script = (
        _KEEP.replace("@PLACE@", shlex.quote(PLACE))
        .replace("@OWNER@", shlex.quote(who))
        .replace("@BREAK@", "yes" if break_lock else "no")
    )
    session = remote.start(script)
    try:
        *said, last = session.first_lines(("held", "busy", "failed")) or [""]
    except OSError as error:
        session.close()
        raise DeployError(
            remote.name, STEP, f"no answer: {error}", "see whether the host is well"
        ) from None
    if last == "held":
        return session
    session.close()
    if last == "busy":
        gone = said[-1:] == ["gone"]
        holder = said[0] if said else "somebody"
        mend = (
            "that process is gone: add --break-lock"
            if gone
            else "wait until they are done; only if they are not at work, add --break-lock"
        )
        raise DeployError(remote.name, STEP, f"locked by {holder}", mend)
    message = f"cannot make {PLACE}: {' '.join(said) or last or 'no answer'}"
    raise DeployError(remote.name, STEP, message, "use a user that may write there: root")
