"""What a daemon imports: what its configuration needs, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

FILE = """\
[nodes.a]
address = "192.0.2.1/24"
interface = "net0"
[nodes.b]
address = "192.0.2.2/24"
interface = "net0"
[groups.www]
vhid = 1
addresses = ["192.0.2.100/24"]
password_file = "key"
"""
CHECK = 'checks = ["up"]\n[checks.up]\ntype = "command"\ncommand = ["/bin/true"]\n'

FOR_OTHERS = ("carpool.deploy", "carpool.lab", "carpool.sim", "carpool.smartos")
"""What no daemon needs."""
NOT_CONFIGURED = (
    *("carpool.cluster.check_", "carpool.cluster.payload", "carpool.cluster.ucarp_"),
    *("carpool.cluster.notify_", "carpool.node.notify", "carpool.notify"),
    *("carpool.cluster.explanations", "carpool.cluster.toml_", "carpool.node.health"),
    "carpool.node.service_manager",
    *("carpool.node.hosts.portable", "carpool.node.links.plain", "carpool.node.links.bpf"),
)
"""What no daemon needs that runs a file without mistakes and without checks, on Linux."""
SLOW = ("asyncio", "difflib", "http", "logging", "random", "secrets", "ssl", "subprocess", "uuid")


def modules_of_a_daemon(path: Path) -> list[str]:
    code = (
        "import sys; from pathlib import Path; import carpool.cli.run as run;"
        "from carpool.node.hosts import this_host; from carpool.node.loop import Loop;"
        "from carpool.node.log import Log; host = this_host(Loop(), Log());"
        f"cluster = run.load(Path({str(path)!r})).cluster; node = cluster.nodes[0];"
        "groups, checks = run.plan(cluster, node), run._checks(cluster, node);"
        "run._notifiers(cluster, node);"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems, other modules")
def test_a_daemon_imports_what_its_configuration_needs(tmp_path: Path) -> None:
    plain = tmp_path / "plain.toml"
    plain.write_text(FILE)
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text("0123456789abcdef\n")
    modules = modules_of_a_daemon(plain)
    unneeded = [name for name in modules if name.startswith((*FOR_OTHERS, *NOT_CONFIGURED))]
    assert unneeded == []
    assert set(SLOW).isdisjoint(modules)
    assert "carpool.node.hosts.linux" in modules
    checked = tmp_path / "checked.toml"
    checked.write_text(FILE + CHECK)
    modules = modules_of_a_daemon(checked)
    assert "carpool.cluster.check_rules" in modules
    assert "carpool.node.health.plan" in modules
    told = tmp_path / "told.toml"
    told.write_text(FILE + '[notify.ops]\ntype = "nagios"\npath = "/x"\n')
    modules = modules_of_a_daemon(told)
    assert "carpool.node.notify.settings" in modules
    # What talks to servers is the business of a child.
    assert set(SLOW).isdisjoint(modules)
    assert not [name for name in modules if name.startswith(("carpool.notify.mail", "smtplib"))]


def test_ucarps_command_line_imports_nothing_of_the_control_socket() -> None:
    code = (
        "import sys, carpool.cli.ucarp, carpool.cli.ucarp_options, carpool.node.daemon;"
        "import carpool.node.detach, carpool.node.hosts; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unneeded = {
        *("changes", "control", "events", "following", "restart", "service_manager", "steering")
    }
    assert {f"carpool.node.{name}" for name in unneeded}.isdisjoint(done.stdout.split())
