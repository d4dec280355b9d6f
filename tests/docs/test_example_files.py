"""The files of docs/examples: each stands on the page, with what it would do."""

import re
from pathlib import Path

import pytest

from rae_auto.config import check
from rae_auto.registry import Registry

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
FILES = sorted(EXAMPLES.glob("*.toml"))
SECTIONS = re.split(r"^## ", (EXAMPLES / "index.md").read_text(), flags=re.MULTILINE)[1:]


def test_there_are_fifteen_examples_and_each_has_a_section() -> None:
    assert len(FILES) >= 15
    named = [found[1] for section in SECTIONS if (found := re.search(r"^<!-- example ([-\w]+) -->", section, re.M))]
    assert sorted(named) == [file.stem for file in FILES]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.splitlines()[0])
def test_an_example_shows_that_it_starts_something(section: str) -> None:
    printed = section.split("<!-- printed -->")[1]
    assert re.search(r"\bstart\b|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d CET", printed)
    assert "rae-auto: " not in printed


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_is_valid_and_says_what_it_is_for(file: Path) -> None:
    assert file.read_text().startswith("# ")
    assert check(file, Registry()).errors == ()
