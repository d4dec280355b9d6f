"""All messages of the program in one file, and rules that a message must keep."""

import ast
import re
from pathlib import Path

import pytest
from tests.architecture import messages

RULES = {
    r"(?<!there) is no (?!longer)[a-z]": "say what it is, or what to do: 'unknown job', 'invalid duration'",
    r"\b([Ss]omebody|[Nn]obody|[Ww]hoever|[Aa]nybody)\b": "name the person or the program",
    r"\banew\b|\bin hand\b|made up for|belongs into|where that isn't so|bygone": "use the words of the field",
    r"\b(is|are|was|were) (running|waiting|queued|active) since\b|\bwaits since\b|ran since it": "has been … since",
    r"\bsince (it|he|they|nobody|nothing|what|who|this|its|there|a job)\b": "because",
    r"\w\(s\)": "choose the right plural",
    r"\b0\.0 s\b": "use a unit that fits",
    r"\b(told|tells) (of|nobody|only|to)\b|\btells \b": "report, say, show",
    r"rae-auto\[[a-z]": "name the command that rae_auto.toolkit.extras.install_command returns",
    r"\b(lest|thereby|whence|hither)\b": "use a plain word",
}
"""A pattern that no message may hold, and what to write instead."""


def test_the_snapshot_of_messages_is_current() -> None:
    written = messages.SNAPSHOT.read_text(encoding="utf-8")
    assert written == messages.render(messages.messages()), "run: python tests/architecture/messages.py"


@pytest.mark.parametrize("pattern", RULES)
def test_messages_keep_the_rules(pattern: str) -> None:
    # Of the snapshot, which is shown to be current above: to read all sources once a rule takes longer than the rest.
    written = messages.SNAPSHOT.read_text(encoding="utf-8").splitlines()
    assert [text for text in written if not text.startswith("## ") and re.search(pattern, text)] == [], RULES[pattern]


def test_messages_are_read_with_their_values_as_holes(tmp_path: Path) -> None:
    tree = ast.parse('"""A docstring of it."""\nraise ValueError(f"job {name} is " "paused")\n"an expression alone"\n')
    assert list(messages._texts(tree)) == ["job {…} is paused"]
