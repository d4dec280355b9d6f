"""The page of reliability: each line has its tests."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "design" / "reliability.md"


def test_each_requirement_has_tests_that_exist_or_says_what_is_missing() -> None:
    rows = re.findall(r"^\| (R\d+) \| (.+?) \| ?(.*?) ?\|$", PAGE.read_text(), re.MULTILINE)
    assert [name for name, _, _ in rows] == [f"R{number}" for number in range(1, 40)]
    known = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    for name, what, tests in rows:
        named = re.findall(r"`(test_\w+)`", tests)
        assert named or what.startswith("missing:"), f"{name} has no test"
        assert not set(named) - known, f"{name} names tests that aren't there"
