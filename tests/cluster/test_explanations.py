from __future__ import annotations

from pathlib import Path

import pytest

from carpool.cluster.explanations import EXPLANATIONS, explain, markdown
from carpool.cluster.findings import Rule

PAGE = Path(__file__).parents[2] / "docs" / "check.md"


def test_every_rule_has_a_reason() -> None:
    assert list(EXPLANATIONS) == list(Rule)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.code)
def test_the_reason_is_a_paragraph(rule: Rule) -> None:
    text = EXPLANATIONS[rule]
    assert text.endswith(".")
    assert "\n" not in text
    assert "  " not in text
    assert 40 < len(text) < 500
    assert rule.title in explain(rule)


def test_the_page_is_the_register() -> None:
    """Mend: carpool explain --markdown > docs/check.md."""
    assert PAGE.read_text() == markdown()
