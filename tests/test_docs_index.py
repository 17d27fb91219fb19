"""The manual has all its pages, and its links lead somewhere."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from tests.support.documents import PAGES, ROOT

from carpool.cluster.draft import read_document
from carpool.cluster.findings import Rule
from carpool.cluster.source import Source

_LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)#\s]*)(#[^)\s]*)?\)")
_HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)


def links(path: Path) -> list[tuple[str, str]]:
    return [(found[1], found[2] or "") for found in _LINK.finditer(path.read_text("utf-8"))]


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    bare = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.replace("`", ""))
    return "#" + re.sub(r"[^\w\- ]", "", bare.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target, place in links(path):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{path.name}: {target}"
        if place and file.suffix == ".md":
            headings = {anchor(found) for found in _HEADING.findall(file.read_text("utf-8"))}
            assert place in headings, f"{path.name}: {target}{place}"


def test_every_page_is_listed_in_the_manual_or_the_readme() -> None:
    lists = (ROOT / "docs/index.md", ROOT / "README.md")
    listed = {(page.parent / target).resolve() for page in lists for target, _ in links(page)}
    assert set(ROOT.glob("docs/*.md")) <= listed


def test_a_page_is_found_from_the_readme() -> None:
    assert ("docs/index.md", "") in links(ROOT / "README.md")


def toml_blocks() -> list[tuple[str, str]]:
    found = []
    for path in PAGES:
        text = path.read_text("utf-8")
        for block in re.finditer(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, block.start()) + 1
            found.append((f"{path.name}:{line}", block[1]))
    return found


@pytest.mark.parametrize(("place", "text"), toml_blocks(), ids=lambda value: value[:30])
def test_every_key_in_a_piece_of_a_cluster_file_is_one(place: str, text: str) -> None:
    """A piece may lack what is said elsewhere; but what it says the program knows."""
    source = Source(None)
    read_document(tomllib.loads(text), source)
    wrong = [found for found in source.findings() if found.code != Rule.MISSING_KEY.code]
    assert not wrong, f"{place}: {wrong[0]}"


@pytest.mark.peer("keepalived")
def test_what_is_shown_of_keepalived_is_what_it_takes(tmp_path: Path) -> None:
    text = (ROOT / "docs/from-keepalived.md").read_text("utf-8")
    shown = re.findall(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    conf = "".join(shown).replace("/usr/bin/curl", "/bin/true")  # whether that is here or not
    path = tmp_path / "keepalived.conf"
    path.write_text(conf)
    done = subprocess.run(
        ["keepalived", "-t", "-f", path], stderr=subprocess.PIPE, text=True, check=False
    )
    # It minds that script_security is off, which is its default.
    assert [line for line in done.stderr.splitlines() if "SECURITY" not in line] == []
    assert conf
