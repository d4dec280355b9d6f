"""A job that is skipped again and again has one line in the log, and one with the count later."""

from datetime import UTC, datetime, timedelta

from attrs import evolve
from tests.support.runs import make_run

from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Overlapping, Paused
from rae_auto.model.run import RunState
from rae_auto.runtime.reporting.decision_log import DecisionLog
from rae_auto.runtime.reporting.run_log import log_run

AT = datetime(2026, 11, 28, 11, 5, 10, tzinfo=UTC)


def skip(seconds, reason=None, job="a"):
    at = AT + timedelta(seconds=seconds)
    return Decision(
        job=JobId(job), trigger="t", key="k", at=at, decided_at=at, outcome=Outcome.SKIP, reason=reason or Paused()
    )


def test_series_has_its_first_line_and_its_count(log):
    decisions = DecisionLog()
    for second in range(5):
        decisions.add(skip(second))
        decisions.add(skip(second, job="b"))
    assert len(log) == 2
    decisions.end("a")
    assert "skipped 4 more times since" in log[2]
    assert "for the same reason (paused)" in log[2]
    decisions.close()
    assert len(log) == 4
    decisions.close()
    assert len(log) == 4


def test_another_reason_begins_a_new_series(log):
    decisions = DecisionLog()
    for second in range(3):
        decisions.add(skip(second))
    decisions.add(skip(3, Overlapping(RunId("R"), AT)))
    decisions.close()
    assert len(log) == 3
    assert "skipped 2 more times" in log[1]
    assert "has been open" in log[2]


def test_long_series_is_summed_up_each_hour(log):
    decisions = DecisionLog()
    for second in range(0, 8 * 3600 + 1, 5):
        decisions.add(skip(second))
    assert len(log) == 1 + 8
    assert "skipped 720 more times" in log[1]


def test_lines_of_a_run_name_it_and_its_file(log):
    event = {"count": 3, "paths": ["/in/a\n.csv", "/in/b.csv", "/in/c.csv"]}
    run = make_run(
        "import",
        run="01M8H4N3HBH5DY5AS3010G3NXZ",
        at=AT,
        trigger="inbox",
        state=RunState.STARTING,
        attempt=1,
        event=event,
    )
    log_run(run)
    log_run(evolve(run, state=RunState.SUCCEEDED, event=None))
    assert log[0].endswith(r"started (01M8H4N3HBH5, /in/a\n.csv and 2 more)")
    assert log[1].endswith("succeeded (01M8H4N3HBH5)")
