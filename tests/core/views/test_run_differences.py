"""Differences of a run from the last good one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due
from rae_auto.model.run import Attempt, Result, Run, RunState
from rae_auto.views.screens.run_page import find_differences

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def a_run(minutes: float = 1, memory: int = 1 << 20, state: RunState = RunState.SUCCEEDED, **fields: Any) -> Run:
    end = NOON + MINUTE * minutes
    result = Result(exit_code=fields.get("exit_code", 0), max_memory=memory)
    return Run(
        id=RunId("A" * 26), job=JobId("a"), trigger="cron", key="k", scheduled_for=NOON, queued_at=NOON, cause=Due(),
        state=state, started_at=NOON, attempt_started_at=NOON, finished_at=end, attempt=1,
        attempts=(Attempt(1, NOON, end, state, result),), **fields,
    )  # fmt: skip


def differences(run: Run, good: Run) -> dict[str, tuple[str, str]]:
    return {one.subject: (one.then, one.now) for one in find_differences(run, good)}


def test_runs_that_are_alike_do_not_differ() -> None:
    assert differences(a_run(1.1, memory=(1 << 20) + 9), a_run()) == {}


def test_end_duration_memory_and_trigger_are_compared() -> None:
    bad = evolve(a_run(7, memory=1 << 30, state=RunState.FAILED, exit_code=3), trigger="manual")
    assert differences(bad, evolve(a_run(), exit_code=0)) == {
        "end": ("succeeded", "failed"),
        "exit code": ("0", "3"),
        "duration": ("1 min", "7 min"),
        "memory": ("1 MB", "1 GB"),
        "trigger": ("cron", "manual"),
    }
