"""Log lines about decisions: the words and the clock that the other lines have."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from loguru import logger
from tests.support.runs import make_run

from rae_auto.engine.effects import Record, Save, Start, Step
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.job import Job
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.policies import NotifyOn
from rae_auto.model.reasons import Overlapping
from rae_auto.model.run import AttemptTerms, RunState, Stopping
from rae_auto.runtime import silence_library
from rae_auto.runtime.reporting.announcements import announce
from rae_auto.runtime.reporting.decision_log import DecisionLog
from rae_auto.runtime.reporting.event_stream import EventStream
from rae_auto.runtime.reporting.run_log import log_decision, log_failed_delivery

AT = datetime(2026, 11, 28, 11, 5, 10, tzinfo=UTC)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message).strip()), format="{level} {message}")
    logger.enable("rae_auto")
    yield lines
    silence_library()
    logger.remove(sink)
    monkeypatch.undo()
    time.tzset()


def test_skip_is_logged_under_its_word_and_in_local_time(log):
    reason = Overlapping("R", AT)
    log_decision(Decision(job="a", trigger="t", key="k", at=AT, decided_at=AT, outcome=Outcome.SKIP, reason=reason))
    assert log == ["INFO skipped: run R of the same job has been open since 2026-11-28 12:05:10 (overlap)"]


def test_failed_delivery_is_logged_the_first_time_and_the_last(log):
    first = OutboxNotice(
        id="x", notifier="ops", kind=NotifyOn.FAILURE, job="a", at=AT, decided_at=AT, text="a failed", tries=1
    )
    first = evolve(first, error="no network", next_try_at=AT)
    log_failed_delivery(first, 0)
    log_failed_delivery(evolve(first, tries=33, next_try_at=None, given_up_at=AT), 4)
    assert log == [
        'ERROR notifier "ops" failed: no network; not delivered yet, next try at 12:05:10: a failed',
        'ERROR notifier "ops" failed 33 times: no network; not delivered, and not tried again: a failed (and 4 more)',
    ]


def test_run_is_logged_as_started_once_for_each_attempt(log):
    """A run that is starting is saved again: to be cancelled, or after a restart; its executor may take that long."""
    starting = make_run(state=RunState.STARTING, attempt=1, terms=AttemptTerms(timeout=timedelta(milliseconds=1)))
    ending = evolve(starting, stopping=Stopping(RunState.TIMED_OUT))
    steps = [
        Step([Save(starting), Save(ending)], [Start(starting, Job(id="a", command="true"))]),
        Step([Save(ending)]),
        Step([Save(evolve(ending, adopted_at=AT))]),
        Step([Record(evolve(starting, state=RunState.TIMED_OUT, finished_at=AT))]),
    ]
    for step in steps:
        announce(step, EventStream(), DecisionLog())
    assert [line.split(" (")[0] for line in log] == ["INFO started", "ERROR timed out"]
