"""Hypervisors that exist only in memory, for the order of things and for what goes wrong."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any

from tests.deploy.support import answer_text, vm_of

from carpool.deploy.errors import DeployError
from carpool.deploy.ssh import Output
from carpool.deploy.targets import Goal, Target

Hook = Callable[[str, str], str | None]
"""Takes a node and an action; returns why it fails, None if it does not."""


class World:
    """Every zone of a goal, and who is master; `log` is (node, action) in the order it happened."""

    def __init__(self, goal: Goal) -> None:
        self.goal = goal
        self.zones: dict[str, dict[str, Any]] = {}
        self.online: set[str] = set()
        self.stuck: set[str] = set()
        """Nodes whose service never comes online."""
        self.holder: dict[str, str] = {}
        self.files: dict[str, set[str]] = defaultdict(set)
        self.images: set[str] = set()
        self.locked: dict[str, str] = {}
        self.unreachable: set[str] = set()
        self.log: list[tuple[str, str]] = []
        self.hook: Hook = lambda _node, _action: None
        self.unserved: list[str] = []
        """Groups that had a ready node, and for a moment no master."""
        self.turn = RLock()

    def deploy(self) -> None:
        """Make everything as the goal has it."""
        for target in self.goal.targets:
            self.zones[target.node] = vm_of(target)
            self.files[target.node] = {file.digests[0] for file in target.files}
            self.images.add(target.hypervisor)
        self.online = {target.node for target in self.goal.targets} - self.stuck
        self.elect()

    def start(self, node: str) -> None:
        if node not in self.stuck:
            self.online.add(node)
        self.elect()

    def stop(self, node: str) -> None:
        self.online.discard(node)
        for group in self.goal.groups:
            if self.holder.get(group.name) == node:
                del self.holder[group.name]
                if len(group.nodes) > 1 and not set(group.nodes) & self.online:
                    self.unserved.append(group.name)
        self.elect()

    def elect(self) -> None:
        for group in self.goal.groups:
            ready = [node for node in group.nodes if node in self.online]
            if self.holder.get(group.name) not in ready and ready:
                self.holder[group.name] = ready[0]

    def actions(self, node: str | None = None) -> list[str]:
        return [what for who, what in self.log if node in (None, who)]

    def order(self) -> list[str]:
        """Return the nodes in the order they were touched."""
        touched = (who for who, what in self.log if not what.startswith(("validate", "import")))
        return list(dict.fromkeys(touched))


class FakeOpener:
    """Connects to the hypervisors of a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def prepare(self, hypervisors: Iterable[str]) -> None:
        assert list(hypervisors)

    def connect(self, hypervisor: str) -> FakeRemote:
        if hypervisor in self.world.unreachable:
            raise DeployError(
                hypervisor, "connect", "no answer within 10 s", "see whether it is up"
            )
        return FakeRemote(hypervisor, self.world)


class FakeSession:
    def __init__(self, remote: FakeRemote, lines: list[str]) -> None:
        self._remote = remote
        self._lines = lines

    def first_lines(self, last: Iterable[str]) -> list[str]:
        return self._lines

    def close(self) -> None:
        if self._lines == ["held"]:
            del self._remote.world.locked[self._remote.name]


class FakeRemote:
    """One hypervisor of a world: understands the scripts by what is in them."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world
        self.closed = False

    def start(self, script: str) -> FakeSession:
        with self.world.turn:
            holder = self.world.locked.get(self.name)
            if holder and "if [ yes = yes ]" not in script:
                return FakeSession(self, [holder, "busy"])
            self.world.locked[self.name] = "us"
            return FakeSession(self, ["held"])

    def close(self) -> None:
        self.closed = True

    def run(self, script: str, data: bytes = b"", *, patience: float = 0) -> Output:
        if self.closed:
            raise DeployError(self.name, "run", "the connection is cut", "run it again")
        with self.world.turn:
            if script == "exec sh -s":
                return Output(0, self._answer(data.decode()), "")
            return self._act(script, data)

    def _answer(self, question: str) -> str:
        uuids = list(dict.fromkeys(re.findall(r"vmadm get (\S+)", question)))
        return "".join(map(self._about, map(self._target, uuids))) + "== end\n"

    def _target(self, uuid: str) -> Target:
        return next(one for one in self.world.goal.targets if one.uuid == uuid)

    def _about(self, target: Target) -> str:
        world, node = self.world, target.node
        vm = world.zones.get(node)
        if vm is None or vm["state"] != "running":
            text = answer_text(target, vm, "zlogin: not running\n")
        else:
            held = [group for group in world.goal.groups if world.holder.get(group.name) == node]
            files = [file for file in target.files if file.digests[0] in world.files[node]]
            lines = ["% files", *(file.path for file in files)]
            lines += ["% modes", *(f"{file.mode} 1 0 0 0 Nov 22 12:00" for file in files)]
            lines += ["% digests", *(file.digests[0] for file in files)]
            lines += ["% services", "online svc:/smartdc/mdata:execute"]
            lines.append(f"{self._service(node)} svc:/network/carpool:default")
            lines += ["% net", "net0: flags=843<UP> mtu 1500"]
            lines += [f"\tinet {ip} netmask 0" for group in held for ip in group.addresses]
            text = answer_text(target, vm, "\n".join([*lines, "% end 0"]))
        return text if self.name in world.images else f"== no-image\n{text}"

    def _service(self, node: str) -> str:
        if node in self.world.online:
            return "online"
        return "maintenance" if node in self.world.stuck else "disabled"

    def _act(self, script: str, data: bytes) -> Output:
        world = self.world
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", script)
        here = world.goal.on(self.name)
        node = next((one.node for one in here if found and one.uuid == found[0]), here[0].node)
        action = self._action(script)
        if action in ("create", "validate"):
            given = json.loads(data)
            node = next((one.node for one in here if one.uuid == given.get("uuid")), node)
        world.log.append((node, action))
        why = world.hook(node, action)
        if why is not None:
            return Output(1, "", why)
        self._perform(action, node, data)
        return Output(0, "", "")

    def _action(self, script: str) -> str:
        known = {
            "vmadm validate": "validate",
            "vmadm create": "create",
            "vmadm update": "update",
            "vmadm delete": "delete",
            "vmadm stop": "halt",
            "vmadm start": "boot",
            "imgadm import": "import",
            "imgadm delete": "delete image",
            "carpool.pyz": "program",
            "mktemp": "set up",
        }
        if " restart --node " in script:
            return "restart"
        for words, action in known.items():
            if words in script:
                return action
        stop, start = "svcadm disable" in script, "svcadm enable" in script
        assert not (stop and start)
        return "stop" if stop else "start"

    def _perform(self, action: str, node: str, data: bytes) -> None:
        world = self.world
        target = world.goal.target(node)
        match action:
            case "import" | "delete image":
                (world.images.add if action == "import" else world.images.discard)(self.name)
            case "create":
                assert self.name in world.images
                world.zones[node] = vm_of(target)
                world.files[node] = set()
            case "delete":
                world.stop(node)
                del world.zones[node]
            case "update":
                world.zones[node] = vm_of(target, state=world.zones[node]["state"])
            case "halt":
                world.zones[node]["state"] = "stopped"
                world.stop(node)
            case "boot":
                world.zones[node]["state"] = "running"
                if world.files[node]:
                    world.start(node)
            case "restart" | "stop" | "start":
                if action != "start":
                    world.stop(node)
                if action != "stop":
                    world.start(node)
            case "program" | "set up":
                self._put(action, node, data)

    def _put(self, action: str, node: str, data: bytes) -> None:
        world = self.world
        target = world.goal.target(node)
        program = target.files[0].digests[0]
        if action == "program":
            assert data == target.program.data
            world.files[node].add(program)
        else:
            assert data == target.script.encode()
            world.stop(node)
            kept = world.files[node] & {program}
            world.files[node] = kept | {file.digests[0] for file in target.files[1:]}
            world.start(node)
