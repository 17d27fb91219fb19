"""The operator's workstation: a zone of the lab, with an SSH key for the hypervisors."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Final

from carpool.lab.smartos.room import find_tool
from carpool.lab.zone import Zone

_SECONDS: Final = 300.0
_CONFIG: Final = """\
Host *
    User root
    IdentityFile {key}
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 30
"""


class Operator:
    """Made by SmartosLab. Programs that run here reach the hypervisors by name, with SSH.

    `home` is HOME for them; in it are `key` (and its public half beside it), `known_hosts`, with
    the keys of all hypervisors, and `ssh_config`.
    """

    def __init__(self, zone: Zone, home: Path) -> None:
        self.zone = zone
        self.home = home
        folder = home / ".ssh"
        folder.mkdir(mode=0o700, parents=True)
        self.key = folder / "id_ed25519"
        self.known_hosts = folder / "known_hosts"
        self.ssh_config = folder / "config"
        self.known_hosts.touch()
        self.ssh_config.write_text(_CONFIG.format(key=self.key, known_hosts=self.known_hosts))
        make_key(self.key)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of programs here: ours, at home here."""
        kept = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
        return {**kept, "HOME": str(self.home)}

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        stdin: str = "",
        environment: Mapping[str, str] | None = None,
        timeout: float = _SECONDS,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program here and return what it said; `timeout` in seconds (TimeoutExpired)."""
        with self.zone.namespace.entered():
            return subprocess.run(
                arguments,
                input=stdin,
                env={**self.environment, **(environment or {})},
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )

    def popen(self, arguments: Sequence[str | Path], **options: Any) -> "subprocess.Popen[bytes]":
        """Start a program here; `options` are those of subprocess.Popen."""
        options.setdefault("env", self.environment)
        with self.zone.namespace.entered():
            return subprocess.Popen(arguments, **options)

    def ssh(
        self,
        host: str,
        command: str,
        *,
        stdin: str = "",
        timeout: float = _SECONDS,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a shell command on a hypervisor, by its name."""
        return self.run(["ssh", "-F", self.ssh_config, host, command], stdin=stdin, timeout=timeout)

    def trust(self, name: str, address: IPv4Address | IPv6Address, host_key: str) -> None:
        """Take a hypervisor's key as known."""
        kind, key = host_key.split()[:2]
        with self.known_hosts.open("a") as file:
            file.write(f"{name},{address} {kind} {key}\n")


def make_key(path: Path) -> None:
    """Make an SSH key, `path`, and its public half, `path`.pub. Replaces what is there."""
    for old in (path, path.with_name(f"{path.name}.pub")):
        old.unlink(missing_ok=True)
    subprocess.run(
        [find_tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", path],
        stdin=subprocess.DEVNULL,
        check=True,
    )
