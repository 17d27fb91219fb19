"""carpool under a real systemd, with the real D-Bus, polkit, journal, rsyslog and Nagios.

    make systemd
    make systemd RELEASE=trixie

Two Debians in containers of systemd-nspawn share an address through the files that `carpool render`
makes, and what the pages promise is tried on them. Needs root, debootstrap and systemd-container,
and for the first time the network: the image stays below build/. Changes nothing outside.
"""

import argparse
import os
import sys
from ipaddress import ip_interface
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory

from tools.build_pyz import build
from tools.systemd import checks
from tools.systemd.machine import Machine, TrialError, make_image, missing

from carpool.cluster.load import load
from carpool.cluster.secrets import read_secrets
from carpool.lab.namespaces import inside
from carpool.lab.network import Lab
from carpool.smartos.files import files

FOLDER = Path(__file__).parents[2] / "build" / "systemd"
PLACES = {
    "carpool.service": "/etc/systemd/system",
    "carpool.rules": "/etc/polkit-1/rules.d",
    "carpool-user.conf": "/etc/sysusers.d",
}
"""Where rendered files go that are not for /etc/carpool."""


def main() -> int:
    """Make the image if there is none, try everything, and return 0 if all was well."""
    parser = argparse.ArgumentParser(prog="make systemd", description="See tools/systemd.")
    parser.add_argument(
        "release", nargs="?", default="bookworm", help="of Debian, bookworm if not given"
    )
    release = parser.parse_args().release
    image = FOLDER / release
    if os.geteuid() != 0:
        print("make systemd: needs root", file=sys.stderr)
        return 2
    if lacking := missing():
        print(f"make systemd: apt-get install {' '.join(lacking)}", file=sys.stderr)
        return 2
    try:
        make_image(image, release)
    except CalledProcessError as error:
        print(f"make systemd: no image of Debian: {error}", file=sys.stderr)
        return 2
    with TemporaryDirectory(dir=FOLDER, prefix="run-") as folder:
        return inside(lambda: _try_all(image, Path(folder)))


def _try_all(image: Path, folder: Path) -> int:
    failed = 0
    machines: list[Machine] = []
    with Lab() as lab:
        lab.add_zone("neighbour", addresses=[ip_interface("192.0.2.3/24")])
        try:
            for number in (1, 2):
                addresses = [ip_interface(f"192.0.2.{number}/24")]
                zone = lab.add_zone(f"web{number}", addresses=addresses)
                machines.append(Machine(f"web{number}", zone, image, folder))
            _install(folder, machines)
            failed = _run(checks.Pair(*machines))
        except TrialError as error:
            failed = 1
            print(f"make systemd: {error}", file=sys.stderr)
            for machine in machines:
                print(machine.console()[-2000:], file=sys.stderr)
        finally:
            for machine in machines:
                machine.close()
    return 1 if failed else 0


def _install(folder: Path, machines: list[Machine]) -> None:
    """Put the rendered files where the pages say, and what they are tried with; boot."""
    archive = folder / "carpool.pyz"
    build(archive)
    (folder / "cluster.toml").write_text(checks.CLUSTER)
    (folder / "www.key").touch(0o600)
    (folder / "www.key").write_text("of systemd's\n")
    loaded = load(folder / "cluster.toml")
    if loaded.cluster is None:
        raise TrialError(f"cluster file: {loaded.findings}")
    secrets = read_secrets(loaded.cluster)
    group = b"[Service]\nSupplementaryGroups=www-data\n"
    for machine, node in zip(machines, loaded.cluster.nodes, strict=True):
        for file in files(loaded.cluster, node, secrets):
            machine.write(
                f"{PLACES.get(file.name, '/etc/carpool')}/{file.name}", file.data, file.mode
            )
        machine.write("/opt/carpool/carpool.pyz", archive.read_bytes())
        machine.write("/etc/systemd/system/carpool.service.d/nagios.conf", group)
        machine.write("/etc/systemd/system/second.service", checks.SECOND.encode())
        machine.write("/etc/rsyslog.d/carpool.conf", checks.RSYSLOG.encode())
        machine.write("/etc/nagios4/conf.d/carpool.cfg", checks.NAGIOS.encode())
        machine.start()
    for machine in machines:
        machine.wait_until_booted()
    machines[0].shell("systemctl start nagios4")


def _run(pair: checks.Pair) -> int:
    version = "systemctl --version | head -1; dpkg-query -W dbus polkitd rsyslog nagios4-core"
    print(pair.machines[0].shell(version), flush=True)
    failed = 0
    for promise, check in checks.CHECKS:
        try:
            result = f"ok: {check(pair)}"
        except (TrialError, OSError, ValueError) as error:
            result = f"FAILED: {error}"
            failed += 1
        print(f"{promise}\n    {result}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
