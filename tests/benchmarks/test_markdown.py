"""Figures on the page of the docs."""

import pytest
from tests.benchmarks.table.lines import FLOOR, OURS
from tests.benchmarks.table.markdown import MARKS, with_figures

DOCUMENT = {
    "machine": "rae-auto 0.1.0, 2 processors",
    "lines": [
        {
            "line": "add",
            "size": 10_000,
            "measured_on": "2026-11-29",
            "repeats": 3,
            "load": 0.5,
            "unit": "s",
            "values": {OURS: {"add": [1.0, 1.2, 0.9]}, "A peer": {"add": [2.0, 2.0, 2.5]}, FLOOR: {"add": [0.5] * 3}},
            "left_out": {"Another": "left out, since it needs another"},
        }
    ],
}


def test_page_gets_the_figures_between_its_marks() -> None:
    page = with_figures(f"# Performance\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nThe end.\n", DOCUMENT)
    assert page.startswith(f"# Performance\n\n{MARKS[0]}\n\nMachine: rae-auto 0.1.0, 2 processors.\n\n### Adding")
    assert "\n\n2026-11-29, medians of 3 rounds, load 0.5.\n\n| s | of |" in page
    assert page.endswith(f"\n\n{MARKS[1]}\n\nThe end.\n")
    assert "| `add` | rae-auto | 1.00 | 0.900 to 1.20 |  | 2.00 |" in page
    assert "| `add` | A peer | 2.00 | 2.00 to 2.50 | 2.00 | 4.00 |" in page
    assert "- Another: left out, since it needs another" in page
    assert "old" not in page
    assert with_figures(page, DOCUMENT) == page


def test_page_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for figures"):
        with_figures("# Performance\n", DOCUMENT)
