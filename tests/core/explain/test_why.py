"""Why: for a run, for none, and for a wait, in one line and the facts behind it."""

import asyncio
import json
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from tests.support.control_peer import in_time
from tests.support.why import HOUR, MINUTE, a_job, answer_at, facts_of, first_active_run, view_job, world

from rae_auto import Cron, Job, JobNotFound, NotStarted, RunNotFound, Scheduler
from rae_auto.api.plugin import Kind
from rae_auto.engine.events import TriggerFired
from rae_auto.engine.plan import JobOrigin
from rae_auto.explain.answer import explain_at, explain_now, explain_run
from rae_auto.explain.collector import Question, collect, explain
from rae_auto.explain.engine_source import EngineSource, explain_job
from rae_auto.model.decision import Occurrence
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.primitives.local_times import RequestedTime
from rae_auto.model.reasons import NeedFailed, Paused
from rae_auto.model.run import Result, RunState
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.registry.quarantine import MAX_FAILURES_IN_A_ROW, place_of_source
from rae_auto.simulation.virtual_engine import EPOCH


def test_why_a_run_succeeded():
    w = world(a_job())
    w.advance(HOUR)
    w.end(next(iter(w.active_starts)))
    explanation = answer_at(w, EPOCH + HOUR)
    assert "succeeded at" in explanation.answer
    assert explanation.answer.endswith("it ran because it was due")
    assert "without waiting" in facts_of(explanation)["started"]
    assert facts_of(explanation)["next"].startswith("due at")


def test_why_shows_what_a_function_returned():
    w = world(a_job(hourly=False))
    run = w.trigger("a")
    w.end(run, Result(exit_code=0, value={"rows": 3}))
    assert 'and returned {"rows": 3}; it ran because' in explain_run(w.run(run), view_job(w)).answer


def test_why_a_run_is_active():
    w = world(a_job(hourly=False))
    w.trigger("a")
    assert "has been starting since" in explain_now(view_job(w)).answer
    assert "it was triggered by hand" in explain_now(view_job(w)).answer


def test_why_names_a_silent_node():
    w = world(a_job(hourly=False))
    run = w.run(w.trigger("a"))
    silence = "nothing has been heard of that node for 93 s"
    source = EngineSource(w.engine, w.now, ZoneInfo("UTC"), describe_silence=lambda one: silence)
    explanation = explain_run(run, collect(source, "a", [run], []))
    assert explanation.answer.endswith(f"because it was triggered by hand; {silence}")
    assert f"starting; {silence}" in json.dumps(explanation.record())


def test_why_a_run_failed():
    w = world(a_job(hourly=False))
    run = w.trigger("a")
    w.fail(run, 3)
    explanation = explain_run(w.run(run), view_job(w))
    assert "failed at" in explanation.answer
    assert "exit code 3" in explanation.answer


SKIPS = {
    "overlap": ({}, lambda w: None, "of the same job had been open since"),
    "skipped_by_hand": (
        {},
        lambda w: [w.skip("a"), w.skip("a")],
        "it was skipped by hand, as requested at 2026-01-01",
    ),
    "paused for a while": (
        {},
        lambda w: w.pause("a", until=EPOCH + 72 * HOUR, note="holiday"),
        "the job was paused until 2026-01-04 00:00:00+00:00 (note: holiday)",
    ),
    "paused": ({}, lambda w: w.pause("a"), "the job was paused"),
    "disabled": ({"enabled": False}, lambda w: None, "the job or the whole configuration was disabled"),
    "need_never_ran": ({"needs": ["b"]}, lambda w: None, '"b", which it needs, had no result yet'),
    "queue_full": ({"overlap": "queue"}, lambda w: w.advance(HOUR), "another run was waiting already"),
    "ceiling": (
        {"overlap": "allow", "overlap_max": 1},
        lambda w: None,
        "1 run of the same job was open already (overlap_max)",
    ),
}


@pytest.mark.parametrize(("fields", "prepare", "words"), SKIPS.values(), ids=SKIPS)
def test_why_an_occurrence_was_skipped(fields, prepare, words):
    w = world(a_job("b", hourly=False), a_job(**fields))
    prepare(w)
    w.advance(2 * HOUR)
    explanation = answer_at(w, w.now.wall)
    assert explanation.answer.startswith("a was skipped at")
    assert words in explanation.answer


def test_why_names_the_need_that_failed():
    w = world(a_job("b", hourly=False), a_job(needs=["b"]))
    w.fail(w.trigger("b"))
    w.advance(HOUR)
    assert 'the latest run of "b", which it needs, did not succeed' in explain_now(view_job(w)).answer


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (lambda w: w.crash(down=5 * HOUR), "the daemon was down (due 4 times from"),
        (lambda w: w.sleep(5 * HOUR), "the machine slept (due 4 times from"),
        (lambda w: w.set_clock(5 * HOUR), "the clock was set forward (due 4 times from"),
    ],
)
def test_why_an_occurrence_was_missed_and_the_latest_caught_up(happens, words):
    w = world(a_job())
    w.advance(30 * MINUTE)
    happens(w)
    assert words in answer_at(w, EPOCH + 2 * HOUR).answer
    assert "it is a missed run, started late by catch_up" in answer_at(w, EPOCH + 5 * HOUR).answer


def test_why_nothing_was_due():
    w = world(a_job())
    w.advance(2 * HOUR)
    explanation = answer_at(w, EPOCH + 90 * MINUTE)
    assert "it was not due (due before at" in explanation.answer
    assert ", due after at" in explanation.answer
    assert ": it has no schedule" in answer_at(world(a_job(hourly=False)), EPOCH).answer


def test_why_of_a_deleted_record_does_not_say_that_nothing_ran():
    w = world(a_job(hourly=False))
    w.advance(HOUR)
    w.end(w.trigger("a"))
    w.advance(HOUR)
    ran_at, records = EPOCH + HOUR, view_job(w)
    assert "(run " in answer_at(w, ran_at).answer
    for at in (ran_at, EPOCH):
        pruned = explain_at(RequestedTime((at,)), evolve(records, runs=())).answer
        assert pruned.startswith("a has no record of a run at ")
        assert pruned.endswith(": it has no schedule, and records of that time may have been deleted")
    later = explain_at(RequestedTime((w.now.wall,)), evolve(records, runs=())).answer
    assert later.startswith("a did not run at "), "the job's state tells when it ran last"


def test_why_without_a_record():
    w = world(a_job())
    assert "was due at" in answer_at(w, EPOCH - HOUR).answer


WAITS = {
    "max_parallel": ({}, {"max_parallel": 1}, "the only slot is in use (max_parallel)"),
    "resource": ({"resources": ["db"]}, {"resources": {"db": 1}}, '1 of 1 unit of resource "db" is in use'),
    "need_running": ({"needs": ["b"]}, {}, '"b", which it needs, has an open run'),
}


@pytest.mark.parametrize(("fields", "settings", "words"), WAITS.values(), ids=WAITS)
def test_why_a_run_waits(fields, settings, words):
    w = world(
        a_job("b", hourly=False, resources=fields.get("resources", ())), a_job(hourly=False, **fields), **settings
    )
    w.trigger("b")
    w.trigger("a")
    explanation = explain_now(view_job(w))
    assert "has been waiting since" in explanation.answer
    assert words in explanation.answer


@pytest.mark.parametrize(("pause", "words"), [(True, "is paused"), (False, "has not run yet; it is next due at")])
def test_why_a_job_has_not_run_yet(pause, words):
    w = world(a_job())
    if pause:
        w.pause("a")
    assert words in explain_now(view_job(w)).answer
    assert "has no schedule; 'rae-auto trigger a' starts it" in explain_now(view_job(world(a_job(hourly=False)))).answer


@pytest.mark.parametrize("enabled", [True, False])
def test_why_a_job_starts_nothing_promises_no_next_run(enabled):
    w = world(a_job(enabled=enabled))
    w.end(w.trigger("a"))
    if enabled:
        w.pause("a")
    explanation = explain_now(view_job(w))
    assert [fact.subject for fact in explanation.facts] == ["latest run", *(["paused"] if enabled else [])]
    assert "succeeded at 2026-01-01 00:00:00+00:00" in facts_of(explanation)["latest run"]
    later = answer_at(w, EPOCH + HOUR)
    assert later.answer.startswith("a will not run at 2026-01-01 01:00:00+00:00: ")
    assert later.reason == explanation.reason


def test_why_names_a_source_that_is_quarantined():
    factory = PluginFactory(Registry(), "UTC")
    job = Job(id="a", command="work", schedule=[TriggerRef("file", {"paths": ["/in"]}, "t")])
    w = world(factory.plan(job, JobOrigin.STORE).plan)
    for _ in range(MAX_FAILURES_IN_A_ROW):
        factory.quarantine.failed(Kind.TRIGGER, "file", place_of_source("a", "t"), ValueError("no"))
    source = EngineSource(w.engine, w.now, ZoneInfo("UTC"), factory.trigger_problems)
    explanation = explain(source, Question("a"), [], [])
    hint = "it is tried every 1 min; correct its options and run 'rae-auto reload', or its code and restart the daemon"
    author_hint = "for its author: catch in watch what can happen in the world, and try again there"
    origin = factory.distribution(Kind.TRIGGER, "file")
    problem = f"is quarantined after 10 failures in {origin}: ValueError('no'); {hint}; {author_hint}"
    assert explanation.answer == f'a has not run yet: its trigger "t" {problem}'
    assert facts_of(explanation) == {"trigger t": problem}
    factory.quarantine.clear()
    assert "has reported nothing" in explain(source, Question("a"), [], []).answer


def test_why_names_a_source_from_its_first_failure_on():
    factory = PluginFactory(Registry(), "UTC")
    job = Job(id="a", command="work", schedule=[TriggerRef("file", {"paths": ["/in"]}, "t")])
    w = world(factory.plan(job, JobOrigin.STORE).plan)
    factory.quarantine.failed(Kind.TRIGGER, "file", place_of_source("a", "t"), ValueError("no"))
    answer = explain(EngineSource(w.engine, w.now, ZoneInfo("UTC"), factory.trigger_problems), Question("a"), [], [])
    origin = factory.distribution(Kind.TRIGGER, "file")
    assert answer.answer.startswith(
        f"a has not run yet: its trigger \"t\" failed in {origin}: ValueError('no'); 1 failure"
    )


def test_why_a_source_has_reported_nothing():
    job = a_job(hourly=False, schedule=[TriggerRef("file", {"paths": ["/in"]}, "file")])
    w = world(evolve(job, summaries=("file /in",)))
    assert explain_now(view_job(w)).answer == "a has not run yet: its trigger (file /in) has reported nothing"
    assert ": its trigger (file /in) reported nothing" in answer_at(w, EPOCH).answer


@pytest.mark.parametrize("store", ["sqlite", "json"])
def test_explain_job_reads_the_records_of_a_scheduler(tmp_path, store):
    async def work():
        jobs = [Job(name="a", shell="exit 3", schedule=Cron("0 0 1 1 *")), Job(name="b", command="true", needs=["a"])]
        async with Scheduler(directory=tmp_path, store=store, jobs=jobs) as s:
            failed = await s.wait(await s.trigger("a"))
            with pytest.raises(NotStarted):
                await s.trigger("b")
            with pytest.raises(JobNotFound):
                await explain_job(s, "c")
            with pytest.raises(RunNotFound):
                await explain_job(s, "a", run="no-such-run")
            asked = [
                explain_job(s, "a"),
                explain_job(s, "a", run=failed.id),
                explain_job(s, "a", at=failed.scheduled_for),
                explain_job(s, "b"),
            ]
            return failed, await asyncio.gather(*asked)

    failed, (now, by_run, by_time, needing) = in_time(work)
    assert failed.state is RunState.FAILED
    assert now == by_run == by_time
    assert "exit code 3" in now.answer
    assert 'the latest run of "a", which it needs, did not succeed' in needing.answer
    assert needing.reason == NeedFailed("a")


def test_facts_go_from_the_trigger_to_the_end_with_resources():
    w = world(a_job("b", hourly=False), a_job(needs=["b"], resources=["db"], overlap="queue"), resources={"db": 1})
    w.end(w.trigger("b"))
    w.advance(HOUR)
    used = Result(exit_code=0, cpu_time=timedelta(seconds=2), max_memory=3 << 20)
    w.end(first_active_run(w), used)
    explanation = explain_now(view_job(w))
    assert [fact.subject for fact in explanation.facts] == [
        *("trigger", "occurrence", "decided", "enabled", "overlap", "needs", "resources"),
        *("started", "attempt 1", "ended", "next"),
    ]
    result = facts_of(explanation)
    assert result["overlap"] == 'no other run was open (overlap = "queue")'
    assert result["needs"] == "when this run started, b had succeeded the last time it ran"
    assert result["resources"] == "db"
    assert result["attempt 1"] == "succeeded after 0 s (used 2 s of CPU time, 3 MB of memory)"


def test_facts_keep_waits_after_the_end_and_a_restart():
    w = world(a_job("b", hourly=False), a_job(hourly=False, needs=["b"]))
    w.trigger("b")
    run = w.trigger("a")
    w.advance(MINUTE)
    w.end(next(o for o in w.active_starts if w.active_starts[o].run.job == "b"))
    w.crash(alive=[run])
    w.end(run)
    assert facts_of(explain_run(w.run(run), view_job(w)))["waited"] == '"b", which it needs, had an open run'


def test_explain_refuses_a_run_of_another_job():
    w = world(a_job("b", hourly=False), a_job(hourly=False))
    run = w.trigger("b")
    with pytest.raises(RunNotFound, match='belongs to job "b", not to "a"'):
        explain(EngineSource(w.engine, w.now, ZoneInfo("UTC")), Question("a"), [], [], w.run(run))


def test_why_a_future_time():
    w = world(a_job())
    assert answer_at(w, EPOCH + HOUR).answer.endswith("will be due at 2026-01-01 01:00:00+00:00")
    assert "will not run at" in answer_at(w, EPOCH + 90 * MINUTE).answer


def test_why_a_time_before_the_job_was_added():
    w = world()
    w.advance(5 * HOUR)
    w.add(a_job())
    assert (
        "there is no record of it: the job was first loaded, or changed, after that"
        in answer_at(w, EPOCH + 3 * HOUR).answer
    )


def test_decision_causes_no_extra_wake_up():
    w = world(a_job())
    w.pause("a")
    w.advance(HOUR)
    assert explain_now(view_job(w)).reason == Paused()
    assert w.engine.next_wake(w.now) == 3600, "the next instant of its schedule, and nothing before"


def test_facts_contain_the_event_shortened():
    w = world(a_job(hourly=False))
    occurrence = Occurrence("a", "inbox", "key", w.now.wall, {"paths": ["/inbox/a"] * 200})
    w.feed(TriggerFired(occurrence))
    explanation = facts_of(explain_now(view_job(w)))
    assert explanation["event"].startswith('{"paths": ["/inbox/a", ')
    assert len(explanation["event"]) == 301


def test_why_of_a_job_with_deleted_records_has_its_last_end():
    w = world(a_job())
    w.end(w.trigger("a"))
    answer = explain_now(evolve(view_job(w), runs=())).answer
    assert answer.startswith("a last ended at ")
    assert ", and the records of its runs have been deleted; it is next due at" in answer


def test_facts_have_attempts_and_waits_in_their_order():
    w = world(a_job("b", hourly=False), a_job(hourly=False, needs=["b"], retry_policy=RetryPolicy(attempts=3)))
    w.trigger("b")
    run = w.trigger("a")
    w.advance(MINUTE)
    w.end(next(o for o in w.active_starts if w.active_starts[o].run.job == "b"))
    w.fail(run)
    subjects = [fact.subject for fact in explain_run(w.run(run), view_job(w)).facts]
    assert subjects[subjects.index("waited") :][:4] == ["waited", "started", "attempt 1", "waiting"]
    w.advance(MINUTE)
    w.fail(run)
    w.advance(MINUTE)
    w.end(run)
    subjects = [fact.subject for fact in explain_run(w.run(run), view_job(w)).facts]
    in_order = ["waited", "started", "attempt 1", "waited", "attempt 2", "waited", "attempt 3", "ended"]
    assert subjects[subjects.index("waited") :][:8] == in_order


def test_why_of_a_time_between_two_starts_is_about_one_of_them():
    w = world(a_job())
    explanation = answer_at(w, EPOCH + 70 * HOUR + 59.5 * MINUTE)
    assert explanation.answer == "a will be due at 2026-01-03 23:00:00+00:00"
    assert facts_of(explanation)["time"].startswith("the nearest occurrence is that of 2026-01-03 23:00:00")


def test_why_a_lost_run_waits_counts_from_its_loss():
    w = world(a_job(hourly=False, on_crash="rerun"))
    run = w.trigger("a")
    w.advance(MINUTE)
    w.crash(down=HOUR)
    opened = w.engine.run(run).run
    answer = explain_run(opened, view_job(w)).answer
    assert opened.state.value == "retrying"
    assert "will be repeated: " in answer
    assert "has been waiting since 2026-01-01 00:00" not in answer
