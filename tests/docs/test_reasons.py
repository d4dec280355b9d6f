"""The pages of codes, which are generated: each code has a section, whose heading is its anchor."""

import re
from pathlib import Path

import pytest

from rae_auto.explain.codes.catalog import all_codes
from rae_auto.explain.codes.entry import CodeEntry
from rae_auto.model.reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
REASONS_PAGE = ROOT / "docs" / "reference" / "reasons.md"


def test_reasons_page_has_the_meaning_of_every_reason() -> None:
    text = REASONS_PAGE.read_text()
    for code, reason in REASONS.items():
        section = text.split(f"\n### {code}\n")[1].split("\n##")[0]
        assert reason.meaning[1:] in re.sub(r"\s+", " ", section), code


@pytest.mark.parametrize("entry", all_codes(), ids=lambda entry: f"{entry.set.name}-{entry.code}")
def test_a_code_is_a_heading_of_the_page_that_explain_names(entry: CodeEntry) -> None:
    page, _, anchor = entry.page.partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert headings.count(entry.code) == 1
    assert [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings].count(anchor) == 1
