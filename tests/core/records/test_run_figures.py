"""Tests of the figures of runs: those that the values of the same documents have."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from rae_auto.model import documents
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import CaughtUp, Due
from rae_auto.model.reasons.causes import MissedCause
from rae_auto.model.run import Attempt, ClockStep, Result, Run, RunState
from rae_auto.records.run_figures import read_figures

DUE = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_run(state: RunState = RunState.SUCCEEDED, **changes) -> Run:
    results = Result(cpu_time=SECOND, max_memory=9), Result(cpu_time=2 * SECOND, max_memory=5), None
    attempts = [
        Attempt(number, DUE + number * SECOND, DUE + (number + 1) * SECOND, RunState.FAILED, result)
        for number, result in enumerate(results, 1)
    ]
    run = Run(
        id=RunId("r"),
        job=JobId("a"),
        trigger="cron",
        key="k",
        scheduled_for=DUE,
        queued_at=DUE,
        cause=Due(),
        state=state,
        started_at=DUE + 3 * SECOND,
        finished_at=DUE + 10 * SECOND,
        attempts=tuple(attempts),
    )
    return evolve(run, **changes)


def figures_of(run: Run):
    return read_figures(documents.dump(run))


def test_figures_are_those_of_the_run():
    found = figures_of(run := a_run(clock_steps=(ClockStep(1, 2.0),)))
    assert found is not None
    assert (found.queued_at, found.state) == (run.queued_at, "succeeded")
    assert run.duration == 5 * SECOND
    assert (found.duration, found.lateness, found.cpu_time, found.memory) == (5.0, 3.0, 3.0, 9.0)


def test_figures_are_none_where_nothing_is_known():
    found = figures_of(a_run(RunState.LOST, attempts=(), started_at=None))
    assert found is not None
    assert (found.duration, found.lateness, found.cpu_time, found.memory) == (None, None, None, None)


def test_a_run_that_was_caught_up_has_no_lateness():
    found = figures_of(a_run(cause=CaughtUp(next(iter(MissedCause)))))
    assert found is not None
    assert found.lateness is None
    early = figures_of(a_run(started_at=DUE - SECOND))
    assert early is not None
    assert early.lateness == 0.0


@pytest.mark.parametrize(
    "body",
    [
        documents.dump(a_run(RunState.RUNNING, finished_at=None)),
        documents.dump(a_run(RunState.SKIPPED)),
        {},
        {"state": 5},
    ],
)
def test_other_documents_have_no_figures(body):
    assert read_figures(body) is None
