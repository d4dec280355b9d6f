"""Colors: on terminals that show them, unless NO_COLOR is set."""

import pytest
from attrs import frozen

from rae_auto.toolkit.terminals import can_color


@frozen
class Stream:
    is_terminal: bool = True

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize(
    ("variables", "is_terminal", "expected"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
    ],
)
def test_only_terminals_that_show_colors_get_them(monkeypatch, variables, is_terminal, expected):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert can_color(Stream(is_terminal)) is expected
