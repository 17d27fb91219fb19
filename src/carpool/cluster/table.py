"""What the tables of a cluster file are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carpool.cluster.readers import Reader


@dataclass(frozen=True, slots=True)
class Field:
    """One key. ``default`` is as TOML gives it, None if an absent key means something else.

    ``absent`` says in words what an absent key means then.
    """

    name: str
    reader: Reader
    doc: str
    default: object = None
    absent: str = ""
    required: bool = False

    @property
    def default_doc(self) -> str:
        """The default as a manual page shows it."""
        if self.required:
            return "required"
        if self.absent:
            return self.absent
        if isinstance(self.default, bool):
            return "true" if self.default else "false"
        return f'"{self.default}"' if isinstance(self.default, str) else str(self.default)


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of table; ``header`` is how its header is written, ``tables`` what is inside it."""

    header: str
    doc: str
    fields: tuple[Field, ...]
    tables: tuple[str, ...] = ()
