"""From what a check looks at to the probe that looks; imports only what is needed."""

from carpool.node.health.carrier import Interfaces
from carpool.node.health.probe import Probe
from carpool.node.health.settings import (
    Carrier,
    CheckSettings,
    Command,
    File,
    Gateway,
    Http,
    Tcp,
)
from carpool.node.host import HostError
from carpool.node.loop import Loop


def make_probe(check: CheckSettings, loop: Loop, interfaces: Interfaces) -> Probe:
    """Return the probe of a check. Raises HostError."""
    match check.target:
        case Command() | File() as target:
            from carpool.node.health.command import CommandProbe, file_argv

            argv = target.argv if isinstance(target, Command) else file_argv(target)
            return CommandProbe(loop, argv, {"CARPOOL_CHECK": check.name})
        case Tcp(address=address, port=port):
            from carpool.node.health.connection import TcpProbe

            return TcpProbe(loop, address, port)
        case Http() as http:
            from carpool.node.health.http import HttpProbe

            return HttpProbe(loop, http)
        case Gateway() as gateway:
            from carpool.node.health.gateway import HERE, GatewayProbe

            if not HERE:
                raise HostError(
                    f"check {check.name}: this system cannot ask by ARP (it has no packet "
                    'sockets); use type = "command" with ping instead'
                )
            return GatewayProbe(loop, interfaces, gateway)
        case Carrier(interface=name):
            from carpool.node.health.carrier import CarrierProbe

            return CarrierProbe(interfaces, name)
