"""Carrying out the steps of one node: what runs in the global zone, and what in the zone.

Every script can be run again after it broke off anywhere. What is secret goes over standard input.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from carpool.deploy import shell
from carpool.deploy.errors import DeployError
from carpool.deploy.observe import ABSENT, answer
from carpool.deploy.plan import Kind
from carpool.deploy.question import question, service_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carpool.deploy.observe import Inside, Observed
    from carpool.deploy.plan import NodePlan, Step
    from carpool.deploy.ssh import Remote
    from carpool.deploy.targets import Target

LONG = 3600.0
"""Seconds that vmadm and imgadm may take: an image is downloaded."""
FIRST_BOOT = 1200.0
"""Seconds until a zone has booted for the first time, its packages installed."""

SERVICE = 300.0
"""Seconds that a service may take to stop and to start: it waits for its scripts."""

_LEAST_PAUSE, _MOST_PAUSE = 0.1, 2.0  # seconds between two looks
_SETTLED = ("online", "degraded", "maintenance", "disabled")

Halted = Callable[[], bool]
"""Whether the user wants to stop."""

_ARRIVED = """\
arrived() {
    case $(digests_of "$1") in
    *"$2"*) ;;
    *) echo "not all of it has arrived" >&2; return 1 ;;
    esac
}
"""

_PROGRAM = """\
umask 022
path=@PATH@
new=$path.new
mkdir -p "${path%/*}" || exit 1
if cat >"$new" && arrived "$new" @DIGEST@ && chmod 644 "$new" && mv -f "$new" "$path"
then exit 0
fi
rm -f "$new"
exit 1
"""

_SET_UP = """\
umask 077
script=$(mktemp /tmp/carpool.XXXXXX) || exit 1
trap 'rm -f "$script"' EXIT
cat >"$script" && arrived "$script" @DIGEST@ || exit 1
@STOP@
start() {
@START@
}
sh "$script" </dev/null 2>&1
code=$?
# What the script complained about is the last word.
if [ "$code" = 0 ]; then start || code=1; else start >/dev/null 2>&1; fi
exit "$code"
"""

_SMF_STOP = """\
case $(svcs -H -o state @NAME@ 2>/dev/null) in online*) svcadm disable -st @NAME@ ;; esac"""
_SMF_START = """\
{ case $(svcs -H -o state @NAME@ 2>/dev/null) in
maintenance*) svcadm clear @NAME@ ;;
esac; svcadm enable -s @NAME@; } 2>&1 || { @SAID@ | tail -1; false; }"""
_SMF_SAID = "grep -v '^\\[' /var/svc/log/network-carpool:default.log"
"""What the daemon said itself, without the restarter's lines."""
_LX_STOP = "systemctl stop @NAME@ 2>/dev/null"
_LX_START = "systemctl enable -q --now @NAME@"


class Executor:
    """Carries out steps on one node over the connection to its hypervisor."""

    def __init__(self, remote: Remote, target: Target, halted: Halted = lambda: False) -> None:
        self._remote = remote
        self._target = target
        self._halted = halted

    def prepare(self, plan: NodePlan) -> None:
        """Do what can be done beforehand, and let vmadm judge the rest. Raises DeployError."""
        for step in plan.steps:
            if step.kind in (Kind.CREATE, Kind.RECREATE):
                self._import_image()
                self._validate("create", self._target.payload)
            elif step.kind is Kind.UPDATE:
                self._validate(f"update {self._target.brand}", step.update)

    def carry_out(self, step: Step) -> None:
        """Carry out one step, but those that `prepare` has done. Raises DeployError."""
        uuid = self._target.uuid
        match step.kind:
            case Kind.IMPORT:
                pass
            case Kind.CREATE:
                self._create(step)
            case Kind.RECREATE:
                self.delete()
                self._create(step)
            case Kind.UPDATE:
                mend = "mend what it complains about, and run apply again"
                self._run(step.kind, f"vmadm update {uuid}", mend, _json(step.update), LONG)
            case Kind.BOOT:
                self._boot(step)
            case Kind.PROGRAM:
                self._put_program(step)
            case Kind.SET_UP:
                self._set_up(step)
            case Kind.RESTART:
                anew = f"{self._service(_stop)}\n{self._service(_start)}"
                commands = f"{self._target.restart} >/dev/null 2>&1 || {{ {anew}\n}}"
                self._in_zone(step.kind, commands, self._log_mend())
            case Kind.ENABLE:
                self._in_zone(step.kind, self._service(_start), self._log_mend())

    def delete(self) -> None:
        """Delete the zone, after its daemon has bowed out; also one that is gone. DeployError."""
        if (observed := self.look()).vm is None:
            return
        if observed.inside is not None and observed.inside.service != ABSENT:
            # Whatever keeps it from stopping, it goes with its zone.
            self._remote.run(self._zlogin(self._service(_stop)), patience=SERVICE)
        mend = "see what vmadm says, and run the command again"
        self._run("delete zone", f"vmadm delete {self._target.uuid}", mend, b"", LONG)

    def look(self, *, full: bool = False) -> Observed:
        """Return what the node is now. Raises DeployError."""
        asked = self._remote.run("exec sh -s", question([self._target], full=full).encode())
        return answer(self._remote.name, [self._target], asked.out)[self._target.node]

    def wait(
        self, step: str, what: str, condition: Callable[[Observed], bool], seconds: float
    ) -> Observed:
        """Look at the node until the condition holds. Raises DeployError after ``seconds``."""
        deadline = time.monotonic() + seconds
        pause = _LEAST_PAUSE
        while not condition(observed := self.look()):
            if self._halted():
                raise self.error(step, "interrupted", "run the command again")
            if time.monotonic() > deadline:
                message = f"{what} after {seconds:.0f} s"
                raise self.error(step, message, self._log_mend())
            time.sleep(pause)
            pause = min(2 * pause, _MOST_PAUSE)
        return observed

    def error(self, step: str, message: str, mend: str) -> DeployError:
        """Return an error of this node."""
        return DeployError(self._remote.name, step, message, mend, self._target.node)

    # The global zone.

    def _import_image(self) -> None:
        image = self._target.image
        script = f"imgadm get {image} >/dev/null 2>&1 || imgadm import -q {image}"
        mend = "see 'imgadm avail' on the hypervisor, and mend image in [zone]"
        self._run(Kind.IMPORT, script, mend, b"", LONG)

    def _validate(self, action: str, payload: Mapping[str, Any]) -> None:
        mend = "mend the key of [zone] or of the node that it complains about"
        self._run(f"vmadm validate {action}", f"vmadm validate {action}", mend, _json(payload))

    def _create(self, step: Step) -> None:
        mend = "mend what it complains about, and run apply again"
        self._run(step.kind, "vmadm create", mend, _json(self._target.payload), LONG)
        if self._target.payload["autoboot"]:
            self._wait_for_boot(step)
        else:
            self._boot(step)

    def _boot(self, step: Step) -> None:
        uuid = self._target.uuid
        mend = "see 'vmadm list' and /zones/UUID/logs on the hypervisor, and run apply again"
        if self.look().state == "running":
            self._remote.run(self._zlogin(self._service(_stop)), patience=SERVICE)
            self._run(step.kind, f"vmadm stop {uuid}", mend, b"", LONG)
        self._run(step.kind, f"vmadm start {uuid}", mend, b"", LONG)
        self._wait_for_boot(step)

    def _wait_for_boot(self, step: Step) -> None:
        def settled(observed: Observed) -> bool:
            return observed.inside is not None and observed.inside.boot in _SETTLED

        self.wait(step.kind, "the zone has not booted", settled, FIRST_BOOT)

    # The zone.

    def _put_program(self, step: Step) -> None:
        program = self._target.program
        script = _PROGRAM.replace("@PATH@", shlex.quote(self._target.files[0].path))
        script = script.replace("@DIGEST@", program.sha256)
        mend = "make room in the zone if it is full (quota in [zone]), and run apply again"
        self._in_zone(step.kind, script, mend, program.data)

    def _set_up(self, step: Step) -> None:
        data = self._target.script.encode()
        script = (
            _SET_UP.replace("@DIGEST@", sha256(data).hexdigest())
            .replace("@STOP@", self._service(_stop))
            .replace("@START@", self._service(_start))
        )
        self._in_zone(step.kind, script, self._log_mend(), data, FIRST_BOOT)

    def _service(self, verb: Callable[[str], str]) -> str:
        return verb(self._target.brand).replace("@NAME@", service_name(self._target.brand))

    def _in_zone(
        self, step: str, script: str, mend: str, data: bytes = b"", patience: float = SERVICE
    ) -> None:
        self._run(step, self._zlogin(script), mend, data, patience)

    def _zlogin(self, script: str) -> str:
        whole = shell.ENVIRONMENT + shell.DIGEST + _ARRIVED + script
        return f"zlogin {self._target.uuid} {shlex.quote(whole)}"

    def _run(
        self, step: str, script: str, mend: str, data: bytes = b"", patience: float = 120.0
    ) -> None:
        try:
            output = self._remote.run(shell.ENVIRONMENT + script, data, patience=patience)
        except DeployError as error:
            problem = error.problem
            raise self.error(step, problem.message, problem.mend) from None
        if output.code != 0:
            raise self.error(step, output.reason, mend)

    def _log_mend(self) -> str:
        uuid = self._target.uuid
        logs = (
            "journalctl -u carpool"
            if self._target.brand == "lx"
            else "tail /var/svc/log/*carpool:default.log /var/svc/log/smartdc-mdata:execute.log"
        )
        return f"see on the hypervisor: zlogin {uuid} {shlex.quote(logs)}; then run apply again"


def _stop(brand: str) -> str:
    return _LX_STOP if brand == "lx" else _SMF_STOP


def _start(brand: str) -> str:
    return _LX_START if brand == "lx" else _SMF_START.replace("@SAID@", _SMF_SAID)


def _json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()


def is_online(inside: Inside | None) -> bool:
    """Return whether carpool's service runs and has opened its sockets.

    With --smf its start method ends only then, and SMF calls it online: see the manifest.
    """
    return inside is not None and inside.service == "online"
