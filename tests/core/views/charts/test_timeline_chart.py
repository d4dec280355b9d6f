"""Marks of the timeline that are no bars of runs: starts that are forbidden, and ends without an attempt."""

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rae_auto.charts import TimeAxis, draw_row
from rae_auto.model.guard import Verdict
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due, GuardBlocked
from rae_auto.model.run import Run, RunState
from rae_auto.views.screens.parts.base import UpcomingStart
from rae_auto.views.screens.parts.record_source import JobsFound, JobSpan
from rae_auto.views.screens.timeline import Timeline, build_timeline

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 28, 17, 7, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def draw(**fields: Any) -> tuple[Timeline, TimeAxis, str]:
    """Return the timeline of a job with these records, its axis, and the picture of its row."""
    nothing: dict[str, Any] = {"runs": [], "skips": [], "counts": [], "earlier": [], "starts": []}
    span = JobSpan(**{**nothing, **fields}, run_count=0, skip_count=0, starts_until=NOW + 4 * HOUR)
    screen = build_timeline(
        JobsFound([{"id": "a"}], 1, 1), {"a": span}, counts=[], skips=[], bands=[], max_parallel=4,
        now=NOW, zone="Europe/Berlin", since=NOW - 4 * HOUR, until=NOW + 4 * HOUR,
    )  # fmt: skip
    axis = TimeAxis(screen.since, screen.until, BERLIN)
    return screen, axis, draw_row(screen.rows[0], axis, screen)


def test_start_that_a_guard_forbids_is_a_hollow_mark() -> None:
    starts = [
        UpcomingStart("a", NOW + HOUR, None, 'its guard "hours" says no'),
        UpcomingStart("a", NOW + 2 * HOUR, NOW + 2 * HOUR),
    ]
    screen, _, picture = draw(starts=starts)
    assert [bar.is_blocked for bar in screen.rows[0].expected] == [True, False]
    assert picture.count('class="skipped"') == picture.count('class="expected"') == 1
    assert "will be skipped (its guard" in picture


@pytest.mark.parametrize("minutes", [0, 20], ids=["at once", "after a wait"])
@pytest.mark.parametrize(
    ("state", "mark"),
    [(RunState.SKIPPED, '<circle cx="{}" cy="12" r="4" class="skipped"'), (RunState.CANCELLED, 'class="stopped"')],
)
def test_run_that_ended_without_an_attempt_has_a_mark(state: RunState, mark: str, minutes: int) -> None:
    ended = NOW - HOUR
    queued = ended - minutes * MINUTE
    reason = GuardBlocked("hours", Verdict.NO, "it is night") if state is RunState.SKIPPED else None
    run = Run(
        id=RunId("01" + "A" * 24), job=JobId("a"), trigger="cron", key="k", scheduled_for=queued, queued_at=queued,
        cause=Due(), state=state, finished_at=ended, reason=reason,
    )  # fmt: skip
    screen, axis, picture = draw(runs=[run])
    assert mark.format(axis.at(ended)) in picture
    assert picture.count('class="waiting"') == (minutes > 0)
    assert (reason is None) or 'skipped: its guard "hours" said no: it is night' in unescape(picture)
    assert screen.rows[0].bars[0].reason == (reason and reason.code)
