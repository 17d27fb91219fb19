"""What the first process of an lx zone does when the zone's network is up: be its systemd."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from carpool.lab.smartos import startd
from carpool.lab.smartos.commands import of_lx_zone
from carpool.lab.smartos.stage import Stage
from carpool.lab.smartos.systemd import Systemd
from carpool.lab.smartos.units import Unit

RC_LOCAL: Final = "rc-local.service"
"""The unit of the image that runs the first-boot script at each boot."""


class LxZone:
    """The zone's event loop: commands, requests about units, and the units."""

    def __init__(self, script: Path) -> None:
        """Start the zone's units, and the first-boot script if there is one."""
        self._stage = Stage(of_lx_zone.COMMANDS)
        self._systemd = Systemd(self._stage.watch, self._stage.unwatch)
        startd.serve(self._stage.watch, self._answer)
        command = f"/bin/sh {script}"
        self._systemd.boot(Unit(RC_LOCAL, command, once=True) if script.exists() else None)

    def run(self) -> int:
        """Serve until the zone is shut down."""
        while not self._systemd.stopped:
            self._systemd.step()
            self._stage.turn(self._systemd.deadline)
        return 0

    def _answer(self, request: Mapping[str, Any]) -> object:
        systemd = self._systemd
        match request:
            case {"do": "list"}:
                return systemd.describe()
            case {"do": "load", "unit": name}:
                job = systemd.load(name)
                return None if job is None else {"state": job.state, "wanted": job.unit.wanted}
            case {"do": "start" | "stop" | "restart" as verb, "unit": name}:
                getattr(systemd, verb)(name)
            case {"do": "reload"}:
                systemd.reload()
            case {"do": "shutdown"}:
                systemd.shut_down()
        return None
