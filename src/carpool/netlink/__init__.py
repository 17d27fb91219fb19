"""A small rtnetlink client for Linux: links and addresses, asked for, changed, and watched.

`messages` is the bytes (pure functions), `route` asks and changes,
`renewal` gives addresses new lifetimes, `monitor` listens. Imports nothing else of carpool.
"""

from carpool.netlink.messages import AddressGone, AddressInfo, LinkGone, LinkInfo
from carpool.netlink.monitor import Overrun, RouteEvent, RouteMonitor
from carpool.netlink.renewal import Renewer, renewal_request
from carpool.netlink.route import AddressChange, NetlinkError, Route

__all__ = [
    "AddressChange",
    "AddressGone",
    "AddressInfo",
    "LinkGone",
    "LinkInfo",
    "NetlinkError",
    "Overrun",
    "Renewer",
    "Route",
    "RouteEvent",
    "RouteMonitor",
    "renewal_request",
]
