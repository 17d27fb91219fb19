"""The article's own inputs, from the first check to files that vmadm and SMF take."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.smartos.vmadm import complaints

TESTS = Path(__file__).parents[1]
FILES = ("web1.json", "web2.json", "ucarp.cfg", "ucarp2.cfg")
PASSWORD = "0123456789abcdef"

MISTAKES = {
    ("CP503", "web1.json", "dataset_uuid"),
    ("CP503", "web2.json", "dataset_uuid"),
    ("CP515", "web1.json", "nics[0].gateway"),  # equal to the zone's own address
    ("CP515", "web2.json", "nics[0].gateway"),
    ("CP518", "web1.json", "resolvers[0]"),  # 192.128 for 192.168
    ("CP518", "web2.json", "resolvers[0]"),
    ("CP519", "web1.json", "max_physical_memory"),
    ("CP519", "web2.json", "max_physical_memory"),
    ("CP211", "web2.json", "nics[0].ip"),  # 10.96.11.202: outside the other's subnet...
    ("CP216", "web2.json", "nics[0].ip"),  # ...and the virtual address's
    ("CP305", "ucarp.cfg", "pass"),
    ("CP306", "ucarp.cfg", "pass"),
    ("CP509", "web1.json", "nics[0].allow_ip_spoofing"),
    ("CP509", "web1.json", "nics[0].allow_mac_spoofing"),
    ("CP509", "web2.json", "nics[0].allow_ip_spoofing"),
    ("CP509", "web2.json", "nics[0].allow_mac_spoofing"),
}
"""The mistakes of the article that there are rules for; others may be found besides."""


def carpool(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "carpool", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_from_the_articles_files_to_valid_ones(tmp_path: Path) -> None:
    etree = pytest.importorskip("lxml.etree")
    for name in FILES:
        shutil.copy(TESTS / "cluster/article" / name, tmp_path)
        (tmp_path / name).chmod(0o600)

    told = json.loads(carpool(tmp_path, "check", "--json", *FILES, code=2).stdout)
    found = {(it["code"], Path(it["file"]).name, it["key"]) for it in told["findings"]}
    assert found >= MISTAKES, MISTAKES - found

    carpool(tmp_path, "import", *FILES, "-o", "web.toml", code=1)
    file = tmp_path / "web.toml"
    text = file.read_text()
    for wrong, right in (
        ("10.96.11.202", "192.168.0.202"),
        ("192.128.0.9", "192.168.0.9"),
        ("4096", "256"),
        (r'gateways = \["[0-9.]*"\]', 'gateways = ["192.168.0.1"]'),
    ):
        text, count = re.subn(wrong, right, text)
        assert count, wrong
    file.write_text(text)
    (tmp_path / "web.key").write_text(f"{PASSWORD}\n")
    carpool(tmp_path, "check", "--strict", "web.toml")

    carpool(tmp_path, "render", "web.toml", "-o", "out")
    dtd = etree.DTD(str(TESTS / "smartos/data/service_bundle.dtd.1"))
    for node in ("web1", "web2"):
        made = tmp_path / "out" / node
        payload = json.loads((made / "payload.json").read_text())
        assert list(complaints(payload)) == []
        assert payload["nics"][0]["allowed_ips"] == ["192.168.0.200"]
        assert not [key for key in payload["nics"][0] if key.startswith("allow_")]
        manifest = etree.parse(str(made / "carpool.xml"))
        assert dtd.validate(manifest), dtd.error_log
        for script in ("first-boot.sh", "vip-up", "vip-down"):
            subprocess.run(["sh", "-n", made / script], check=True)
        secret = [path.name for path in made.iterdir() if PASSWORD in path.read_text()]
        assert secret == ["payload.json"]
        assert PASSWORD not in json.dumps(payload["customer_metadata"])
        assert stat.S_IMODE((made / "payload.json").stat().st_mode) == 0o600
    carpool(tmp_path, "check", "--strict", "out/web1/payload.json", "out/web2/payload.json")
