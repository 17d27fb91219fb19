"""The SmartOS demo: from no file to a failover and back to nothing, while a client looks on.

Durations and instants are ns of the monotonic clock.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

from carpool.carp.timing import SECOND, master_down_time
from carpool.cluster.load import load
from carpool.cluster.model import Cluster, Node
from carpool.lab.namespaces import LabError
from carpool.lab.picture import Mark, Story, duration
from carpool.lab.probe import Answer, Probe, longest, tenures
from carpool.lab.smartos.console import Console
from carpool.lab.smartos.hypervisor import Hypervisor
from carpool.lab.smartos.lab import IMAGE, SmartosLab
from carpool.lab.smartos.results import Result, Step
from carpool.lab.view import View
from carpool.lab.zone import Zone

FILE: Final = "web.toml"
VIP: Final = IPv4Address("192.168.0.200")
HYPERVISORS: Final = {
    "gz1.example.com": IPv4Interface("192.168.0.11/16"),
    "gz2.example.com": IPv4Interface("192.168.0.12/16"),
}
CLIENT: Final = IPv4Interface("192.168.0.1/24")
"""The zones' router: it asks from their network."""
NODES: Final = (
    "web1=192.168.0.201/24@gz1.example.com",
    "web2=192.168.0.202/24@gz2.example.com",
)

HANDOVER: Final = SECOND
"""How long a change of masters may take of which both know."""
SLACK: Final = SECOND
"""What a busy machine may add to what the protocol promises."""

_STEP_SECONDS: Final = 0.01
_SETTLE: Final = SECOND // 2
_SILENCE: Final = SECOND // 2
_PATIENCE: Final = 30 * SECOND
_LAB: Final = "/.lab/"


class _WentWrongError(Exception):
    """The demo cannot go on; the text says why."""


@dataclass(slots=True)
class _Act:
    """What is being said of the step under way."""

    outcome: str = ""
    wait: int | None = None
    bound: int | None = None


def play(lab: SmartosLab, client: Zone, view: View) -> Result:
    """Play the whole demo; what goes wrong is in the result."""
    hypervisors = [lab.add_hypervisor(name, place) for name, place in HYPERVISORS.items()]
    names: dict[int, str] = {}
    program = "carpool.lab.smartos.ping"
    with Probe(lab.lab, client, VIP, program=program, names=names) as probe:
        return _Demo(lab, hypervisors, probe, names, view).play()


class _Demo:
    def __init__(
        self,
        lab: SmartosLab,
        hypervisors: Sequence[Hypervisor],
        probe: Probe,
        names: dict[int, str],
        view: View,
    ) -> None:
        self._lab = lab
        self._hypervisors = hypervisors
        self._probe = probe
        self._names = names
        self._view = view
        self._console = Console(lab.operator, self._show)
        self._begin = time.monotonic_ns()
        self._steps: list[Step] = []
        self._marks: list[Mark] = []
        self._cluster: Cluster | None = None

    def play(self) -> Result:
        problems = []
        before = [_contents(host) for host in self._hypervisors]
        try:
            self._make()
            self._fail("vmadm stop", self._stop_zone, self._start_zone, HANDOVER)
            down_time = max(map(self._down_time, self._nodes))
            self._fail("power off", self._power_off, self._power_on, down_time + SLACK)
            self._apply_again()
            self._roll()
            self._protect()
            self._destroy(before)
        except (_WentWrongError, LabError) as error:
            self._tell(f"It went wrong: {error}", "red")
            problems.append(str(error))
        broken = [f"{step.name}: {text}" for step in self._steps for text in step.problems]
        names = tuple(node.name for node in self._nodes)
        answers = tuple(self._probe.answers())
        end = time.monotonic_ns()
        story = Story(names, self._begin, end, answers, (), tuple(self._marks))
        return Result(tuple(self._steps), story, (*broken, *problems))

    # The acts.

    def _make(self) -> None:
        carpool = self._console.carpool
        with self._act("make", "An empty folder, two hypervisors") as act:
            nodes = [word for node in NODES for word in ("--node", node)]
            zone = ["--image", IMAGE.uuid, "--nic-tag", "external", "--gateway", str(CLIENT.ip)]
            carpool("init", FILE, "--yes", *nodes, "--address", str(VIP), *zone)
            self._console.run("cat", FILE)
            carpool("check", FILE)
            carpool("plan", FILE)
            carpool("apply", FILE)
            self._cluster = load(self._console.home / FILE, secrets=False).cluster
            self._learn_macs()
            self._await(lambda: self._answering() is not None, _PATIENCE, "no zone answers")
            carpool("status", FILE)
            master = self._master()
            act.outcome = f"{master.name} is master, of {len(self._nodes)} zones"
            self._tell(f"{master.name} is the one master, and answers the client", "green")

    def _fail(
        self,
        name: str,
        strike: Callable[[Node], None],
        mend: Callable[[Node], None],
        bound: int,
    ) -> None:
        """Take the master down in some way, and bring it back."""
        master = self._master()
        with self._act(name, f"{name}: {master.name} is master") as act:
            struck = time.monotonic_ns()
            self._marks.append(Mark(struck, master.name, name, fault=True))
            strike(master)
            self._await(
                lambda: self._answering() not in (None, master.name),
                bound + _PATIENCE,
                f"nobody took over from {master.name}",
            )
            self._sleep(_SETTLE)
            act.wait, act.bound = self._wait_since(struck), bound
            other = self._master()
            self._tell(f"{other.name} took over: the client waited {duration(act.wait)}", "green")
            mended = time.monotonic_ns()
            self._marks.append(Mark(mended, master.name, "", fault=False))
            mend(master)
            self._await(
                lambda: self._is_online(master), _PATIENCE, f"{master.name} does not come back"
            )
            self._sleep(self._down_time(master) + _SETTLE)
            self._console.carpool("status", FILE)
            answered = [tenure.zone for tenure in tenures(self._since(struck))]
            if answered not in ([other.name], [master.name, other.name]):
                raise _WentWrongError(f"the client was answered by turns: {', '.join(answered)}")
            if (wait := self._wait_since(mended)) > HANDOVER:
                raise _WentWrongError(f"at the return the client waited {duration(wait)}")
            act.outcome = f"{other.name} took over; {master.name} came back, no flap"
            self._tell(f"{master.name} is back, and {other.name} stays master", "green")

    def _apply_again(self) -> None:
        master = self._master()
        with self._act("apply again", "The same file once more") as act:
            began = time.monotonic_ns()
            done = self._console.carpool("apply", FILE)
            if f"nodes: {len(self._nodes)} unchanged\n" not in done:
                raise _WentWrongError("carpool apply found something to change")
            act.wait, act.bound, act.outcome = self._wait_since(began), HANDOVER, "no change"
            if self._answering() != master.name:
                raise _WentWrongError("the master changed")

    def _roll(self) -> None:
        with self._act("new advskew", "Another advskew for both zones") as act:
            self._console.run("sed", "-i", "s/web1 = 0, web2 = 100/web1 = 10, web2 = 50/", FILE)
            began = time.monotonic_ns()
            self._console.carpool("plan", FILE)
            done = self._console.carpool("apply", FILE)
            if f"nodes: {len(self._nodes)} changed\n" not in done:
                raise _WentWrongError("carpool apply did not change all nodes")
            self._cluster = load(self._console.home / FILE, secrets=False).cluster
            self._sleep(_SETTLE)
            act.wait, act.bound = self._wait_since(began), HANDOVER
            changes = len(tenures(self._since(began))) - 1
            if changes != 1:
                raise _WentWrongError(f"the master moved {changes} times, not once")
            act.outcome = "one zone at a time, the master last; it moved once"
            self._tell(f"done; the client waited {duration(act.wait)} at the most", "green")

    def _protect(self) -> None:
        """Take the address out of allowed_ips, which nothing but a client notices."""
        master = self._master()
        with self._act("allowed_ips", "A payload without its address in allowed_ips") as act:
            nic = {"mac": self._mac(master), "allowed_ips": []}
            began = time.monotonic_ns()
            self._marks.append(Mark(began, master.name, "allowed_ips", fault=True))
            command = f"vmadm update {master.uuid}"
            self._console.ssh(_host(master), command, stdin=json.dumps({"update_nics": [nic]}))
            self._await(
                lambda: time.monotonic_ns() - self._last() > _SILENCE,
                _PATIENCE,
                "the client is answered without allowed_ips",
            )
            self._tell("link protection drops what the master answers: the client hears nothing")
            self._console.carpool("status", FILE)
            self._console.carpool("plan", FILE)
            self._console.carpool("apply", FILE)
            mended = time.monotonic_ns()
            self._marks.append(Mark(mended, master.name, "", fault=False))
            self._await(
                lambda: time.monotonic_ns() - self._last() < _SILENCE // 10,
                _PATIENCE,
                "apply did not mend allowed_ips",
            )
            act.wait = self._wait_since(began)
            act.outcome = "nobody answers until apply mends it"
            self._tell(f"mended; the client waited {duration(act.wait)}", "green")

    def _destroy(self, before: Sequence[frozenset[str]]) -> None:
        with self._act("destroy", "Everything away") as act:
            self._console.carpool("destroy", FILE, "--yes", "--images")
            for host, known in zip(self._hypervisors, before, strict=True):
                if self._console.ssh(host.name, "vmadm list -H"):
                    raise _WentWrongError(f"{host.name} has a zone left")
                if left := sorted(_contents(host) - known):
                    raise _WentWrongError(f"{host.name} has left: {', '.join(left[:5])}")
            self._sleep(_SETTLE)
            if time.monotonic_ns() - self._last() < _SETTLE:
                raise _WentWrongError("somebody answers the client still")
            act.outcome = "nothing left"
            self._tell("nothing is left on the hypervisors", "green")

    # What is done to a zone.

    def _stop_zone(self, node: Node) -> None:
        self._console.ssh(_host(node), f"vmadm stop {node.uuid}")

    def _start_zone(self, node: Node) -> None:
        self._console.ssh(_host(node), f"vmadm start {node.uuid}")

    def _power_off(self, node: Node) -> None:
        self._tell(f"the power of {node.hypervisor} fails")
        self._lab.hypervisors[_host(node)].power_off()

    def _power_on(self, node: Node) -> None:
        self._tell(f"the power of {node.hypervisor} is back; it boots, and its zone")
        self._lab.hypervisors[_host(node)].power_on()

    # What is to be seen.

    @contextmanager
    def _act(self, name: str, title: str) -> Iterator[_Act]:
        """Keep what becomes of a step; one that goes wrong ends the demo."""
        number = len(self._steps) + 1
        self._view.say()
        self._tell(f"{number}. {title}", "bold")
        began = time.monotonic_ns()
        act = _Act()
        step = Step(name, "went wrong", 0)
        try:
            yield act
            step = replace(step, outcome=act.outcome)
            if act.wait is not None and act.bound is not None and act.wait > act.bound:
                bound = duration(act.bound)
                problem = f"the client waited {duration(act.wait)}, more than {bound}"
                step = replace(step, problems=(problem,))
        finally:
            length = time.monotonic_ns() - began
            self._steps.append(replace(step, length=length, wait=act.wait, bound=act.bound))

    def _tell(self, text: str, *styles: str) -> None:
        view, seconds = self._view, (time.monotonic_ns() - self._begin) / SECOND
        view.say(f"{view.paint(f'{seconds:5.1f} s', 'dim')}  {view.paint(text, *styles)}")

    def _show(self, text: str, *styles: str) -> None:
        self._view.say(f"    {self._view.paint(text, *styles)}")

    @property
    def _nodes(self) -> tuple[Node, ...]:
        return self._cluster.nodes if self._cluster else ()

    def _down_time(self, node: Node) -> int:
        """Return how long a node that hears no master waits until it takes over."""
        assert self._cluster
        (group,) = self._cluster.groups
        member = group.member(node.name)
        assert member
        return master_down_time(group.advbase, member.advskew, group.dead_ratio)

    def _learn_macs(self) -> None:
        for node in self._nodes:
            self._names[int(self._mac(node).replace(":", ""), 16)] = node.name

    def _mac(self, node: Node) -> str:
        done = self._lab.operator.ssh(_host(node), f"vmadm get {node.uuid}")
        if done.returncode:
            raise _WentWrongError(f"{node.hypervisor}: {done.stderr.strip()}")
        return str(json.loads(done.stdout)["nics"][0]["mac"])

    def _is_online(self, node: Node) -> bool:
        state = f"zlogin {node.uuid} svcs -H -o state carpool"
        return self._lab.operator.ssh(_host(node), state).stdout.strip() == "online"

    def _answering(self) -> str | None:
        """Return who answers the client now, None if nobody does."""
        answers = self._probe.answers()
        late = not answers or time.monotonic_ns() - answers[-1].received > _SILENCE
        return None if late else answers[-1].zone

    def _master(self) -> Node:
        self._next_answer()
        for node in self._nodes:
            if node.name == self._answering():
                return node
        raise _WentWrongError("no zone answers the client")

    def _since(self, instant: int) -> list[Answer]:
        """Return the answers to what the client asked after an instant, in that order."""
        found = [answer for answer in self._probe.answers() if answer.sent >= instant]
        return sorted(found, key=lambda answer: answer.sent)

    def _wait_since(self, instant: int) -> int:
        """Return the client's longest wait that ended after an instant, or goes on."""
        if not self._next_answer():
            return time.monotonic_ns() - self._last()
        gap = longest(self._probe.answers(), since=instant)
        return gap.waited if gap else 0

    def _next_answer(self) -> bool:
        """Wait until the client is answered once more, `SLACK` at most; return whether it was.

        Only with its next answer it tells for how long it had no processor.
        """
        now = time.monotonic_ns()
        while self._last() <= now:
            if time.monotonic_ns() - now > SLACK:
                return False
            time.sleep(_STEP_SECONDS)
        return True

    def _last(self) -> int:
        """Return when the client was last answered."""
        answers = self._probe.answers()
        return answers[-1].received if answers else self._begin

    # Time.

    def _sleep(self, length: int) -> None:
        time.sleep(length / SECOND)

    def _await(self, condition: Callable[[], bool], limit: int, otherwise: str) -> None:
        deadline = time.monotonic_ns() + limit
        while not condition():
            if time.monotonic_ns() > deadline:
                raise _WentWrongError(f"{otherwise} for {duration(limit)}")
            time.sleep(_STEP_SECONDS)


def _host(node: Node) -> str:
    assert node.hypervisor
    return node.hypervisor


def _contents(host: Hypervisor) -> frozenset[str]:
    """Return what is on a hypervisor's disk, but for the lab's own notes."""
    found = (f"/{path.relative_to(host.disk)}" for path in host.disk.rglob("*"))
    return frozenset(name for name in found if not name.startswith(_LAB))
