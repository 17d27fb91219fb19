from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from carpool.cluster.findings import Finding, Rule, Severity


def test_codes_are_unique_and_ordered() -> None:
    codes = [rule.code for rule in Rule]
    assert len(set(codes)) == len(codes)
    assert codes == sorted(codes)
    assert all(re.fullmatch(r"CP\d{3}", code) for code in codes)


def test_one_line() -> None:
    finding = Finding(
        "CP101", Severity.ERROR, Path("web.toml"), 7, "groups.www", "unknown key", "did you mean x?"
    )
    text = "web.toml:7: error: groups.www: unknown key; did you mean x? [CP101]"
    assert str(finding) == text
    placed = dataclasses.replace(finding, column=3)
    assert str(placed).startswith("web.toml:7:3: error: groups.www: ")


def test_one_line_without_a_place() -> None:
    assert (
        str(Finding("CP001", Severity.WARNING, None, None, "", "a", "b")) == "warning: a; b [CP001]"
    )
    in_file = Finding("CP001", Severity.ERROR, Path("f"), None, "", "a", "b")
    assert str(in_file) == "f: error: a; b [CP001]"
