"""An address to serve on, as --listen takes it."""

import argparse
from collections.abc import Callable
from ipaddress import ip_address


def listen_address(default_port: int) -> Callable[[str], tuple[str, int]]:
    """Return what reads an address, and a port unless it is the default, for argparse."""

    def read(text: str) -> tuple[str, int]:
        host, colon, port = text.rpartition(":")
        if not colon or text.endswith("]") or (text.count(":") > 1 and "]" not in text):
            host, port = text, str(default_port)
        try:
            address, number = ip_address(host.removeprefix("[").removesuffix("]")), int(port)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{text}: not an address of this host with a port, such as 127.0.0.1:{default_port}"
            ) from None
        if not 0 <= number < 65536:
            raise argparse.ArgumentTypeError(f"{text}: a port is at most 65535")
        return str(address), number

    return read
