"""A day leads with what failed and what was skipped, each with its run or its decision."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due, NeedFailed, Paused
from rae_auto.model.run import Run, RunState
from rae_auto.views.screens.parts.base import local_times
from rae_auto.views.screens.parts.day_troubles import MAX_FAILURES, MAX_SKIP_ROWS, DayTroubles, build_day_troubles
from rae_auto.views.screens.parts.record_source import DigestRecords, SkipGroup

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def group(job: str, newest: Decision | Run, count: int = 1, reason: str = "paused") -> SkipGroup:
    return SkipGroup(
        job=job,
        reason=reason,
        count=count,
        examined=count,
        starts=count,
        has_more_starts=False,
        last_at=NOW,
        newest=newest,
    )


def skip(job: str) -> Decision:
    return Decision(JobId(job), "cron", "k", NOW, Outcome.SKIP, Paused(), NOW)


def run(state: RunState, reason: object = None) -> Run:
    return Run(
        id=RunId("R" * 26), job=JobId("a"), trigger="cron", key="k", scheduled_for=NOW, queued_at=NOW, cause=Due(),
        state=state, reason=reason,  # type: ignore[arg-type]
    )  # fmt: skip


def build(
    failures: Sequence[Run] = (), skips: Sequence[SkipGroup] = (), failed: int = 0, skipped: int = 0, *,
    is_future: bool = False,
) -> DayTroubles:  # fmt: skip
    records = DigestRecords(
        counts=[], skip_counts=[], failures=[(one, False) for one in failures], skips=skips, examined_skips=0,
        durations=[], examined_jobs=0, all_jobs=0,
    )  # fmt: skip
    return build_day_troubles(records, failed, skipped, local_times("UTC", NOW), is_future=is_future)


def test_skips_of_one_reason_are_one_row_the_most_frequent_first() -> None:
    found = build(skips=[group("b", skip("b")), group("a", skip("a"), 3)], skipped=4)
    rows = [(row.job, row.reason, row.count, row.last_at, row.run_id) for row in found.skips]
    assert rows == [("a", "paused", 3, NOW, None), ("b", "paused", 1, NOW, None)]
    assert found.skips[0].text == "the job was paused"
    assert found.skips_extent.is_complete


def test_runs_lead_to_themselves() -> None:
    waited = group("a", run(RunState.SKIPPED, NeedFailed(JobId("b"))), reason="need_failed")
    found = build([run(RunState.TIMED_OUT)], [waited], failed=1, skipped=1)
    assert [(one.job, one.state, one.run_id) for one in found.failures] == [("a", "timed_out", "R" * 26)]
    assert [(one.reason, one.run_id) for one in found.skips] == [("need_failed", "R" * 26)]


def test_number_of_records_that_are_not_shown_is_said() -> None:
    skips = [group(f"j{number}", skip("a"), 2) for number in range(MAX_SKIP_ROWS + 5)]
    found = build([run(RunState.FAILED)] * 30, skips, failed=90, skipped=700)
    assert (found.failures_extent.shown, found.failures_extent.total) == (MAX_FAILURES, 90)
    assert (found.skips_extent.shown, found.skips_extent.total) == (2 * MAX_SKIP_ROWS, 700)


@pytest.mark.parametrize(
    ("failed", "skipped", "text"),
    [
        (0, 0, "Nothing failed, and nothing was skipped"),
        (0, 1, "Nothing failed, 1 skip"),
        (1, 0, "1 run failed, nothing was skipped"),
        (2, 12, "2 runs failed, 12 skips"),
    ],
)
def test_first_sentence_says_what_failed_and_was_skipped(failed: int, skipped: int, text: str) -> None:
    assert build(failed=failed, skipped=skipped).text == text


def test_day_to_come_has_no_sentence() -> None:
    assert build(is_future=True).text == ""
