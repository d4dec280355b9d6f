"""Lost attempts: when they were last known to be alive, and that no duration is claimed for them anywhere."""

from datetime import timedelta

import pytest
from attrs import evolve
from tests.support.runs import NOON, make_run

from rae_auto.api.events import end_of
from rae_auto.engine.events import AttemptFound
from rae_auto.model import documents
from rae_auto.model.job_state import RunTotal
from rae_auto.model.reasons.base import time_text
from rae_auto.model.records import run_record
from rae_auto.model.run import Run, RunState
from rae_auto.records.run_figures import read_figures
from rae_auto.records.statistics import read_facts, summarize
from rae_auto.views.screens.run_page import list_phases
from rae_auto.views.screens.timeline import bar_of, count_active

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def lost_after(world, job, *, on_crash="fail", **crash):
    """A run whose daemon was there for 3 minutes, and its world after a restart two days later."""
    w = world(job("a", on_crash=on_crash))
    run = w.trigger("a")
    w.confirm(run)
    w.advance(3 * MINUTE)
    w.crash(down=2 * DAY, **crash)
    return w, w.run(run)


def test_lost_attempt_was_alive_while_its_daemon_was(world, job):
    w, run = lost_after(world, job)
    (attempt,) = run.attempts
    assert attempt.seen_until == attempt.started_at + 3 * MINUTE
    assert (attempt.finished_at, run.finished_at) == (w.now.wall, w.now.wall)
    assert run.known_until == attempt.seen_until


@pytest.mark.parametrize("set_by", [-10 * DAY, 10 * DAY])
def test_last_sign_of_life_lies_between_start_and_end(world, job, set_by):
    _, run = lost_after(world, job, clock_set_by=set_by)
    (attempt,) = run.attempts
    assert attempt.started_at <= attempt.known_until
    assert attempt.known_until <= max(attempt.finished_at, attempt.started_at)


def test_attempt_that_this_daemon_has_watched_was_alive_until_now(world, job):
    w = world(job("a", on_crash="fail"))
    run = w.trigger("a")
    w.confirm(run)
    w.crash(alive=[run], down=DAY)
    w.advance(5 * MINUTE)
    w.feed(AttemptFound(run, 1))
    assert w.run(run).attempts[0].seen_until == w.now.wall
    assert w.run(run).describe_reason(time_text).endswith("(on_crash = fail)")


def test_attempt_on_a_node_was_alive_at_its_start_at_least(world, job):
    """That this daemon, or the one before it, was there says nothing of a node elsewhere."""
    w = world(job("a", on_crash="fail"), node="nas-1")
    run = w.trigger("a")
    w.confirm(run)
    w.advance(5 * MINUTE)
    w.feed(AttemptFound(run, 1))
    (attempt,) = w.run(run).attempts
    assert attempt.seen_until == attempt.started_at


def test_silence_of_another_node_counts_from_its_last_word(world, job):
    w = world(job("a", on_crash="fail"))
    run = w.trigger("a")
    w.confirm(run)
    w.advance(5 * MINUTE)
    w.feed(AttemptFound(run, 1, silent=MINUTE))
    assert w.run(run).attempts[0].seen_until == w.now.wall - MINUTE


def test_run_with_a_lost_attempt_has_no_duration(world, job):
    w, repeated = lost_after(world, job, on_crash="rerun")
    w.advance(MINUTE)
    w.end(repeated.id)
    ended = w.run(repeated.id)
    assert (ended.state, len(ended.attempts)) == (RunState.SUCCEEDED, 2)
    assert [ended.duration_of(attempt) is None for attempt in ended.attempts] == [True, False]
    _, lost = lost_after(world, job)
    _, old = lost_after(world, job)
    old = evolve(old, attempts=tuple(evolve(one, seen_until=None) for one in old.attempts))
    good = make_run(state=RunState.SUCCEEDED, started_at=NOON, finished_at=NOON + MINUTE)
    for run in (ended, lost, old):
        body = documents.dump(run)
        assert documents.load(Run, body) == run
        record = run_record(run)
        assert (run.duration, documents.duration_of(body), record["duration"]) == (None, None, None)
        assert read_figures(body).duration is None
        assert end_of(run).data["seconds"] is None
        facts = [read_facts(body), read_facts(documents.dump(good))]
        assert summarize(facts, {}).duration.p99 == MINUTE.total_seconds()
        assert RunTotal().add(run).add(good) == RunTotal(2, 60.0, run.attempt, good.finished_at, untimed=1)


def test_bar_of_a_lost_attempt_ends_where_it_was_last_seen(world, job):
    w, run = lost_after(world, job)
    bar = bar_of(run, w.now.wall, time_text)
    (attempt,) = bar.attempts
    assert bar.ended_at == attempt.ended_at == run.attempts[0].seen_until
    assert attempt.unknown_until == w.now.wall
    begin, end = run.started_at, w.now.wall
    assert list(count_active([bar], begin, end, end))[-1].at == attempt.ended_at


def test_life_of_a_lost_run_says_between_which_instants_it_ended(world, job):
    _, run = lost_after(world, job)
    phases = [(one.kind, one.since, one.until) for one in list_phases(run, time_text)]
    (attempt,) = run.attempts
    assert ("attempt", attempt.started_at, attempt.seen_until) in phases
    assert ("unknown", attempt.seen_until, attempt.finished_at) in phases
    between = f"at an unknown time between {time_text(attempt.seen_until)} and {time_text(attempt.finished_at)}"
    assert between in run.describe_reason(time_text)
    assert between in run_record(run)["reason_text"]
