"""Why: each reason that there is for a run, for none, and for a wait, in one line."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.control_peer import in_time

from rae_auto import Cron, Job, JobNotFound, NotStarted, RunNotFound, Scheduler
from rae_auto.daemon.inquiry import why
from rae_auto.daemon.why import Standing, why_at, why_now, why_run
from rae_auto.engine.events import Settings
from rae_auto.model.reasons import Reason
from rae_auto.model.run import RunState
from rae_auto.simulation.world import EPOCH, VirtualWorld, plan

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Hourly:
    jitter = timedelta(0)

    def next_after(self, instant):
        return datetime.fromtimestamp((int(instant.timestamp()) // 3600 + 1) * 3600, UTC)


def world(*plans, **settings):
    return VirtualWorld(*plans, settings=Settings(**settings))


def a_job(name="a", *, hourly=True, **fields):
    return plan(Job(id=name, command="work", **fields), **({"t": Hourly()} if hourly else {}))


def standing(w, name="a"):
    entry = w.engine.job(name)
    opened = [o.run for o in w.engine.runs(name)]
    runs = sorted([*(r for r in w.history if r.job == name), *opened], key=lambda run: run.queued_at, reverse=True)
    return Standing(
        job=name,
        enabled=entry.job.enabled and w.settings.enabled,
        paused=entry.state.paused,
        next_at=w.engine.next_at(name),
        runs=runs,
        decisions=[d for d in reversed(w.decisions) if d.job == name and d.run is None],
        waiting={run.id: (w.engine.waiting_for(run.id, w.now) or ("", ""))[1] for run in opened},
    )


def answer_at(w, at, name="a"):
    return why_at(at, standing(w, name), *w.engine.due_around(name, at))


def test_it_ran_since_it_was_due():
    w = world(a_job())
    w.advance(HOUR)
    w.end(next(iter(w.in_hand)))
    told = answer_at(w, EPOCH + HOUR)
    assert "succeeded at" in told.answer
    assert told.answer.endswith("it ran since it was due")
    assert any("after 0.0 s of waiting" in fact for fact in told.facts)
    assert any("due next at" in fact for fact in told.facts)


def test_it_runs():
    w = world(a_job(hourly=False))
    w.trigger("a")
    assert "is starting since" in why_now(standing(w)).answer
    assert "somebody asked for it" in why_now(standing(w)).answer


def test_it_failed():
    w = world(a_job(hourly=False))
    run = w.trigger("a")
    w.fail(run, 3)
    told = why_run(w.run(run), standing(w))
    assert "failed at" in told.answer
    assert "exit code 3" in told.answer


SKIPS = {
    "overlap": ({}, lambda w: None, "isn't over, since"),
    "paused": ({}, lambda w: w.pause("a"), "the job is paused; 'rae-auto resume' lets it go on"),
    "disabled": ({"enabled": False}, lambda w: None, "nothing starts by itself while disabled"),
    "need_never_ran": ({"needs": ["b"]}, lambda w: None, "b, which it needs, has never run"),
    "queue_full": ({"overlap": "queue"}, lambda w: w.advance(HOUR), "one is waiting already"),
    "ceiling": ({"overlap": "allow", "overlap_max": 1}, lambda w: None, "1 runs are open already (overlap_max)"),
}


@pytest.mark.parametrize(("fields", "prepare", "words"), SKIPS.values(), ids=SKIPS)
def test_it_did_not_run(fields, prepare, words):
    w = world(a_job("b", hourly=False), a_job(**fields))
    prepare(w)
    w.advance(2 * HOUR)
    told = answer_at(w, w.now.wall)
    assert told.answer.startswith("a did not run at")
    assert words in told.answer


def test_it_was_skipped_since_a_need_failed():
    w = world(a_job("b", hourly=False), a_job(needs=["b"]))
    w.fail(w.trigger("b"))
    w.advance(HOUR)
    assert "the latest run of b, which it needs, did not succeed" in why_now(standing(w)).answer


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (lambda w: w.crash(down=5 * HOUR), "the daemon was down from"),
        (lambda w: w.sleep(5 * HOUR), "the machine slept from"),
        (lambda w: w.set_clock(5 * HOUR), "the clock was set forward from"),
    ],
)
def test_it_was_missed_and_the_latest_made_up_for(happens, words):
    w = world(a_job())
    w.advance(30 * MINUTE)
    happens(w)
    assert words in answer_at(w, EPOCH + 2 * HOUR).answer
    assert "it was missed, and is made up for (catch_up)" in answer_at(w, EPOCH + 5 * HOUR).answer


def test_it_was_not_due():
    w = world(a_job())
    w.advance(HOUR)
    told = answer_at(w, EPOCH + 90 * MINUTE)
    assert "it was not due (due before that" in told.answer
    assert "after that" in told.answer
    assert "it was not due, and has no schedule" in answer_at(world(a_job(hourly=False)), EPOCH).answer


def test_nothing_is_on_record_any_more():
    w = world(a_job())
    assert "was due at" in answer_at(w, EPOCH - HOUR).answer


WAITS = {
    "max_parallel": ({}, {"max_parallel": 1}, "all 1 places are taken (max_parallel)"),
    "resource": ({"uses": ["db"]}, {"resources": {"db": 1}}, "all 1 of resource db are in use"),
    "need_running": ({"needs": ["b"]}, {}, "needs b, which has an open run"),
}


@pytest.mark.parametrize(("fields", "settings", "words"), WAITS.values(), ids=WAITS)
def test_it_waits(fields, settings, words):
    w = world(a_job("b", hourly=False, uses=fields.get("uses", ())), a_job(hourly=False, **fields), **settings)
    w.trigger("b")
    w.trigger("a")
    told = why_now(standing(w))
    assert "waits since" in told.answer
    assert words in told.answer


@pytest.mark.parametrize(("pause", "words"), [(True, "is paused"), (False, "has not run yet; it is due next at")])
def test_it_has_done_nothing_yet(pause, words):
    w = world(a_job())
    if pause:
        w.pause("a")
    assert words in why_now(standing(w)).answer
    assert "has no schedule: 'rae-auto trigger' starts it" in why_now(standing(world(a_job(hourly=False)))).answer


@pytest.mark.parametrize("store", ["sqlite", "json"])
def test_a_scheduler_answers_from_what_is_on_record(tmp_path, store):
    async def work():
        jobs = [Job(name="a", shell="exit 3", schedule=Cron("0 0 1 1 *")), Job(name="b", command="true", needs=["a"])]
        async with Scheduler(directory=tmp_path, store=store, jobs=jobs) as s:
            failed = await s.wait(await s.trigger("a"))
            with pytest.raises(NotStarted):
                await s.trigger("b")
            with pytest.raises(JobNotFound):
                await why(s, "c")
            with pytest.raises(RunNotFound):
                await why(s, "a", run="no-such-run")
            asked = [why(s, "a"), why(s, "a", run=failed.id), why(s, "a", at=failed.scheduled_for), why(s, "b")]
            return failed, await asyncio.gather(*asked)

    failed, (now, by_run, by_time, needing) = in_time(work)
    assert failed.state is RunState.FAILED
    assert now == by_run == by_time
    assert "exit code 3" in now.answer
    assert "the latest run of a, which it needs, did not succeed" in needing.answer
    assert f"({Reason.NEED_FAILED})" in needing.facts[0]
