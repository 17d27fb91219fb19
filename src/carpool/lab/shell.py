"""The commands of the lab: looking at its zones, breaking them, and mending them."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TextIO

from carpool.cluster.wording import choose_from, table
from carpool.lab.cluster import ClusterLab, Life, until
from carpool.lab.namespaces import LabError
from carpool.lab.picture import duration
from carpool.lab.probe import INTERVAL, Answer, Probe, outages
from carpool.lab.session import reason
from carpool.lab.status import status, status_lines
from carpool.lab.terminal import take_terminal
from carpool.netlink import NetlinkError

_MOST_PROBES: Final = 16
_NOTICEABLE: Final = 25  # intervals of the client
_LONGEST_WAIT: Final = 86_400  # seconds
_STOP_SECONDS: Final = 35.0  # a daemon waits for its scripts: 30 s, unless the file says more
_FOLLOW_SECONDS: Final = 0.1
_FIRST_ANSWER_SECONDS: Final = 3.0
_NEXT_ANSWER_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.01


class CommandError(Exception):
    """A command cannot be carried out; the text says why, and the mend."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: how it is written, what it does, and the doing, which gets the arguments."""

    usage: str
    summary: str
    run: Callable[..., None]

    def check(self, arguments: Sequence[str], zones: Collection[str]) -> None:
        """Raise CommandError if the arguments are too few, too many, or name no zone."""
        name, *wanted = self.usage.split()
        least = sum(not word.startswith(("[", "...")) for word in wanted)
        if len(arguments) < least or (len(arguments) > len(wanted) and wanted[-1] != "..."):
            raise CommandError(f"usage: {self.usage}")
        if "ZONE" in wanted and arguments[0] not in zones:
            mend = choose_from(arguments[0], zones)
            raise CommandError(f"{name}: there is no zone {arguments[0]!r}; {mend}")


class Shell:
    """Carries out command lines in a lab.

    `stdin` is what programs in the zones read, as subprocess.Popen takes it. `talkative`: at a
    terminal, where it tells also of what went as it should. `as_json`: status prints JSON.
    """

    def __init__(
        self,
        lab: ClusterLab,
        out: TextIO,
        *,
        stdin: int | None = None,
        talkative: bool = False,
        as_json: bool = False,
    ) -> None:
        self.lab = lab
        self.ended = False
        """Whether `quit` has been said."""
        self._out = out
        self._stdin = stdin
        self._talkative = talkative
        self._as_json = as_json
        self._probed: dict[Probe, int] = {}
        vips = [group.addresses[0].ip for group in lab.cluster.groups][:_MOST_PROBES]
        self._interval = INTERVAL * len(vips)
        for vip in vips:
            self._probe(vip)

    @property
    def probes(self) -> list[Probe]:
        """The clients that ask."""
        return list(self._probed)

    def run(self, line: str) -> None:
        """Carry out the commands of a line, up to a `quit`. Raises CommandError."""
        for words in parse(line):
            if self.ended:
                return
            name, *arguments = words
            command = COMMANDS.get(name)
            if command is None:
                raise CommandError(
                    f"there is no command {name!r}; {choose_from(name, COMMANDS)} (see: help)"
                )
            command.check(arguments, self.lab.lab.zones)
            try:
                command.run(self, *arguments)
            except (LabError, NetlinkError) as error:
                raise CommandError(reason(error)) from error

    def completions(self, line: str, word: str) -> list[str]:
        """Return what the last `word` of an unfinished line may be."""
        before = line[: len(line) - len(word)].rpartition(";")[2].split()
        if not before:
            known: Sequence[str] = list(COMMANDS)
        elif len(before) == 1 and "ZONE" in COMMANDS.get(before[0], _NONE).usage:
            known = list(self.lab.lab.zones)
        elif len(before) == 1 and before[0] == "probe":
            known = [str(a.ip) for group in self.lab.cluster.groups for a in group.addresses]
        elif before[0] == "help":
            known = list(COMMANDS)
        elif len(before) == 2 and "IFACE" in COMMANDS.get(before[0], _NONE).usage:
            zone = self.lab.lab.zones.get(before[1])
            known = list(zone.ports) if zone else []
        else:
            known = []
        return [f"{name} " for name in known if name.startswith(word)]

    # The commands.

    def help(self, name: str = "") -> None:
        """Tell of one command or of all."""
        if name and name not in COMMANDS:
            raise CommandError(f"there is no command {name!r}; {choose_from(name, COMMANDS)}")
        chosen = [COMMANDS[name]] if name else COMMANDS.values()
        for line in table([[f"  {each.usage}", each.summary] for each in chosen]):
            self._print(line)
        if not name:
            self._print("Several commands on a line are parted by ';'.")

    def status(self, option: str = "") -> None:
        """Tell of zones and groups."""
        if self._given("status", "--json", option) or self._as_json:
            self._print(json.dumps(status(self.lab), indent=2, ensure_ascii=False))
        else:
            for line in status_lines(self.lab):
                self._print(line)

    def start(self, zone: str) -> None:
        """Start a daemon."""
        self.lab.start(zone)
        self._tell(f"{zone}: carpool run listens")

    def stop(self, zone: str) -> None:
        """Stop a daemon cleanly, and wait until it has ended."""
        self.lab.stop(zone)
        if not until(lambda: self.lab.life(zone) is Life.ENDED, _STOP_SECONDS):
            raise CommandError(f"{zone}: its daemon has not ended in {_STOP_SECONDS:.0f} s")
        self._tell(f"{zone}: carpool run has ended, and bowed out")

    def kill(self, zone: str) -> None:
        """Kill a daemon."""
        self.lab.kill(zone)
        self._tell(f"{zone}: carpool run is dead; what addresses it had are still there")

    def freeze(self, zone: str) -> None:
        """Stop all programs of a zone."""
        self.lab.freeze(zone)
        self._tell(f"{zone}: all its programs are stopped; thaw lets them go on")

    def thaw(self, zone: str) -> None:
        """Let them go on."""
        self.lab.thaw(zone)
        self._tell(f"{zone}: its programs go on")

    def crash(self, zone: str) -> None:
        """Take a zone's power away."""
        self.lab.crash(zone)
        self._tell(f"{zone}: all its programs and interfaces are gone; start boots it again")

    def unplug(self, zone: str, interface: str | None = None) -> None:
        """Pull cables."""
        self.lab.unplug(zone, interface)
        self._tell(f"{zone}: unplugged")

    def plug(self, zone: str, interface: str | None = None) -> None:
        """Put cables back."""
        self.lab.plug(zone, interface)
        self._tell(f"{zone}: plugged in")

    def partition(self, zone: str, interface: str | None = None) -> None:
        """Cut a zone off behind live cables."""
        self.lab.partition(zone, interface)
        self._tell(f"{zone}: cut off, and cannot know it")

    def heal(self, zone: str, interface: str | None = None) -> None:
        """End that."""
        self.lab.heal(zone, interface)
        self._tell(f"{zone}: no longer cut off")

    def lose(self, zone: str, share: str) -> None:
        """Lose frames."""
        percent = _number(share, 100, "percent")
        self.lab.lose(zone, percent)
        self._tell(f"{zone}: {percent:g} % of what it sends is lost")

    def log(self, zone: str, option: str = "") -> None:
        """Show what a daemon has logged, and with -f what it goes on to log."""
        follow = self._given("log", "-f", option)
        shown = self.lab.log_text(zone)
        self._print(shown, end="")
        while follow:
            time.sleep(_FOLLOW_SECONDS)
            text = self.lab.log_text(zone)
            self._print(text[len(shown) :], end="")
            shown = text

    def probe(self, address: str = "") -> None:
        """Report the outages of one client or of all."""
        for probe in [self._probe(self._vip(address))] if address else self.probes:
            # One that has only now begun needs a moment.
            until(probe.answers, _FIRST_ANSWER_SECONDS)
            self._report(probe)

    def wait(self, seconds: str) -> None:
        """Let time pass."""
        time.sleep(_number(seconds, _LONGEST_WAIT, "seconds"))

    def exec(self, zone: str, *command: str) -> None:
        """Run a program in a zone."""
        code = self._run_in(zone, command)
        if code != 0:
            raise CommandError(f"exec: {command[0]} ended with exit code {code}")

    def doctor(self, zone: str, *options: str) -> None:
        """Let a zone tell why there are two masters, or none; findings are no failure."""
        command = [sys.executable, "-P", "-m", "carpool", "doctor", str(self.lab.file), *options]
        if zone != self.lab.client:
            command += ["--node", zone]
        elif "--interface" not in options:
            command += ["--interface", next(iter(self.lab.zone(zone).ports))]
        if self._run_in(zone, command) > 1:
            raise CommandError(f"doctor: {zone} cannot look")

    def shell(self, zone: str) -> None:
        """Run a shell in a zone."""
        if not self._talkative:
            raise CommandError("shell: there is no terminal; use: exec ZONE COMMAND")
        self._tell(f"a shell in {zone}; `exit` leads back; the cluster file is $CARPOOL_FILE")
        self._run_in(zone, [os.environ.get("SHELL", "/bin/sh")])

    def quit(self) -> None:
        """End the lab."""
        self.ended = True

    # Their means.

    def _given(self, command: str, option: str, argument: str) -> bool:
        if argument not in ("", option):
            raise CommandError(f"usage: {COMMANDS[command].usage}")
        return argument == option

    def _run_in(self, name: str, command: Sequence[str]) -> int:
        environment = {
            **os.environ,
            "CARPOOL_ZONE": name,
            "CARPOOL_FILE": str(self.lab.file),
            "RUNTIME_DIRECTORY": str(self.lab.run_directory(name)),
        }
        self._out.flush()
        try:
            child = self.lab.zone(name).namespace.popen(command, env=environment, stdin=self._stdin)
        except OSError as error:
            raise CommandError(f"{name}: cannot run {command[0]}: {error.strerror}") from error
        while True:
            try:
                code = child.wait()
            except KeyboardInterrupt:  # meant for the program, which has heard it too
                continue
            if self._talkative:
                take_terminal()
            return code

    def _vip(self, text: str) -> IPv4Address | IPv6Address:
        known = [address.ip for group in self.lab.cluster.groups for address in group.addresses]
        try:
            vip = ip_address(text)
        except ValueError:
            vip = None
        if vip not in known:
            near = choose_from(text, [str(address) for address in known])
            raise CommandError(f"probe: {text!r} is no virtual address here; {near}")
        return vip

    def _probe(self, vip: IPv4Address | IPv6Address) -> Probe:
        probe = self.lab.probe(vip, self._interval)
        self._probed.setdefault(probe, time.monotonic_ns())
        return probe

    def _report(self, probe: Probe) -> None:
        """Tell who answers, of the outages since the last report, and of changes of masters."""
        since = self._probed[probe]
        now, answers = heard(probe.answers, self._noticeable)
        self._probed[probe] = now
        gaps = [gap for gap in outages(answers, at_least=0) if gap.end > since]
        silent = now - (answers[-1].received if answers else since)
        if silent > self._noticeable or not answers:
            state = f"no answer for {duration(silent)}"
        else:
            state = f"{answers[-1].zone} answers"
        longest = max((gap.duration for gap in gaps), default=0)
        self._print(
            f"{probe.address}: {state}; longest wait {duration(longest)} in {duration(now - since)}"
        )
        for gap in gaps:
            if gap.duration > self._noticeable or gap.before != gap.after:
                change = gap.after if gap.before == gap.after else f"{gap.before} to {gap.after}"
                ago = duration(now - gap.end)
                self._print(f"  {duration(gap.duration)} without answer, {change}, {ago} ago")

    @property
    def _noticeable(self) -> int:
        return self._interval * _NOTICEABLE

    def _tell(self, text: str) -> None:
        if self._talkative:
            self._print(text)

    def _print(self, text: str, end: str = "\n") -> None:
        print(text, end=end, file=self._out, flush=True)


def heard(answers: Callable[[], Sequence[Answer]], fresh: int) -> tuple[int, list[Answer]]:
    """Return an instant (ns) and the answers until then, the last `fresh` ns old if one soon is.

    On a busy machine the client may wait for a processor, which is no silence of the address.
    """
    deadline = time.monotonic() + _NEXT_ANSWER_SECONDS
    while True:
        now = time.monotonic_ns()
        found = [answer for answer in answers() if answer.received <= now]
        if (found and now - found[-1].received <= fresh) or time.monotonic() >= deadline:
            return now, found
        time.sleep(_PAUSE_SECONDS)


def parse(line: str) -> list[list[str]]:
    """Split a line into commands at ';', and these into words as a shell does.

    A line that begins with '#' is a comment. Raises CommandError for an open quote.
    """
    if line.lstrip().startswith("#"):
        return []
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if set(word) == {";"}:
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError:
        raise CommandError(f"a quote is not closed: {line.strip()}") from None
    return [words for words in commands if words]


def _number(text: str, most: int, unit: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise CommandError(f"{text!r} is not a number of {unit} from 0 to {most}")
    return number


_NONE: Final = Command("", "", lambda: None)

COMMANDS: Final[dict[str, Command]] = {
    command.usage.split()[0]: command
    for command in (
        Command("status [--json]", "who has which address; daemons and cables", Shell.status),
        Command("probe [VIP]", "outages that a client saw since the last probe", Shell.probe),
        Command("log ZONE [-f]", "what the daemon logs; -f: until Ctrl-C", Shell.log),
        Command("stop ZONE", "stop the daemon cleanly: it bows out", Shell.stop),
        Command("kill ZONE", "kill the daemon alone: its addresses run out", Shell.kill),
        Command("freeze ZONE", "stop all programs of the zone in their tracks", Shell.freeze),
        Command("thaw ZONE", "let them go on", Shell.thaw),
        Command("crash ZONE", "take the zone's power away", Shell.crash),
        Command("start ZONE", "start the daemon; after a crash, boot the zone", Shell.start),
        Command("unplug ZONE [IFACE]", "pull a cable, or all", Shell.unplug),
        Command("plug ZONE [IFACE]", "put it back", Shell.plug),
        Command("partition ZONE [IFACE]", "cut the zone off behind a live cable", Shell.partition),
        Command("heal ZONE [IFACE]", "end that", Shell.heal),
        Command("lose ZONE PERCENT", "lose some of what the zone sends; 0 ends it", Shell.lose),
        Command("doctor ZONE [OPTION] ...", "find out there what is wrong", Shell.doctor),
        Command("exec ZONE COMMAND ...", "run a program in the zone, as root there", Shell.exec),
        Command("shell ZONE", "a root shell in the zone", Shell.shell),
        Command("wait SECONDS", "let time pass", Shell.wait),
        Command("help [COMMAND]", "this list", Shell.help),
        Command("quit", "end the lab; nothing is left of it", Shell.quit),
    )
}
