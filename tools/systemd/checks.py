"""What the pages promise of carpool under systemd, tried on two machines: `CHECKS`, in order."""

import json
import re
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Final

from tools.systemd.machine import Machine, TrialError, wait

VIP: Final = IPv4Address("192.0.2.100")
SYSLOG_PORT: Final = 5514
COMMANDS: Final = "/var/lib/nagios4/rw/nagios.cmd"
CLUSTER: Final = f"""
[cluster]
name = "web"

[log]
server = "tcp://127.0.0.1:{SYSLOG_PORT}"

[nodes.web1]
address = "192.0.2.1/24"
interface = "net0"

[nodes.web2]
address = "192.0.2.2/24"
interface = "net0"

[groups.www]
vhid = 42
addresses = ["{VIP}/24", "2001:db8::100/64"]
password_file = "www.key"
services = ["apache2", "second"]
up = ["/bin/echo", "up"]
checks = ["neighbour", "program"]

[checks.neighbour]
type = "gateway"
address = "192.0.2.3"

[checks.program]
type = "command"
command = ["/bin/sh", "-c", "exit 0"]

[notify.nagios]
type = "nagios"
path = "{COMMANDS}"
"""
SECOND: Final = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
RSYSLOG: Final = (
    'module(load="imtcp")\n'
    f'input(type="imtcp" port="{SYSLOG_PORT}" ruleset="carpool")\n'
    'template(name="fields" type="string" string="%protocol-version%|%pri-text%|%hostname%|'
    '%app-name%|%procid%|%msgid%|%structured-data%|%msg%\\n")\n'
    'ruleset(name="carpool") { action(type="omfile" file="/var/log/fields" template="fields") }\n'
)
NAGIOS: Final = """
define command {
  command_name nothing
  command_line /bin/true
}
define host {
  host_name web1
  address 127.0.0.1
  check_command nothing
  max_check_attempts 1
  active_checks_enabled 0
}
define service {
  host_name web1
  service_description carpool www
  check_command nothing
  max_check_attempts 1
  active_checks_enabled 0
  passive_checks_enabled 1
}
"""
_PROGRAM = "/usr/bin/python3 -IS /opt/carpool/carpool.pyz"
_PID = "systemctl show --property MainPID --value carpool"
_LOG = "journalctl --unit carpool --output cat --no-pager"


class Pair:
    """Two machines with carpool, and who has held the address of its group."""

    def __init__(self, first: Machine, second: Machine) -> None:
        self.machines = (first, second)
        self.both = 0
        """How often the address was seen on both."""

    def holders(self) -> list[Machine]:
        """Return who holds the address now."""
        for machine in self.machines:
            machine.turn()
        found = self._look()
        # It may have moved between the first look and the second.
        if len(found) > 1 and len(found := self._look()) > 1:
            self.both += 1
        return found

    def _look(self) -> list[Machine]:
        return [machine for machine in self.machines if machine.zone.holds(VIP)]

    def until(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Wait, looking who holds the address."""

        def look() -> object:
            self.holders()
            return condition()

        wait(look, seconds, what)

    def settled(self) -> tuple[Machine, Machine]:
        """Return master and backup, once the master's services run and the backup's do not."""
        self.until(lambda: len(self.holders()) == 1, 20, "one machine holds the address")
        (master,) = self.holders()
        (backup,) = (one for one in self.machines if one is not master)
        running = (
            "systemctl is-active --quiet carpool && systemctl is-active --quiet apache2 second"
        )
        self.until(lambda: not master.try_shell(running).returncode, 30, "services of the master")
        stopped = "systemctl is-active --quiet carpool && ! systemctl is-active --quiet apache2"
        self.until(lambda: not backup.try_shell(stopped).returncode, 30, "services of the backup")
        return master, backup

    def taken_over(self, master: Machine, backup: Machine, seconds: float = 20) -> None:
        """Wait until the other one holds the address; at no time may both."""
        before = self.both
        self.until(lambda: self.holders() == [backup], seconds, f"{backup.name} takes over")
        _expect(self.both == before, f"{master.name} and {backup.name} had the address at once")


def _unit_is_understood(pair: Pair) -> str:
    machine = pair.machines[0]
    said = machine.shell("systemd-analyze verify carpool.service 2>&1")
    _expect(not said, said)
    security = machine.shell("systemd-analyze security --no-pager carpool.service | tail -1")
    found = re.search(r"service: ([0-9.]+)", security)
    _expect(found is not None and float(found[1]) <= 2.5, security)
    return f"exposure {found[1]}" if found else ""


def _starts(pair: Pair) -> str:
    for machine in pair.machines:
        machine.shell("systemctl enable --now carpool 2>&1")
    master, backup = pair.settled()
    for machine, state in (master, "MASTER"), (backup, "BACKUP"):
        shown = "systemctl show --property StatusText --value carpool"
        text = machine.shell(shown).strip()
        _expect(text == f"www {state}", f"{machine.name}: status {text!r}")
    return f"{master.name} is master"


def _journal(pair: Pair) -> str:
    machine, _ = pair.settled()
    entries = [
        json.loads(line)
        for line in machine.shell(
            "journalctl --boot --unit carpool --output json --no-pager _TRANSPORT=stdout"
        ).splitlines()
    ]
    names = {entry["SYSLOG_IDENTIFIER"] for entry in entries}
    _expect(names == {"carpool"}, f"identifiers {names}")
    texts = [entry["MESSAGE"] for entry in entries]
    _expect(not any(text.startswith("<") for text in texts), "a level is left in a text")
    states = [entry for entry in entries if "Switching to state: MASTER" in entry["MESSAGE"]]
    _expect({entry["PRIORITY"] for entry in states} == {"4"}, "a change of state is no warning")
    strangers = machine.shell("journalctl --boot --no-pager --grep 'notification message' || :")
    _expect("carpool" not in strangers, strangers)
    counted = Counter(entry["PRIORITY"] for entry in entries)
    return ", ".join(f"{count} of priority {level}" for level, count in sorted(counted.items()))


def _order(pair: Pair) -> str:
    master, _ = pair.settled()
    when = [
        int(master.shell(f"systemctl show --property {key} --value {name}"))
        for name, key in (
            ("apache2", "ActiveEnterTimestampMonotonic"),
            ("second", "InactiveExitTimestampMonotonic"),
        )
    ]
    _expect(0 < when[0] <= when[1], f"apache2 {when[0]}, second {when[1]}")
    user = master.shell(f"ps -o user= -p $({_PID})").strip()
    _expect(user == "carpool", f"it runs as {user}")
    denied = "setpriv --reuid carpool --regid carpool --clear-groups systemctl --no-ask-password"
    done = master.try_shell(f"{denied} stop rsyslog")
    _expect(done.returncode != 0, "it may stop services that are not its own")
    return f"the second {(when[1] - when[0]) / 1000:.0f} ms after the first"


def _reload(pair: Pair) -> str:
    master, _ = pair.settled()
    pid = master.shell(_PID)
    master.shell("ip -o monitor address >/run/monitor 2>&1 & echo $! >/run/monitor.pid")
    master.shell("systemctl reload carpool")
    wait(lambda: "still MASTER" in master.shell(_LOG), 20, "it goes on as master")
    master.shell("kill $(cat /run/monitor.pid)")
    changes = master.shell(f"grep '^Deleted.*{VIP}' /run/monitor || :")
    _expect(not changes, f"the address was away: {changes}")
    _expect(master.shell(_PID) == pid, "its process id has changed")
    return "the same process, the address was never away"


def _syslog(pair: Pair) -> str:
    master, _ = pair.settled()
    pid = master.shell(_PID).strip()
    lines = master.shell("cat /var/log/fields").splitlines()
    (line, *_) = [one for one in lines if "Switching to state: MASTER" in one] or [""]
    fields = line.split("|", 7)
    wanted = ["1", "daemon.warning", master.name, "carpool", pid, "state"]
    _expect(fields[:6] == wanted, f"{line!r} in {len(lines)} lines")
    _expect('group="www" kind="state"' in fields[6], fields[6])
    return f"{len(lines)} lines"


def _nagios(pair: Pair) -> str:
    machine = pair.machines[0]

    def outputs() -> list[str]:
        text = machine.shell("cat /var/lib/nagios4/status.dat")
        blocks = [block for block in text.split("servicestatus {") if "=carpool www" in block]
        return re.findall(r"\tplugin_output=(.+)", "".join(blocks))

    pair.until(lambda: any("www" in one for one in outputs()), 60, "a result in status.dat")
    return outputs()[0]


def _tools(pair: Pair) -> str:
    master, _ = pair.settled()
    status = master.try_shell(f"{_PROGRAM} status --json")
    _expect(status.returncode == 0, f"status: {status.returncode} {status.stdout}")
    doctor = master.try_shell(f"{_PROGRAM} doctor")
    _expect("nothing found" in doctor.stdout, f"doctor: {doctor.stdout}")
    return "status, doctor"


def _killed(pair: Pair) -> str:
    master, backup = pair.settled()
    master.shell(f"kill -KILL $({_PID})")
    pair.taken_over(master, backup)
    _expect("guard: the daemon has ended without a farewell" in master.shell(_LOG), "no guard")
    pair.settled()
    return "never on both; started again"


def _all_killed(pair: Pair) -> str:
    master, backup = pair.settled()
    master.shell("systemctl kill --signal KILL carpool")
    pair.taken_over(master, backup)
    pair.settled()
    return "never on both; started again"


def _frozen(pair: Pair) -> str:
    master, backup = pair.settled()
    pid = master.shell(_PID)
    master.shell(f"kill -STOP {pid}")
    pair.taken_over(master, backup)
    state = "systemctl show --property ActiveState,MainPID --value carpool"
    gone = f"systemctl is-active --quiet carpool && test {pid.strip()} != $({_PID})"
    pair.until(lambda: not master.try_shell(gone).returncode, 40, "it is started again")
    log = master.shell("journalctl --unit carpool --no-pager --grep 'Watchdog timeout'")
    _expect("Watchdog timeout" in log, master.shell(state))
    pair.settled()
    return "never on both; the watchdog has started another"


def _late(pair: Pair) -> str:
    _, backup = pair.settled()
    backup.shell("systemctl stop carpool && ip link set net0 down && ip link set net0 name later")
    backup.shell("systemctl start --no-block carpool")
    restarts = "systemctl show --property NRestarts --value carpool"
    pair.until(lambda: int(backup.shell(restarts)) > 1, 20, "it is started again and again")
    backup.shell("ip link set later name net0 && ip link set net0 up")
    pair.settled()
    return f"started {backup.shell(restarts).strip()} times more"


def _rebooted(pair: Pair) -> str:
    master, backup = pair.settled()
    master.try_shell("systemctl reboot")
    pair.taken_over(master, backup, 10)
    ready = "systemctl is-system-running --wait >/dev/null; systemctl is-active --quiet carpool"
    pair.until(lambda: not master.try_shell(ready).returncode, 60, "it is up again")
    log = master.shell("journalctl --boot -1 --unit carpool --output cat --no-pager")
    _expect("node web" in log and "stopped" in log, "it was not stopped in order")
    _expect("does not stop" not in log, "services did not stop: the bus had gone before")
    pair.settled()
    return "never on both; it came back as backup"


def _expect(condition: object, seen: str) -> None:
    if not condition:
        raise TrialError(seen)


CHECKS: Final[tuple[tuple[str, Callable[[Pair], str]], ...]] = (
    (
        "`systemd-analyze verify` has nothing to say, and `security` finds it confined.",
        _unit_is_understood,
    ),
    ("systemctl returns once the election has begun; one is master, with its services.", _starts),
    (
        "Each line is one entry under carpool's name, with its level taken off and understood.",
        _journal,
    ),
    (
        "Services are started one after the other, through polkit, by a user who is not root.",
        _order,
    ),
    ("rsyslog reads the fields of RFC 5424, from its octet-counted frames over TCP.", _syslog),
    ("Nagios takes the passive results that come through its command file.", _nagios),
    ("The commands find the daemon of the unit and its directories.", _tools),
    ("`systemctl reload` replaces the program; process and address stay.", _reload),
    ("A daemon that is killed: its guard outlives it, and takes the address off.", _killed),
    (
        "The daemon is killed together with its guard: the kernel takes the address off.",
        _all_killed,
    ),
    ("A daemon that is stopped loses its address, then the watchdog ends it.", _frozen),
    ("An interface comes late: the daemon is started again until it is there.", _late),
    (
        "The machine of the master reboots: the other one takes over, and nothing is in the way.",
        _rebooted,
    ),
)
"""What is promised, and how it is tried; the result says what was seen."""
