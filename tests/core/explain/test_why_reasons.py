"""Why, one case for each reason: it comes about by way of the engine, and `why` is asked."""

from datetime import timedelta

import pytest
from tests.support.why import HOUR, MINUTE, Hourly, a_job, answer_at, facts_of, first_active_run, view_job, world

from rae_auto import ExpectPolicy, Job, NotStarted, RetryPolicy
from rae_auto.engine.plan import Plan
from rae_auto.explain.answer import explain_at, explain_now, explain_run
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.primitives.local_times import RequestedTime
from rae_auto.model.reasons import (
    AttemptError,
    Cancelled,
    CaughtUp,
    DaemonStopping,
    Disabled,
    Due,
    FeedbackLoop,
    Fired,
    GuardBlocked,
    Killed,
    LostInCrash,
    Manual,
    MaxOverlap,
    MaxParallel,
    Missed,
    NeedFailed,
    NeedNeverRan,
    NeedRunning,
    Overlapping,
    Paused,
    QueueFull,
    QueueLimit,
    Removed,
    Repeated,
    RepeatedAfterCrash,
    Replaced,
    ResourceBusy,
    RetryDelayed,
    StartDelayed,
    TimedOut,
)
from rae_auto.model.run import Result
from rae_auto.simulation.virtual_engine import EPOCH, plan
from rae_auto.views.screens.run_page import list_phases


class Jittered(Hourly):
    jitter = timedelta(minutes=1)


def due():
    w = world(a_job())
    w.advance(HOUR)
    w.end(first_active_run(w))
    return explain_now(view_job(w))


def explain_manual_run():
    w = world(a_job(hourly=False))
    w.end(w.trigger("a"))
    return explain_now(view_job(w))


def fired():
    w = world(a_job(hourly=False))
    w.fire("a", "source", "event")
    w.end(first_active_run(w))
    return explain_now(view_job(w))


def caught_up():
    w = world(a_job())
    w.crash(down=5 * HOUR + MINUTE * 5)
    w.end(first_active_run(w))
    explanation = explain_now(view_job(w))
    assert facts_of(explanation)["missed"] == "the daemon was down"
    return explanation


def skipped_after(prepare=lambda w: None, more=(), **fields):
    w = world(*more, a_job(**fields))
    prepare(w)
    w.advance(2 * HOUR)
    return answer_at(w, w.now.wall)


def repeated():
    w = world(a_job(hourly=False))
    w.end(w.trigger("a", request="mine"))
    w.advance(MINUTE)
    w.trigger("a", request="mine")
    # What was told again is known after a restart too.
    w.crash()
    explanation = explain_now(view_job(w))
    assert (
        'because request "mine" had already been handled at 2026-01-01 00:00:00+00:00; it led to run'
        in explanation.answer
    )
    of_the_run = explain_run(w.history[0], view_job(w))
    assert "reported once more, at " in facts_of(of_the_run)["repeated"]
    assert answer_at(w, EPOCH + MINUTE) == explanation
    return explanation


def replaced():
    w = world(a_job("b", hourly=False), a_job(hourly=False, needs=["b"], overlap="replace"))
    w.trigger("b")
    first = w.trigger("a")
    w.trigger("a")
    return explain_run(w.run(first), view_job(w))


def disabled():
    return skipped_after(enabled=False)


def missed():
    w = world(a_job(catch_up="none"))
    w.crash(down=5 * HOUR + 5 * MINUTE)
    return answer_at(w, EPOCH + 3 * HOUR)


def need_failed():
    return skipped_after(lambda w: w.fail(w.trigger("b")), [a_job("b", hourly=False)], needs=["b"])


def too_many_wait():
    w = world(a_job("b", hourly=False), a_job("c", hourly=False), a_job(), max_parallel=1, max_queue=1)
    w.trigger("b")
    w.trigger("c")
    w.advance(HOUR)
    return explain_now(view_job(w))


def waits(fields, **settings):
    w = world(
        a_job("b", hourly=False, resources=fields.get("resources", ())), a_job(hourly=False, **fields), **settings
    )
    w.trigger("b")
    w.trigger("a")
    return explain_now(view_job(w))


def tried_again():
    w = world(a_job(hourly=False, retry_policy=RetryPolicy(attempts=2)))
    w.fail(w.trigger("a"))
    explanation = explain_now(view_job(w))
    w.advance(MINUTE)
    w.end(first_active_run(w))
    assert facts_of(explain_now(view_job(w)))["waited"].endswith(" before attempt 2 (retry)")
    return explanation


def delayed():
    w = world(plan(Job(id="a", command="work"), t=Jittered()))
    w.advance(HOUR)
    return explain_now(view_job(w))


def ends(result, elapsed=timedelta(0)):
    w = world(a_job(hourly=False, timeout="90s"))
    run = w.trigger("a")
    w.advance(elapsed)
    w.end(run, result)
    return explain_now(view_job(w))


def stopping():
    w = world(a_job(hourly=False))
    run = w.trigger("a")
    w.stop()
    w.end(run, Result(signal=15))
    return explain_run(w.run(run), view_job(w))


def cancelled():
    w = world(a_job("b", hourly=False), a_job(hourly=False), max_parallel=1)
    w.trigger("b")
    run = w.trigger("a")
    w.cancel(run=run)
    return explain_run(w.run(run), view_job(w))


def removed():
    w = world(a_job("b", hourly=False), a_job(hourly=False), max_parallel=1)
    w.trigger("b")
    run = w.trigger("a")
    w.remove("a")
    return explain_run(w.run(run), view_job(w))


def recovered():
    w = world(a_job(hourly=False, on_crash="rerun"))
    w.trigger("a")
    w.crash()
    return explain_now(view_job(w))


def explain_lost_run():
    w = world(a_job(hourly=False, on_crash="fail"))
    w.trigger("a")
    w.crash()
    return explain_now(view_job(w))


def kept_back():
    result = GuardResult(Verdict.NO, "on battery")
    w = world(Plan(Job(id="a", command="work", guards="power"), guards={"power": None}))
    w.answer_guard = lambda job, name: result
    w.fire("a", "file", "key")
    return explain_now(view_job(w))


def feeds_itself():
    w = world(a_job(hourly=False))
    for number in range(22):
        w.fire("a", "file", f"key-{number}", feedback_key="")
        for run in list(w.active_starts):
            w.end(run)
        w.advance(timedelta(seconds=1))
    return explain_now(view_job(w))


CASES = {
    Due: (due, "it ran because it was due"),
    Manual: (explain_manual_run, "it ran because it was triggered by hand"),
    Fired: (fired, "it ran because its trigger fired"),
    CaughtUp: (caught_up, "it is a missed run, started late by catch_up"),
    Overlapping: (skipped_after, "of the same job had been open since"),
    QueueFull: (lambda: skipped_after(lambda w: w.advance(HOUR), overlap="queue"), "another run was waiting already"),
    QueueLimit: (too_many_wait, "1 run was waiting already, counting all jobs (max_queue)"),
    MaxOverlap: (lambda: skipped_after(overlap="allow", overlap_max=1), "1 run of the same job was open already"),
    Repeated: (repeated, "did not run again"),
    Replaced: (replaced, "a newer occurrence took its place"),
    Paused: (lambda: skipped_after(lambda w: w.pause("a")), "the job was paused"),
    Disabled: (disabled, "the job or the whole configuration was disabled"),
    Missed: (missed, "the daemon was down (due"),
    GuardBlocked: (kept_back, 'its guard "power" says no: on battery'),
    FeedbackLoop: (feeds_itself, "check whether the job changes what its trigger watches"),
    NeedFailed: (need_failed, 'the latest run of "b", which it needs, did not succeed'),
    NeedNeverRan: (
        lambda: skipped_after(more=[a_job("b", hourly=False)], needs=["b"]),
        '"b", which it needs, had no result yet',
    ),
    NeedRunning: (lambda: waits({"needs": ["b"]}), '"b", which it needs, has an open run'),
    MaxParallel: (lambda: waits({}, max_parallel=1), "the only slot is in use (max_parallel)"),
    ResourceBusy: (
        lambda: waits({"resources": ["db"]}, resources={"db": 1}),
        '1 of 1 unit of resource "db"',
    ),
    RetryDelayed: (
        tried_again,
        " will be retried: attempt 1 of 2 failed (exit code 1); attempt 2 starts at 2026-01-01 00:00:",
    ),
    StartDelayed: (delayed, " at the earliest (jitter, or the distance between missed runs)"),
    DaemonStopping: (stopping, "was interrupted at"),
    Cancelled: (cancelled, " was cancelled at 2026-01-01 00:00:00+00:00: a person or a program requested it"),
    Removed: (removed, "its job was removed"),
    RepeatedAfterCrash: (recovered, "its attempt was lost in a crash and is repeated"),
    TimedOut: (
        lambda: ends(Result(signal=15), 2 * MINUTE),
        ': it was still running after 1 min 30 s (timeout = "1m30s")',
    ),
    Killed: (lambda: ends(Result(signal=9)), ": killed by SIGKILL (signal 9)"),
    AttemptError: (lambda: ends(Result(exit_code=1, error="boom")), ": exit code 1, boom"),
    LostInCrash: (explain_lost_run, "what became of its attempt could not be found out after a crash"),
}


@pytest.mark.parametrize("reason", CASES)
def test_every_reason_has_its_code_and_text(reason):
    comes_about, words = CASES[reason]
    explanation = comes_about()
    assert isinstance(explanation.reason, reason)
    assert words in explanation.answer
    assert "\n" not in explanation.answer


def test_why_a_run_timed_out_gives_the_exit_code_last():
    explanation = ends(Result(exit_code=143), 2 * MINUTE)
    assert explanation.answer.endswith(': it was still running after 1 min 30 s (timeout = "1m30s"), exit code 143')
    assert explanation.record()["reason"] == "timeout"
    assert facts_of(explanation)["attempt 1"] == "timed out after 2 min: exit code 143"


@pytest.mark.parametrize(
    ("result", "end"),
    [
        (Result(exit_code=7), "failed (exit code 7)"),
        (Result(signal=9), "failed (killed by SIGKILL)"),
        (Result(exit_code=1, error="boom"), "failed (exit code 1, boom)"),
    ],
)
def test_why_of_a_retry_says_how_the_attempt_ended(result, end):
    w = world(a_job(hourly=False, retry_policy=RetryPolicy(attempts=3, delay="10s", jitter=0)))
    w.end(w.trigger("a"), result)
    answer = explain_now(view_job(w, zone="Europe/Berlin")).answer
    assert answer.endswith(f"attempt 1 of 3 {end}; attempt 2 starts at 2026-01-01 01:00:10+01:00")


def test_why_of_a_wait_for_a_guard_says_when_it_is_given_up():
    result = GuardResult(Verdict.NO, "on battery")
    w = world(Plan(Job(id="a", command="work", guards="power", guard_timeout="2h"), guards={"power": None}))
    w.answer_guard = lambda job, name: result
    w.fire("a", "file", "key")
    words = "; it is skipped if that lasts until 2026-01-01 02:00:00+00:00 (guard_timeout)"
    assert explain_now(view_job(w)).answer.endswith(words)


@pytest.mark.parametrize("code", ["overlap", "missed"])
def test_instants_in_reasons_are_in_the_zone_of_the_answer(code):
    w = world(a_job(**({"catch_up": "none"} if code == "missed" else {})))
    w.advance(HOUR)
    if code == "missed":
        w.crash(down=5 * HOUR + 5 * MINUTE)
    w.advance(HOUR)
    at = EPOCH + (2 * HOUR if code == "overlap" else 3 * HOUR)
    explanation = explain_at(RequestedTime((at,)), view_job(w, zone="Asia/Tokyo"))
    assert explanation.reason.code == code
    said = " ".join([explanation.answer, *(fact.text for fact in explanation.facts if fact.subject != "event")])
    assert "+09:00" in explanation.answer
    assert "+00:00" not in said


@pytest.mark.parametrize("ends", ["cancel", "fail", "end"])
def test_why_explains_the_end_of_a_run_rather_than_an_older_skip(ends):
    w = world(a_job(hourly=False, overlap="queue"))
    runs = [w.trigger("a"), w.trigger("a")]
    w.advance(timedelta(seconds=1))
    with pytest.raises(NotStarted):
        w.trigger("a")
    w.advance(MINUTE)
    if ends == "cancel":
        w.cancel(job="a")
        w.end(runs[0], Result(signal=15))
    else:
        for run in runs:
            getattr(w, ends)(run)
    explanation = explain_now(view_job(w))
    assert explanation.run in runs
    assert isinstance(explanation.reason, Cancelled if ends == "cancel" else Manual)
    assert "a was skipped at 2026-01-01 00:00:01+00:00: another run was waiting" in facts_of(explanation)["meanwhile"]
    w.advance(MINUTE)
    w.pause("a")
    w.resume("a")
    assert explain_now(view_job(w)) == explanation


def test_timeout_after_an_adoption_names_the_timeout_it_started_under():
    w = world(a_job(hourly=False, timeout="90s"))
    run = w.trigger("a")
    w.crash(down=MINUTE, alive={run})
    w.advance(MINUTE)
    w.end(run, Result(signal=15))
    assert ': it was still running after 1 min 30 s (timeout = "1m30s")' in explain_now(view_job(w)).answer


def test_skip_facts_list_the_checks_before_it():
    explanation = skipped_after(more=[a_job("b", hourly=False)], needs=["b"])
    of_policies = [
        (f.subject, f.text) for f in explanation.facts if f.subject in ("enabled", "paused", "overlap", "needs")
    ]
    assert of_policies[:3] == [("enabled", "yes"), ("paused", "no"), ("overlap", "no other run was open")]
    assert of_policies[3][0] == "needs"


def test_why_says_by_when_a_success_is_expected_and_that_it_is_overdue():
    w = world(a_job(hourly=False, expect=ExpectPolicy(every="1d", grace="1h")))
    assert facts_of(explain_now(view_job(w)))["expected"] == "to succeed by 2026-01-02 01:00:00+00:00 (expect)"
    w.advance(26 * HOUR)
    assert facts_of(explain_now(view_job(w)))["overdue"] == (
        "no run has succeeded since 2026-01-01 00:00:00+00:00, and one was expected by 2026-01-02 01:00:00+00:00 "
        '(expect.every = "1d", grace "1h")'
    )
    w.pause("a")
    assert facts_of(explain_now(view_job(w)))["expected"] == "nothing, while the job is paused"


def test_why_says_that_a_run_takes_longer_than_expected():
    w = world(a_job(hourly=False, expect=ExpectPolicy(max_runtime="2h")))
    run = w.trigger("a")
    w.advance(3 * HOUR)
    text = 'for longer than expected, since 2026-01-01 02:00:00+00:00 (expect.max_runtime = "2h")'
    assert facts_of(explain_now(view_job(w)))["too long"] == text
    w.end(run)
    assert facts_of(explain_now(view_job(w)))["too long"] == text


def test_wait_for_a_slot_after_the_delay_of_a_retry_is_no_part_of_it():
    """The delay of 4 s is over while another run has the only slot, for 19 s more."""
    retry = RetryPolicy(attempts=2, delay="4s", jitter=0)
    w = world(a_job("b", hourly=False), a_job(hourly=False, retry_policy=retry), max_parallel=1)
    run = w.trigger("a")
    w.advance(timedelta(seconds=2))
    w.fail(run)
    other = w.trigger("b")
    w.advance(timedelta(seconds=23))
    assert "has been waiting for attempt 2 since" in explain_now(view_job(w)).answer
    w.end(other)
    going_on = [fact.text for fact in explain_now(view_job(w)).facts if fact.subject == "waited"]
    w.end(run)
    facts = [(fact.subject, fact.text) for fact in explain_run(w.run(run), view_job(w)).facts]
    assert (
        going_on
        == [text for subject, text in facts if subject == "waited"]
        == ["4 s before attempt 2 (retry), then 19 s: all slots were in use (max_parallel)"]
    )
    assert next(text for subject, text in facts if subject == "started").endswith("without waiting")
    waits = [phase for phase in list_phases(w.run(run), str) if phase.kind in ("retry_delay", "waiting")]
    assert [(phase.kind, phase.until - phase.since) for phase in waits] == [
        ("retry_delay", timedelta(seconds=4)),
        ("waiting", timedelta(seconds=19)),
    ]
