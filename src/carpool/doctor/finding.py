"""One thing that the doctor found."""

from dataclasses import dataclass

from carpool.doctor.faults import Fault
from carpool.doctor.observation import Group, Word


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, with its frame; what it means and the mend come from the fault."""

    fault: Fault
    seen: str
    group: Group | None = None
    interface: str | None = None
    word: Word | None = None
    """The advertisement that shows it."""
    frame: bytes = b""
    """Another frame that shows it: an answer to a question."""
    more: str = ""
    """What adds to the mend, in this case."""
    instead: str = ""
    """The mend of this case, in the place of the fault's."""

    @property
    def mend(self) -> str:
        """How to mend it."""
        mend = self.instead or self.fault.mend
        return f"{self.more}; {mend}" if self.more else mend
