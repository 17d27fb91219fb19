"""The style sheet: what is written can be read, by day and by night (WCAG 2.1, 1.4.3: 4.5 to 1)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

LEAST = 4.5
STYLE = (files("carpool.web") / "static" / "page.css").read_text()
THEMES = dict(zip(("light", "dark"), re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL), strict=True))
GRADES = ("good", "warning", "fault", "changing")
PAIRS = [
    *((ink, paper) for ink in ("ink", "quiet", "link", *GRADES) for paper in ("page", "card")),
    *((grade, f"{grade}-soft") for grade in GRADES),
    *(("mark", f"n{number}") for number in range(8)),
    ("card", "fault"),
    ("card", "link"),
    ("quiet", "unknown"),
]


def luminance(colour: str) -> float:
    """Return the relative luminance of #rgb or #rrggbb, as WCAG defines it."""
    digits = colour.removeprefix("#")
    width = len(digits) // 3
    parts = [digits[n * width : (n + 1) * width] * (3 - width) for n in range(3)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(part, 16) / 255 for part in parts)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    less, more = sorted((luminance(one), luminance(other)))
    return (more + 0.05) / (less + 0.05)


def test_black_on_white_is_21_to_1() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out_from_what_is_behind_it(theme: str) -> None:
    colours = {"mark": "#fff", **dict(re.findall(r"--([\w-]+): (#\w+)", THEMES[theme]))}
    found = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in PAIRS}
    assert {pair: round(ratio, 1) for pair, ratio in found.items() if ratio < LEAST} == {}


def test_nothing_is_fetched_from_elsewhere() -> None:
    assert not re.search(r"url\(|@import|https?:", STYLE)
    script = (files("carpool.web") / "static" / "page.js").read_text()
    assert not re.search(r"https?:|\beval\b|import\(", script)
