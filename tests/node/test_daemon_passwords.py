"""The password changes without an outage, and what does not fit is named."""

import time
from pathlib import Path

import pytest
from tests.support.lan import MS, PASSWORD, VIP
from tests.support.pair import DOWN_TIME, Pair

pytestmark = pytest.mark.namespaces

NEW_PASSWORD = "another-one!"
ROUNDS = (
    {"accept_password_files": ["new.key"]},
    {"password_file": "new.key", "accept_password_files": ["cluster.key"]},
    {"password_file": "new.key"},
)


def test_a_password_is_changed_one_node_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "new.key").touch(mode=0o600)
    (tmp_path / "new.key").write_text(NEW_PASSWORD)
    with Pair(tmp_path) as lan:
        daemons = dict(zip(("left", "right"), lan.run_both(), strict=True))
        zones = {"left": lan.left, "right": lan.right}
        since = time.monotonic_ns()
        for keys in ROUNDS:
            file = lan.file(**keys)
            for name, other in (("right", "left"), ("left", "right")):
                assert daemons[name].stop() == 0
                lan.until_holders(other)
                daemons[name] = lan.run(zones[name], file)
                lan.during(DOWN_TIME, other)
                assert "digest" not in daemons[other].text()
                assert "MASTER" not in daemons[name].text()
        logs = "".join(path.read_text() for path in tmp_path.glob("*.log"))
        assert lan.dark(since) < 500 * MS
        assert lan.shared(since) == 0
        assert PASSWORD not in logs
        assert NEW_PASSWORD not in logs


def test_another_set_of_addresses_is_named(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left = lan.run(lan.left, lan.file())
        lan.until_holders("left")
        right = lan.run(lan.right, lan.file(addresses=[f"{VIP}/16", "10.0.0.101/16"]))
        lan.until_logged(right, "from 10.0.0.9 on net0 was rejected: has the right password")
        lan.until_logged(right, "another set of addresses: without 10.0.0.101;")
        lan.until_logged(left, "from 10.0.1.5 on net0 was rejected: has a digest of neither")
        assert right.text().count("another set of addresses") == 1
