"""The lines of the lower pane of `rae-auto top`."""

import pytest

from rae_plugins.commands.top.frame import lower_height


@pytest.mark.parametrize(
    ("height", "attention", "jobs", "lines"),
    [
        (50, 0, 7, 37),  # few jobs: the pane has what they don't need
        (34, 4, 7, 17),
        (34, 4, 10_000, 9),  # many: it has its nine lines, and they have the rest
        (20, 4, 7, 7),  # low: three jobs are seen, and nothing is cut off
        (12, 5, 7, 1),
    ],
)
def test_lower_pane_has_the_lines_that_jobs_leave(height: int, attention: int, jobs: int, lines: int) -> None:
    assert lower_height(height, attention, jobs) == lines
