"""The page of reasons, which is generated from their classes."""

import re
from pathlib import Path

from rae_auto.model.reasons import REASONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reasons.md"


def test_reasons_page_has_the_meaning_of_every_reason() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == {code: reason.meaning for code, reason in REASONS.items()}
