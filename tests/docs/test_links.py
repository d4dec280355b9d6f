"""Links between pages, and paths that pages tell people to type."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
MAX_CLICKS = 2


def links_of(page: Path) -> set[Path]:
    """The files that a page links to."""
    return {
        (page.parent / target).resolve() for target in re.findall(r"\]\((?![a-z]+:)([^)#]+)[^)]*\)", page.read_text())
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [target for target in links_of(page) if not target.exists()] == []


def test_every_page_is_two_clicks_from_the_index() -> None:
    reached = {DOCS / "index.md"}
    for _ in range(MAX_CLICKS):
        reached |= {target for page in reached if page.suffix == ".md" for target in links_of(page) if target.is_file()}
    assert [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page not in reached] == []


def test_every_file_that_a_page_runs_exists() -> None:
    shell = "".join(re.findall(r"^```sh\n(.*?)^```", "\n".join(page.read_text() for page in PAGES), re.M | re.S))
    named = {word for word in shell.split() if "/" in word and not word.startswith((".venv", "/", "~"))}
    assert [word for word in sorted(named) if not (ROOT / word).exists()] == []
