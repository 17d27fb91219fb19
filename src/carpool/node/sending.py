"""What a group sends, and whether it leaves this host: a master that nobody hears is none."""

from carpool.node.host import Link
from carpool.node.log import Log
from carpool.node.settings import GroupSettings

MOST_ERRORS = 3
"""Advertisements in a row that may fail until a master demotes itself (ucarp's 3)."""
SUCCESSES = 3
"""Advertisements in a row that must then be sent until it no longer does."""
NO_SOURCE = "there is no address of its own to advertise from"
CANNOT_SEND = f"{MOST_ERRORS} advertisements in a row could not be sent"


class Sending:
    """Sends the frames of one group, and counts what could not be sent."""

    def __init__(self, settings: GroupSettings, label: str, log: Log) -> None:
        """`label` begins the log lines."""
        self.link: Link | None = None
        """What it sends through; None while there is no interface."""
        self.fails = False
        """Whether the node is to demote itself for it."""
        self._settings = settings
        self._addresses = [address.ip.packed for address in settings.addresses]
        self._label = label
        self._log = log
        self._in_a_row = 0
        """Against `fails`: errors while it works, successes while it fails."""

    def advertise(self, payload: bytes, source: bytes | None) -> bool:
        """Send an advertisement from `source`, if there is one. Tell whether `fails` changed."""
        if self.link is None or source is None:
            return False
        settings = self._settings
        try:
            self.link.advertise(settings.carp.vhid, source, payload, settings.advertise)
        except OSError as error:
            self._log.warning(
                f"{self._label}cannot advertise on {settings.interface}: {error.strerror}",
                key=f"advertise {settings.name}",
            )
            return self._note(ok=False)
        return self._note(ok=True)

    def announce(self) -> None:
        """Tell the network where the addresses live."""
        if self.link is None:
            return
        settings = self._settings
        try:
            for address in self._addresses:
                self.link.announce(address)
        except OSError as error:
            self._log.warning(
                f"{self._label}cannot announce on {settings.interface}: {error.strerror}",
                key=f"announce {settings.name}",
            )

    def forget(self) -> None:
        """Begin again, as if all had been sent."""
        self.fails = False
        self._in_a_row = 0

    def _note(self, *, ok: bool) -> bool:
        self._in_a_row = self._in_a_row + 1 if ok == self.fails else 0
        if self._in_a_row < (SUCCESSES if ok else MOST_ERRORS):
            return False
        self.fails = not ok
        self._in_a_row = 0
        return True
