"""Where things lie in a global zone and in a zone."""

from pathlib import Path
from typing import Final

TOOLS: Final = Path("/.lab/bin")
"""Programs that stand-ins run, the interpreter among them."""

LIBRARY: Final = Path("/.lab/library")
"""What the interpreter is installed in, unless that is /usr."""

STATE: Final = Path("/.lab/state")
"""What the hypervisor is and does, apart from its zones. Only in a global zone."""

HOST: Final = STATE / "host.json"

ZONE_USR: Final = Path("/.lab/zone-usr")
"""The /usr of zones, in the global zone."""

LX_USR: Final = Path("/.lab/lx-usr")
"""The /usr of lx zones, in the global zone."""

LX_PYTHON: Final = Path("/.lab/python3")
"""Where /usr/bin/python3 of an lx zone leads to, once it is installed."""

SEEN_CONFIG: Final = Path("/.lab/config")
"""What the hypervisor knows of a zone, as the zone sees it."""
