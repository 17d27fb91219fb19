"""An lx zone: its services by systemctl, its packages, and what it does not have."""

from tests.lab.smartos.support import NEEDS, UUID, create, in_zone, login, one_host, payload
from tests.support.waiting import until

from carpool.lab.smartos.hypervisor import Hypervisor
from carpool.lab.smartos.lab import LX_IMAGE
from carpool.lab.smartos.units import FOLDER

pytestmark = NEEDS

DAEMON = """\
[Unit]
StartLimitBurst=3
StartLimitIntervalSec=1000
[Service]
ExecStart=/bin/sh -c 'echo $$$$ >/run/pid; sleep 1000 & exec sleep 1000'
Restart=on-failure
RestartSec=0.1
RestartPreventExitStatus=2
KillMode=mixed
StateDirectory=a
[Install]
WantedBy=multi-user.target
"""

GUARDED = """\
[Service]
ExecStart=/bin/sh -c 'echo $$$$ >/run/pid; (trap "echo told >>/run/told; exit" TERM; \
echo >/run/guarded; while :; do sleep 0.05; done) & exec sleep 1000'
Restart=on-failure
RestartSec=0.1
KillMode=control-group
"""


def make_zone(host: Hypervisor, script: str) -> None:
    host.run(f"imgadm import -q {LX_IMAGE.uuid}")
    lx = {"brand": "lx", "kernel_version": "4.10", "image_uuid": LX_IMAGE.uuid}
    create(host, payload(**lx, customer_metadata={"user-script": script}))


def active(host: Hypervisor, name: str = "a") -> str:
    return login(host, UUID, f"systemctl is-active {name}")[1].strip()


def in_lx(host: Hypervisor, command: str, stdin: str = "") -> str:
    return in_zone(host, UUID, command, stdin)


def pid(host: Hypervisor) -> str:
    return login(host, UUID, "cat /run/pid")[1].strip()


def test_services_of_an_lx_zone() -> None:
    script = "#!/bin/sh\necho here we are; until test -e /tmp/go; do sleep 0.02; done\n"
    with one_host() as host:
        make_zone(host, script)
        assert login(host, UUID, "systemctl is-system-running")[:2] == (1, "starting\n")
        in_lx(host, "touch /tmp/go")
        until(lambda: login(host, UUID, "systemctl is-system-running")[0] == 0, "it has booted")
        assert "here we are" in in_lx(host, "journalctl -u rc-local")

        # As on a real one: nothing of SMF, and no Python before it is installed.
        for absent in ("svcs", "python3 -V", "pkgin list", "ip link", "mdata-get x"):
            assert login(host, UUID, absent)[0] in (126, 127), absent
        in_lx(host, "apt-get -q -y install python3 && python3 -V")
        assert "E: Unable to locate package nope" in login(host, UUID, "apt-get install nope")[2]
        assert "eth0: flags" in in_lx(host, "/native/usr/sbin/ifconfig -a")

        show = "systemctl show -p LoadState -p ActiveState a"
        assert in_lx(host, show) == "LoadState=not-found\nActiveState=inactive\n"
        assert login(host, UUID, "systemctl enable --now a")[0] == 1
        in_lx(host, f"cat >{FOLDER}/a.service", DAEMON)
        in_lx(host, "systemctl daemon-reload && systemctl enable -q --now a")
        assert in_lx(host, show) == "LoadState=loaded\nActiveState=active\n"

        first = until(lambda: pid(host), "its first process")
        in_lx(host, f"kill -KILL {first}")
        until(lambda: pid(host) not in ("", first), "it is started again")
        assert in_lx(host, "stat -c %a /var/lib/a") == "700\n"
        in_lx(host, "systemctl restart a")
        assert active(host) == "active"
        assert login(host, UUID, "systemctl restart a")[0] == 0
        until(lambda: active(host) == "failed", "it was started too often")
        assert "repeated too quickly" in in_lx(host, "journalctl -u a")

        host.run(f"vmadm reboot {UUID}")
        until(lambda: active(host) == "active", "what is enabled starts at boot")
        in_lx(host, "systemctl stop a")
        assert active(host) == "inactive"
        assert "sleep 1000" not in in_lx(host, "ps ax || true")
        in_lx(host, f"cat >{FOLDER}/b.service", GUARDED)
        in_lx(host, "systemctl daemon-reload && systemctl start b")
        until(lambda: login(host, UUID, "test -s /run/guarded")[0] == 0, "its guard")
        in_lx(host, "kill -KILL $(cat /run/pid)")
        until(lambda: login(host, UUID, "test -s /run/told")[0] == 0, "its guard could say a word")
        in_lx(host, "systemctl stop b")
        in_lx(host, f"sed -i 's/sleep 1000 .*/exit 2\\x27/' {FOLDER}/a.service")
        in_lx(host, "systemctl daemon-reload; systemctl start a")
        until(lambda: active(host) == "failed", "2 is not tried again")
