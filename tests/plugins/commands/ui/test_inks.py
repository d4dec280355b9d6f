"""Colours of output become names of classes, tabs stay, and every other control character is shown or left out."""

from datetime import UTC, datetime

import pytest

from rae_plugins.commands.ui.inks import ink_line, ink_output_line

AT = datetime(2026, 11, 28, 12, 7, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("plain", [("", "plain")]),
        ("\x1b[31mno\x1b[0m and on", [("ink-red", "no"), ("", " and on")]),
        ("\x1b[1;92myes\x1b[22m, green", [("ink-bold ink-green", "yes"), ("ink-green", ", green")]),
        ("\x1b[38;5;196mof a larger palette", [("", "of a larger palette")]),
        ("10 %\r100 %", [("", "100 %")]),
        ("\x1b[2J\x1b[Hcleared \x1b]0;title\x07screen", [("", "cleared "), ("", "screen")]),
        ("\x07<b>", [("", "\\x07<b>")]),
        ("a\tb\u2028\x1b[31m\tno", [("", "a\tb\\u2028"), ("ink-red", "\tno")]),
    ],
)
def test_line_has_its_colours_as_classes(line: str, parts: list[tuple[str, str]]) -> None:
    assert ink_line(line) == parts


def test_line_begins_with_its_time_and_the_mark_of_standard_error() -> None:
    line = ink_output_line("broken", AT, UTC, is_error=True)
    assert line == [("came", "12:07:03  "), ("from-error", "! "), ("", "broken")]
    assert ink_output_line("well", None, UTC, is_error=False) == [("", "well")]
