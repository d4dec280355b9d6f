"""Runs are found by the start of their ids, wherever an id is taken."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import given

from rae_auto.errors import BadRequest, RunNotFound
from rae_auto.model.decision import MANUAL, Occurrence, queue_time_of, run_id_of
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons import Due
from rae_auto.model.run import Run
from rae_auto.records.runs import choose_run, query_for_id
from rae_auto.testing.harness.strategies import instants

NOW = datetime(2026, 11, 28, 11, 6, 0, 123456, tzinfo=UTC)


def run_at(at: datetime, key: str = "k") -> Run:
    occurrence = Occurrence(JobId("job"), MANUAL, key, at)
    identity = run_id_of(occurrence, Moment(at, 0.0, 0.0))
    return Run(id=identity, job=JobId("job"), trigger=MANUAL, key=key, scheduled_for=at, queued_at=at, cause=Due())


@pytest.mark.parametrize("length", range(6, 27))
def test_query_finds_the_run_of_every_prefix(length):
    run = run_at(NOW)
    query = query_for_id(run.id[:length])
    assert query.matches(run.id, run.job, run.state, run.queued_at)
    assert choose_run(run.id[:length].lower(), [run]) is run


def test_query_of_a_long_prefix_excludes_other_times():
    query = query_for_id(run_at(NOW).id[:10])
    other = run_at(NOW + timedelta(milliseconds=2))
    assert not query.matches(other.id, other.job, other.state, other.queued_at)


@pytest.mark.parametrize("text", ["backup", "01", "", "01M8H4U", "9ZZZZZZZZZ", "x" * 200])
def test_other_texts_are_whole_ids(text):
    assert query_for_id(text).key == text


def test_farthest_time_is_no_error():
    assert query_for_id("7ZZZZZZZZZ").since is not None


def test_several_runs_are_named():
    first, second = run_at(NOW), run_at(NOW, "other")
    with pytest.raises(BadRequest, match=f"may be {first.id}, {second.id}; write more of the id"):
        choose_run(first.id[:10], [first, second])
    assert choose_run(first.id, [first, second]) is first
    with pytest.raises(RunNotFound, match="'rae-auto history' lists them"):
        choose_run(first.id[:10], [])
    assert evolve(first) == first


@given(instants)
def test_id_has_the_time_of_queueing(at):
    assert timedelta(0) <= at - queue_time_of(run_at(at).id) < timedelta(milliseconds=1)
