"""The operator at work: commands as one would type them, shown with what they print."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from signal import SIGKILL
from threading import Timer
from typing import Final

from carpool.lab.namespaces import LabError
from carpool.lab.smartos.operator import Operator

_SECONDS: Final = 120.0  # many times what any command of the demo takes
_MOST_LINES: Final = 40
_LAST_LINES: Final = 3


class Console:
    """Types commands on the operator's workstation, in the folder `home`.

    `say` gets every line that is to be seen, with its styles.
    """

    def __init__(self, operator: Operator, say: Callable[..., None]) -> None:
        self._operator = operator
        self._say = say

    @property
    def home(self) -> Path:
        """The folder that commands run in."""
        return self._operator.home

    def carpool(self, *arguments: str) -> str:
        """Run the carpool that runs this. As `run`."""
        program = [sys.executable, "-P", "-m", "carpool", *arguments]
        return self._run(shlex.join(["carpool", *arguments]), program)

    def ssh(self, host: str, command: str, *, stdin: str = "") -> str:
        """Run a command on a hypervisor. As `run`."""
        shown = f"echo {shlex.quote(stdin)} | " if stdin else ""
        program = ["ssh", "-F", str(self._operator.ssh_config), host, command]
        return self._run(f"{shown}ssh {host} {command}", program, stdin)

    def run(self, *program: str) -> str:
        """Run a program and return what it printed on both outputs.

        Of more than 40 lines the middle is left out of what is shown. Raises LabError for another
        exit code than 0, and after two minutes.
        """
        return self._run(shlex.join(program), program)

    def _run(self, shown: str, program: Sequence[str], stdin: str = "") -> str:
        self._say(f"$ {shown}", "bold")
        child = self._operator.popen(
            program,
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for the demo, which then ends them all
        )
        assert child.stdin
        assert child.stdout
        limit = Timer(_SECONDS, child.kill)
        limit.start()
        try:
            child.stdin.write(stdin.encode())
            child.stdin.close()
            output = self._show(map(bytes.decode, child.stdout))
            code = child.wait()
        finally:
            limit.cancel()
            limit.join()
            child.kill()
            child.wait()
            child.stdout.close()
        if code:
            late = f" after {_SECONDS:.0f} s" if code == -SIGKILL else ""
            raise LabError(f"`{shown}` ended with {code}{late}")
        return output

    def _show(self, printed: Iterable[str]) -> str:
        """Show lines as they come; those between the first and the very last are counted."""
        output: list[str] = []
        at_once = _MOST_LINES - _LAST_LINES
        for line in printed:
            if len(output) < at_once:
                self._say(line.rstrip("\n"), "dim")
            output.append(line)
        rest = output[at_once:]
        if len(rest) > _LAST_LINES + 1:
            self._say(f"... {len(rest) - _LAST_LINES} lines more", "dim")
            rest = rest[-_LAST_LINES:]
        for line in rest:
            self._say(line.rstrip("\n"), "dim")
        return "".join(output)
