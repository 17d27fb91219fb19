"""One VIP group at work: carries out what its virtual host asks, in order."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from carpool.carp.auth import Address
from carpool.carp.counters import Counters
from carpool.carp.effects import (
    AddAddresses,
    Advertise,
    Announce,
    Effect,
    RemoveAddresses,
    Transition,
)
from carpool.carp.election import Event, State
from carpool.carp.phase import Phase
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.words import Ours, why_changed
from carpool.node.blink import Blink
from carpool.node.demotions import Demotions
from carpool.node.guard import Lease
from carpool.node.handover import GroupState, identity
from carpool.node.holding import Holding
from carpool.node.host import Host, Interface, Link
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.programs import Programs
from carpool.node.sending import CANNOT_SEND, NO_SOURCE, Sending
from carpool.node.settings import GroupSettings
from carpool.node.turns import Turns

if TYPE_CHECKING:
    from carpool.node.recorder import Recorder

SEND_ERROR_DEMOTION = 240
"""For advertisements that cannot be sent (FreeBSD: net.inet.carp.senderr_demotion_factor).

A master whose own address has gone is not heard, and another node takes over: so it yields to that
one, whatever their intervals, and holds the virtual addresses until then.
"""
UNHELD_DEMOTION = 240
"""By how much a node demotes itself that could not put the addresses on."""
_RETRY_AFTER = 60 * SECOND
"""For how long, unless it can before that: where nobody better is, it tries again and again."""
LINK_DEMOTION = 240
"""By how much a lost link demotes the companions (FreeBSD: net.inet.carp.ifdown_demotion_factor).

Not NEVER_MASTER: where no other node can hold them, theirs are better here than nowhere.
"""

_CANNOT_HOLD = "the addresses cannot be put on"


class Group:
    """A virtual host with its timer, its link, its addresses and its scripts."""

    def __init__(
        self,
        settings: GroupSettings,
        *,
        host: Host,
        loop: Loop,
        log: Log,
        counters: Counters,
        lease: Lease | None,
        phase: Phase | None = None,
        turns: Turns | None = None,
        settled: Callable[[], None],
        recorder: "Recorder | None" = None,
    ) -> None:
        """Make a group in state INIT. `settled` is called whenever its scripts have all ended.

        `lease`: its term for the guard; None if scripts, and not the daemon, put its addresses on.
        `phase`, `turns`: when it advertises and takes over, where there are many groups.
        """
        self.settings = settings
        self.companions: tuple[Group, ...] = ()
        """The groups of this node that move together with this one."""
        self.on_transition: list[Callable[[], None]] = []
        """Called when the state has changed."""
        self.virtual_host = (
            VirtualHost(settings.carp, sources={}, counters=counters, phase=phase)
            if recorder is None
            else recorder.host(settings, counters, phase)
        )
        self.since = loop.now()
        """When the state became what it is (ns)."""
        self.why = "not started yet"
        """What brought that about, in words."""
        self.transitions = 0
        """How often it has changed since this program was started."""
        self._loop = loop
        self._log = log
        self._settled = settled
        self._programs = Programs(
            settings,
            self.label,
            loop=loop,
            log=log,
            state=lambda: self.virtual_host.state,
            announce=self._announce,
            demote=self.demote,
            settled=settled,
        )
        self._turns = turns
        self._timer = loop.call_at(loop.now(), self._on_timer)
        self._timer.cancel()
        self._blink = Blink(loop, let_go=self._let_go, lost=lambda: self._use_carrier(usable=False))
        self._has_let_go = False
        self._retry = loop.call_at(loop.now(), self._can_hold)
        self._retry.cancel()
        self._send_again = loop.call_at(loop.now(), self._can_send)
        self._send_again.cancel()
        self._holding: Holding | None = None
        if lease is not None:
            self._holding = Holding(
                settings, lease, host=host, loop=loop, log=log, restored=self._restored
            )
        self._farewells: list[Advertise] = []
        self._news: list[tuple[Transition, Ours]] = []
        """What is still to be said."""
        self._address_texts: list[str] = []
        self._removing = False
        self._demotions = Demotions()
        self._sending = Sending(settings, self.label, log)
        self._silent: set[int] = set()
        """The IP families over which it has nothing to advertise from."""
        self._starting = False
        self._pumping = False

    @property
    def label(self) -> str:
        """What begins this group's log lines: its name, or nothing where there is only one."""
        return f"{self.settings.name}: " if self.settings.name else ""

    @property
    def is_settled(self) -> bool:
        """Whether no script runs and no address is being taken off."""
        return self._programs.idle and not self._removing

    @property
    def running_script(self) -> tuple[str, int] | None:
        """What the log calls the script that runs, and when it was started (ns)."""
        return self._programs.running

    @property
    def services_problem(self) -> str | None:
        """Which of its services does not start or stop, and why, if so."""
        return self._programs.services_problem

    def start(self, *, carrier: bool) -> None:
        """Begin as BACKUP; as INIT where there is no carrier and that matters."""
        self._starting = True
        self.virtual_host.start(self._loop.now())
        self.pump()
        self._starting = False
        if not carrier:
            self.link_changed(carrier=False)

    def saved(self) -> GroupState:
        """Return what `resume` needs."""
        return GroupState(
            self.settings.name,
            identity(self.settings),
            tuple(map(str, self.settings.addresses)) if self.settings.manage_addresses else (),
            self.virtual_host.memory(),
            self.since,
            self.why,
            dict(self.demotions),
            self._programs.started_services,
            self.settings.services,
        )

    def resume(self, state: GroupState, *, carrier: bool) -> None:
        """Go on where the group was in the program before this one; no script runs for that."""
        was, now = self.virtual_host, self._loop.now()
        self._programs.resume(state)
        was.resume(state.memory, now)
        self.pump()
        if (was.state is State.MASTER) is state.memory.master:
            self.since, self.why = state.since, state.why
        if not carrier:
            self.link_changed(carrier=False)

    def advertise_now(self) -> None:
        """As master, say so now and not when it is due."""
        self.virtual_host.advertise_now(self._loop.now())
        self.pump()

    @property
    def open_outputs(self) -> list[tuple[str, int]]:
        """Pipes that ended scripts have left open in the background: their names, descriptors."""
        return self._programs.open_outputs

    def adopt_output(self, name: str, fd: int) -> None:
        """Go on reading what a script of the program before this one has left running."""
        self._programs.adopt_output(name, fd)

    def stop(self) -> None:
        """Give up the addresses and say so. Wait for `is_settled` before leaving."""
        self.virtual_host.stop(self._loop.now())
        self.pump()

    def link_changed(self, *, carrier: bool) -> None:
        """Take notice of the carrier, unless told to ignore it. A master waits for it a moment."""
        usable = carrier or self.settings.ignore_link
        if usable or self.virtual_host.state is not State.MASTER:
            self._blink.end()
            self._use_carrier(usable=usable)
        else:
            self._blink.begin(self.virtual_host.interval)

    def _let_go(self) -> None:
        """Take the addresses off, though master, while there is no carrier."""
        if self._holding is not None and self.virtual_host.state is State.MASTER:
            self._has_let_go = True
            self._log.happened(
                "address",
                Level.NOTICE,
                f"{self.label}no carrier: the addresses are off until it is back",
                group=self.settings.name,
                key=f"carrier {self.settings.name}",
                details={"change": "off"},
            )
            self._holding.take_off(self._was_let_go)

    def _was_let_go(self, problem: str | None) -> None:
        if problem is not None:
            self._tell_stuck(problem, "two nodes may hold it soon")

    def _use_carrier(self, *, usable: bool) -> None:
        if usable and self._has_let_go and self._holding is not None:
            self._has_let_go = False
            self._holding.put_on(self.virtual_host.interval, self._taken_back)
        elif usable:
            self.virtual_host.link_back(self._loop.now())
        else:
            self.virtual_host.link_lost(self._loop.now())
        self.pump()
        self._share_link(usable=usable)

    def _taken_back(self, problem: str | None) -> None:
        if problem is None:
            self.virtual_host.link_back(self._loop.now())
            self.pump()
        else:
            self._hand_over(problem)

    def link_gone(self) -> None:
        """Take notice that the interface itself has been deleted."""
        self._blink.end()
        self.virtual_host.link_lost(self._loop.now())
        self.pump()
        self._share_link(usable=False)

    def _share_link(self, *, usable: bool) -> None:
        for other in self.companions:
            if other.settings.interface != self.settings.interface:  # Else it knows by itself.
                reason = f"{self.settings.name} has no link on {self.settings.interface}"
                other.be_demoted(reason, 0 if usable else LINK_DEMOTION)

    def woke(self) -> None:
        """Take notice that the machine has slept, and heard nothing."""
        self.virtual_host.woke(self._loop.now())
        self.pump()

    def use_link(self, link: Link | None, interface: Interface | None) -> None:
        """Speak through `link` on `interface` from now on; None while there is no interface."""
        self._sending.link = link
        if self._holding is not None:
            self._holding.use_interface(interface)
        if link is not None:  # What another interface could not do says nothing of this one.
            self._can_send()
            self._can_hold()

    def use_sources(self, sources: dict[int, bytes]) -> None:
        """Advertise from these addresses, packed, by family; complain about one that is missing."""
        self.virtual_host.use_sources(sources, self._loop.now())
        families: set[int] = {address.version for address in self.settings.addresses}
        silent = families - sources.keys()
        newly, self._silent = silent - self._silent, silent
        for family in sorted(newly):
            self._log.happened(
                "link",
                Level.WARNING,
                f"{self.label}{self.settings.interface} has no IPv{family} address of its own: "
                f"nothing is advertised over IPv{family} until it has one",
                group=self.settings.name,
                details={"interface": self.settings.interface, "family": family},
            )
        self.demote(NO_SOURCE, SEND_ERROR_DEMOTION if silent == families else 0)

    def address_gone(self, address: Address) -> None:
        """Take notice that an address is off the interface."""
        if self._holding is not None:
            self._holding.lost(address)

    def hardware_address_changed(self) -> None:
        """Tell the network, if it is ours, that the address lives at another MAC now."""
        self._announce()

    def yield_mastership(self) -> None:
        """Let another node take over this group and its companions."""
        for group in (self, *self.companions):
            group.virtual_host.yield_mastership(self._loop.now())
            group.pump()

    @property
    def demotions(self) -> dict[str, int]:
        """Why this node is demoted, and by how much for each reason."""
        return self._demotions.amounts

    def demote(self, reason: str, amount: int) -> None:
        """Be demoted by `amount` because of `reason`, from now on; 0: no longer.

        It replaces what that reason amounted to. Reasons add up, to MOST_DEMOTED (254) at most;
        one that amounts to NEVER_MASTER (255) keeps the node BACKUP whatever happens. All this
        goes for the companions as well.
        """
        self.be_demoted(reason, amount)
        for other in self.companions:
            other.be_demoted(f"{self.settings.name}: {reason}", amount)

    def be_demoted(self, reason: str, amount: int) -> None:
        """Be demoted as `demote` says, without the companions."""
        change = self._demotions.change(reason, amount)
        if change is None:
            return
        self._log.happened(
            "demotion",
            Level.WARNING if amount else Level.NOTICE,
            f"{self.label}{change}",
            group=self.settings.name,
            details={"reason": reason, "amount": amount, "total": self._demotions.total},
        )
        self.virtual_host.set_demotion(self._demotions.total, self._loop.now())
        self.pump()

    def status_line(self) -> str:
        """Return what SIGUSR1 logs, in ucarp's words."""
        state = self.virtual_host.state
        shown = State.BACKUP if state is State.INIT and not self.settings.name else state
        return f"{self.label}{shown} on {self.settings.interface} id {self.settings.carp.vhid}"

    def pump(self) -> None:
        """Carry out every effect that waits, and set the timer. Call after anything happened."""
        if self._pumping:
            return  # Whoever pumps is not through yet.
        self._pumping = True
        while effect := self.virtual_host.next_effect():
            self._perform(effect)
        self._pumping = False
        if self._programs.waiting is not None:
            self._programs.go_on()
        if self._news:
            # Now that it has happened: while it is said, nobody waits.
            news, self._news = self._news, []
            for change, ours in news:
                self._say(change, ours)
        self.wait_again()

    def wait_again(self) -> None:
        """Set the timer. Enough where nothing else can have come of what happened."""
        due = self.virtual_host.timer()
        if due is None:
            self._timer.cancel()
        elif due != self._timer.when:
            self._timer.reschedule(due)

    def _on_timer(self) -> None:
        takes_over = self.virtual_host.state is State.BACKUP
        if takes_over and self._turns is not None and not self._turns.take():
            self._timer.reschedule(self._loop.now())  # Behind all that is due already.
            return
        now = self._loop.now()
        advertisement = self.virtual_host.speak_again(now)
        if advertisement is None:
            self.virtual_host.handle_timer(now)
            self.pump()
        else:
            self._pumping = True  # What comes of it, as when it cannot be sent, comes after it.
            self._rule(4, advertisement)
            self._pumping = False
            self.pump()

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Advertise(farewell=False):
                self._rule(effect.family, effect.payload)
            case Advertise() if self._removing:
                self._farewells.append(effect)
            case Advertise():
                self._advertise(effect.family, effect.payload)
            case AddAddresses():
                self._add_addresses()
            case RemoveAddresses():
                self._remove_addresses()
            case Announce():
                self._announce()
            case Transition():
                self._tell(effect)

    def _tell(self, change: Transition) -> None:
        for callback in self.on_transition:
            callback()
        if change.event in (Event.RESUMED_AS_MASTER, Event.RESUMED_AS_BACKUP):
            self._log.happened(
                "resumed",
                Level.NOTICE,
                f"{self.label}still {change.state} - {change.event.value}",
                group=self.settings.name,
                details={"state": change.state.value},
            )
            return
        host = self.virtual_host
        self.since = self._loop.now()
        self.transitions += 1
        self._news.append((change, Ours(host.interval, host.master_down_time, host.demotion)))

    def _say(self, change: Transition, ours: Ours) -> None:
        host = self.virtual_host
        why = self.why = why_changed(change, ours)
        if not self._address_texts:  # One list for all events: there may be hundreds of addresses.
            self._address_texts = [str(address) for address in self.settings.addresses]
        details = {
            "from": change.previous.value,
            "to": change.state.value,
            "cause": why,
            "master": str(ip_address(host.master)) if host.master else None,
            "vhid": self.settings.carp.vhid,
            "interface": self.settings.interface,
            "addresses": self._address_texts,
            "transition": self.transitions,
        }
        text = f"{self.label}Switching to state: {change.state} - {why}"
        self._log.happened("state", Level.WARNING, text, group=self.settings.name, details=details)

    # Addresses.

    def _add_addresses(self) -> None:
        self._farewells.clear()
        self._removing = False
        if self._holding is not None:
            self._holding.put_on(self.virtual_host.interval, self._added)
        else:
            self._programs.begin(wait=False)  # The up script puts them on.

    def _added(self, problem: str | None) -> None:
        if problem is None:
            self._can_hold()
            self._programs.begin(wait=self._pumping)
            if not self._pumping:  # It took its time: the first announcement came too early.
                self._announce()
        else:
            self._hand_over(problem)

    def _hand_over(self, problem: str) -> None:
        """Give up an address that this host cannot hold."""
        self._log.happened(
            "address",
            Level.ERROR,
            f"{self.label}{problem}; another node must take over, trying again later",
            group=self.settings.name,
            details={"change": "cannot be put on", "problem": problem},
        )
        # Say nothing of an address that this host does not hold.
        while self.virtual_host.next_effect():
            pass
        self.virtual_host.yield_mastership(self._loop.now())
        self.pump()
        self.demote(_CANNOT_HOLD, UNHELD_DEMOTION)
        self._retry.reschedule(self._loop.now() + _RETRY_AFTER)

    def _can_hold(self) -> None:
        self._retry.cancel()
        self.demote(_CANNOT_HOLD, 0)

    def _restored(self, problem: str | None) -> None:
        if problem is None:
            self._announce()
        else:
            self._hand_over(problem)

    def _remove_addresses(self) -> None:
        self._has_let_go = False
        self._removing = True
        if self._holding is None:
            self._programs.take_off(self._removed, at_start=self._starting)
        else:
            self._holding.take_off(self._taken_off)
            self._programs.end(at_start=self._starting)

    def _taken_off(self, problem: str | None) -> None:
        if problem is not None:
            self._tell_stuck(problem, "two nodes may hold it now")
        self._removed()

    def _tell_stuck(self, problem: str, danger: str) -> None:
        self._log.happened(
            "address",
            Level.ERROR,
            f"{self.label}{problem}; {danger}",
            group=self.settings.name,
            details={"change": "cannot be taken off", "problem": problem},
        )

    def _removed(self) -> None:
        """Say the farewells, now that the addresses are gone."""
        self._removing = False
        for farewell in self._farewells:
            self._advertise(farewell.family, farewell.payload)
        self._farewells.clear()
        self._settled()

    # Frames.

    def _rule(self, family: int, payload: bytes) -> None:
        """Advertise as a master, which gives the addresses a new term."""
        interval = self.virtual_host.interval
        if self._holding is None:
            self._advertise(family, payload)
        elif self._holding.ready(interval):
            self._advertise(family, payload)
            self._holding.advertised(interval)

    def _announce(self) -> None:
        if self.virtual_host.state is State.MASTER:
            self._sending.announce()

    def _advertise(self, family: int, payload: bytes) -> None:
        if self._sending.advertise(payload, self.virtual_host.sources.get(family)):
            if self._sending.fails:
                self.demote(CANNOT_SEND, SEND_ERROR_DEMOTION)
                # A backup sends nothing that could tell whether it can again.
                self._send_again.reschedule(self._loop.now() + _RETRY_AFTER)
            else:
                self._can_send()

    def _can_send(self) -> None:
        self._send_again.cancel()
        self._sending.forget()
        self.demote(CANNOT_SEND, 0)
