"""Links between pages, and paths that pages tell people to type."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    docs = ROOT / "docs"
    linked = {(docs / target).resolve() for target in re.findall(r"\]\(([^):#]+)", (docs / "index.md").read_text())}
    assert [
        str(page.relative_to(docs)) for page in docs.rglob("*.md") if page not in linked | {docs / "index.md"}
    ] == []


def test_every_file_that_a_page_runs_exists() -> None:
    shell = "".join(re.findall(r"^```sh\n(.*?)^```", "\n".join(page.read_text() for page in PAGES), re.M | re.S))
    named = {word for word in shell.split() if "/" in word and not word.startswith((".venv", "/", "~"))}
    assert [word for word in sorted(named) if not (ROOT / word).exists()] == []
