"""Documents: values come back from them as they were, and some facts are read without making values."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.model import documents
from rae_auto.model.job_state import SeenOccurrence
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons import CaughtUp, FeedbackLoop
from rae_auto.model.run import Run
from rae_auto.testing.harness import strategies

STORED = {
    "run": strategies.runs,
    "state": strategies.job_states,
    "seen": strategies.seen,
    "notice": strategies.outbox_notices,
    "downtime": strategies.downtimes,
    "decision": strategies.decisions,
}


@pytest.mark.parametrize("kind", STORED)
@given(st.data())
@settings(max_examples=50)
def test_stored_value_comes_back_as_it_was(kind: str, data: st.DataObject) -> None:
    value = data.draw(STORED[kind])
    dumped = documents.dump(value)
    assert documents.load(type(value), json.loads(json.dumps(dumped))) == value
    # Those of open runs are read without being stored.
    assert documents.load(type(value), dumped) == value


def test_refusal_that_was_written_without_its_code_is_read() -> None:
    refused = FeedbackLoop(20, timedelta(minutes=1))
    seen = SeenOccurrence(JobId("a"), "file", "key", datetime(2026, 1, 1, tzinfo=UTC), None, refused=refused)
    document = dict(documents.dump(seen))
    assert document["refused"] == {"code": "feedback_loop", "times": 20, "within": "1m"}
    document["refused"] = {"times": 20, "within": "1m"}
    assert documents.load(SeenOccurrence, document) == seen


@given(strategies.runs)
def test_times_in_a_document_are_those_of_the_run(run: Run) -> None:
    duration, lateness = documents.times_of(documents.dump(run))
    expected = None if run.duration is None else run.duration.total_seconds()
    assert duration == documents.duration_of(documents.dump(run)) == pytest.approx(expected, abs=1e-5)
    late = None if run.started_at is None else max(run.started_at - run.scheduled_for, timedelta(0)).total_seconds()
    assert lateness == (None if isinstance(run.cause, CaughtUp) else late)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"started_at": "2026-01-01T00:00:00+00:00", "finished_at": "soon"},
        {"started_at": 3, "finished_at": 4},
        {"started_at": "2026-01-01T00:00:00", "finished_at": "2026-01-01T00:00:00"},
        {"started_at": "2026-01-01T00:00:00+00:00", "finished_at": "2026-01-01T00:00:00+00:00", "clock_steps": [{}]},
    ],
)
def test_document_of_another_program_has_no_times(document: dict[str, Any]) -> None:
    assert documents.duration_of(document) is None
    whole = {"scheduled_for": "2026-01-01T00:00:00+00:00", "cause": "due", "state": "succeeded", **document}
    assert documents.times_of(whole) == (None, None)
