"""The pane of `plugins try` on screens of any size."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from rae_auto.cli.plugins.trial_screen import TrialScreen, describe_plainly, wrap_keys
from rae_auto.offline.trial.messages import TrialFrame, TrialSection
from rae_auto.offline.trial.session import TrialView
from rae_auto.toolkit.text_cells import count_cells

NOON = datetime(2026, 10, 25, 12, tzinfo=UTC)
SECTIONS = (
    TrialSection("", ("trigger good of file lunar.py",)),
    TrialSection("next", tuple(f"Sun 2026-10-25 {hour}:00:00 CET" for hour in range(10, 20))),
    TrialSection("would fire", ("日本語 " * 30, "\x1b[31mred")),
)
VIEW = TrialView(frame=TrialFrame(clock=NOON, sections=SECTIONS), sections=SECTIONS, shown_after=0.084)


def screen(width, height, scroll=0):
    shown = TrialScreen(target="lunar.py", zone=ZoneInfo("Europe/Berlin"), width=width, height=height, scroll=scroll)
    return [line.text for line in shown.compose(VIEW, now=0.0)]


@pytest.mark.parametrize("width", [10, 40, 80, 200])
@pytest.mark.parametrize("height", [5, 24, 60])
def test_screen_has_its_size(width, height):
    lines = screen(width, height)
    assert len(lines) == height
    assert max(map(count_cells, lines)) <= width or width == 10
    assert "\x1b" not in "".join(lines)


def test_screen_of_80_columns_shows_titles_beside_their_lines():
    lines = screen(80, 30)
    assert lines[:2] == ["lunar.py  shown 84 ms after the save", "Sun 2026-10-25 13:00:00 CET"]
    assert "  next              Sun 2026-10-25 10:00:00 CET" in lines
    assert lines[-1].endswith("q quit")


def test_screen_of_40_columns_shows_titles_above_their_lines():
    lines = screen(40, 60)
    assert lines[lines.index("next") + 1] == "  Sun 2026-10-25 10:00:00 CET"


def test_scrolled_screen_shows_the_rest():
    assert any("more; j scrolls" in line for line in screen(80, 12))
    assert any("red" in line for line in screen(80, 12, scroll=1000))


def test_keys_take_as_many_lines_as_they_need():
    assert max(map(len, wrap_keys(40))) <= 40


def test_plain_lines_name_their_titles():
    assert [*describe_plainly(SECTIONS)][:2] == [
        "trigger good of file lunar.py",
        "  next: Sun 2026-10-25 10:00:00 CET",
    ]
