"""The up and down scripts of one group: what they are given, and when they run once more."""

import signal
from collections.abc import Callable

from carpool.carp.election import State
from carpool.node.hooks import Hook, HookQueue, HookResult, Outcome
from carpool.node.log import Log
from carpool.node.loop import Loop
from carpool.node.settings import GroupSettings

Done = Callable[[], None]


class Scripts:
    """Runs them one after the other, beside the advertisements."""

    def __init__(
        self, settings: GroupSettings, label: str, *, loop: Loop, log: Log, settled: Done
    ) -> None:
        """`label` begins their log lines. `settled` is called when one has ended."""
        self._settings = settings
        self._label = label
        self._log = log
        self._settled = settled
        self._hooks = HookQueue(loop, log, settings.script_timeout)

    @property
    def idle(self) -> bool:
        """Whether none runs or waits."""
        return self._hooks.idle

    @property
    def running(self) -> tuple[str, int] | None:
        """What the log calls the script that runs, and when it was started (ns)."""
        return self._hooks.running

    @property
    def open_outputs(self) -> list[tuple[str, int]]:
        """Pipes that ended scripts have left open in the background: their names, descriptors."""
        return self._hooks.open_outputs

    def adopt_output(self, name: str, fd: int) -> None:
        """Go on reading what a script of the program before this one has left running."""
        self._hooks.adopt_output(name, fd)

    def run_up(self, state: State, done: Done) -> None:
        """Run the up script, and call `done` when it has ended; at once where there is none."""
        self._run("up", self._settings.up, state, done)

    def run_down(self, state: State, done: Done, *, at_start: bool = False) -> None:
        """Run the down script likewise; at the start only where the settings say so."""
        wanted = self._settings.down_at_start or not at_start
        self._run("down", self._settings.down if wanted else (), state, done)

    def _run(self, kind: str, program: tuple[str, ...], state: State, done: Done) -> None:
        if not program:
            done()
            return

        def ended_again(result: HookResult) -> None:
            if result.outcome is not Outcome.SUPERSEDED:
                done()
            self._settled()

        def ended(result: HookResult) -> None:
            # systemd tells all processes of a service to end; this one has an address to take off.
            cut_short = result.outcome is Outcome.EXITED and result.exit_code == -signal.SIGTERM
            if kind == "down" and cut_short and self._hooks.idle:
                self._log.warning(f"{hook.label}: ended by SIGTERM, running it once more")
                self._hooks.submit(hook, ended_again)
            else:
                ended_again(result)

        settings = self._settings
        vips = [str(address.ip) for address in settings.addresses]
        arguments = (settings.interface, vips[0], *filter(None, [settings.xparam]))
        environment = {
            "CARPOOL_GROUP": settings.name,
            "CARPOOL_STATE": state.value,
            "CARPOOL_VHID": str(settings.carp.vhid),
            "CARPOOL_INTERFACE": settings.interface,
            "CARPOOL_ADDRESSES": " ".join(map(str, settings.addresses)),
        }
        hook = Hook(
            (*program, *arguments),
            environment,
            f"{self._label}{kind} script",
            group=settings.name,
        )
        self._hooks.submit(hook, ended)
