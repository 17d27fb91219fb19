"""The options of all commands that go to hosts over SSH."""

import argparse
from pathlib import Path


def add_ssh_options(made: argparse.ArgumentParser) -> None:
    """Add the options that say how to get to a host."""
    made.add_argument("--identity", type=Path, metavar="KEY", help="the private key for SSH")
    made.add_argument(
        "--known-hosts", type=Path, metavar="FILE", help="host keys (default ~/.ssh/known_hosts)"
    )
    made.add_argument(
        "--ssh-config", type=Path, metavar="FILE", help="ssh_config (default ~/.ssh/config)"
    )
