"""The page of reasons."""

import re
from pathlib import Path

from rae_auto.model.reasons import Reason

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reasons.md"


def test_every_reason_has_a_line_and_every_line_a_reason() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert sorted(code for code, _ in rows) == sorted(Reason)
    assert all(meaning.strip() for _, meaning in rows)
