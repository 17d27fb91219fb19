"""The health checks that one node is to run, and what each of them looks at."""

from dataclasses import dataclass

from carpool.carp.auth import Address


@dataclass(frozen=True, slots=True)
class Command:
    """A program that exits with 0 when all is well. No shell reads it."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP port that takes connections."""

    address: Address
    port: int


@dataclass(frozen=True, slots=True)
class Http:
    """A web server that answers a GET as it should."""

    address: Address
    port: int
    path: str
    """With the query; begins with a slash."""
    tls: bool = False
    host: str | None = None
    """The name in the request, and in the certificate; else the address."""
    verify: bool = True
    """Whether the certificate must be valid."""
    statuses: tuple[int, ...] = ()
    """The good ones; none: 200 to 299."""
    text: str | None = None
    """What the body must contain."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A neighbour that answers ARP, or neighbour solicitations for an IPv6 address."""

    address: Address
    interface: str
    source: Address | None
    """Our own address there to ask from; none asks as RFC 5227 and RFC 4862 probe."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """An interface that is there and has a carrier."""

    interface: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that must not be there; or must be, or must contain a text."""

    path: str
    present: bool
    text: str | None = None


Target = Command | Tcp | Http | Gateway | Carrier | File


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """One check and the groups that depend on it. Times are in nanoseconds."""

    name: str
    target: Target
    groups: tuple[str, ...]
    interval: int
    timeout: int
    rise: int
    """Good results in a row until a bad check is good again."""
    fall: int
    """Bad results in a row until a good check is bad."""
    demote: int | None
    """By how much a bad check demotes its groups; None: they must be backup."""
