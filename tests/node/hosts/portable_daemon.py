"""A daemon as on illumos or a BSD, on Linux: `portable_daemon.py FLAVOUR IFCONFIG FILE NODE`.

What `carpool run` is, but for the host: raw IP sockets of no system in particular, and whatever
ifconfig it is given.
"""

import signal
import sys
from pathlib import Path

from carpool.cluster.load import load
from carpool.node.daemon import Daemon
from carpool.node.hosts.bsd import BsdHost
from carpool.node.hosts.illumos import IllumosHost
from carpool.node.hosts.ipadm import IpadmHost
from carpool.node.log import Log, stderr_sink
from carpool.node.loop import Loop
from carpool.node.plan import plan


def main(flavour: str, ifconfig: str, file: str, name: str) -> None:
    cluster = load(Path(file)).cluster
    assert cluster is not None
    node = cluster.node(name)
    assert node is not None
    loop = Loop()
    log = Log(stderr_sink())
    kind = {"illumos": IllumosHost, "ipadm": IpadmHost}.get(flavour, BsdHost)
    host = kind(loop, log, routing=None, ifconfig=ifconfig)
    daemon = Daemon(plan(cluster, node), host, loop, log)
    daemon.handle_signals([signal.SIGTERM])
    daemon.open()
    daemon.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
