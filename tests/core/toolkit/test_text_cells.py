"""Cells of a terminal, compared with what a library and the terminal emulators go by."""

import pytest
from wcwidth import wcswidth

from rae_auto.toolkit.text_cells import count_cells, fit_to_cells, shorten_to_cells, wrap_to_cells

TEXTS = [
    "",
    "plain",
    "日本語のジョブ",
    "전체 백업",
    "\u1112\u1161\u11ab",
    "cafe\u0301 Ångström",
    "✓ □ ◷ … ▁▂█ ─",
    "🚀 rocket",
    "❤\ufe0f heart",
    "👩\u200d👩\u200d👧 family",
    "👍🏽 fine",
    "🇩🇪 flag",
    "\uff46\uff55\uff4c\uff4c",
    "ﾊﾝｶｸ",
    "שלום",
    "zero\u200bwidth",
]


@pytest.mark.parametrize("text", TEXTS)
def test_cells_are_those_of_the_library(text: str) -> None:
    assert count_cells(text) == wcswidth(text)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("cells", range(12))
def test_fitted_text_takes_its_cells_exactly(text: str, cells: int) -> None:
    assert wcswidth(fit_to_cells(text, cells)) == cells
    assert wcswidth(shorten_to_cells(text, cells)) <= cells


def test_shortened_text_keeps_marks_with_their_letters() -> None:
    assert shorten_to_cells("cafe\u0301 au lait", 5) == "cafe\u0301…"
    assert shorten_to_cells("日本語", 4) == "日…"
    assert fit_to_cells("日本語", 4) == "日… "


@pytest.mark.parametrize("cells", [2, 3, 7, 20])
@pytest.mark.parametrize("text", ["one two three", "日本 語の長い長い長い言葉 end", "a" * 50, "  kept "])
def test_wrapped_text_loses_nothing_and_fits(text: str, cells: int) -> None:
    lines = wrap_to_cells(text, cells)
    assert max(map(wcswidth, lines)) <= cells
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
