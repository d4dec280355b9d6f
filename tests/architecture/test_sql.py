"""SQL as every supported Python takes it."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NUMBERED = re.compile(r"(?:[=<>(,]|LIMIT|IS|AND) *\?[1-9]\b")


def test_placeholders_have_no_numbers() -> None:
    """From Python 3.12 on `?1` with a sequence is deprecated, and from 3.14 on an error: use names, or plain `?`."""
    paths = [*(ROOT / "core").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    assert [str(path) for path in paths if NUMBERED.search(path.read_text())] == []
    assert NUMBERED.search("WHERE (?1 IS NULL OR change = ?1)") is not None
