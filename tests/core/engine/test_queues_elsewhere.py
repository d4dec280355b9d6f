"""An attempt in a queue elsewhere, as that of a cluster: it waits, and its time counts from its true start."""

from datetime import timedelta

from rae_auto.engine.effects import QueueLeft
from rae_auto.engine.events import AttemptDequeued, AttemptFound
from rae_auto.model.expectations import ExpectPolicy
from rae_auto.model.policies import NotifyOn, NotifyPolicy
from rae_auto.model.reasons import InQueue, Unconfirmed
from rae_auto.model.records import run_record
from rae_auto.model.run import QueuePlace, Result, RunState

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
PLACE = QueuePlace("tcp://10.0.0.5:8786", "a worker with label gpu")


def hand_over(w, id="a"):
    """Start a run whose attempt is put into a queue elsewhere."""
    run = w.trigger(id)
    w.confirm(run, queue=PLACE)
    return run


def end(w, run, result):
    w.end(run, result)
    (ended,) = w.history
    return ended


def test_an_attempt_in_a_queue_elsewhere_waits(world, job):
    w = world(job("a"))
    run = hand_over(w)
    since = w.now.wall
    w.advance(MINUTE)
    stored = next(iter(w.stored(type(w.engine.run(run).run))))
    assert stored.is_waiting and stored.state is RunState.STARTING
    assert w.engine.waiting_for(run) == stored.reason == InQueue(PLACE.queue, PLACE.wanted, since)
    record = run_record(stored)
    assert (record["started_at"], record["reason"]) == (None, "in_queue")
    assert record["reason_text"] == (
        f"it has been in the queue of tcp://10.0.0.5:8786 since {since.isoformat(timespec='seconds')}, "
        "for a worker with label gpu"
    )


def test_a_run_starts_when_its_attempt_leaves_the_queue(world, job):
    w = world(job("a"))
    run = hand_over(w)
    since = w.now.wall
    w.advance(5 * MINUTE)
    w.dequeue(run, ago=2 * SECOND)
    started_at = w.now.wall - 2 * SECOND
    going = w.engine.run(run).run
    assert (going.state, going.started_at, going.reason) == (RunState.RUNNING, started_at, None)
    w.advance(8 * SECOND)
    ended = end(w, run, Result(exit_code=0))
    assert ended.duration == 10 * SECOND, "the time in the queue counts"
    assert ended.attempts[0].started_at == started_at
    assert ended.waited_for == (InQueue(PLACE.queue, PLACE.wanted, since),)


def test_a_start_lies_between_hand_over_and_report_whatever_clocks_say(world, job):
    w = world(job("a"), job("b"))
    early, late = hand_over(w), hand_over(w, "b")
    since = w.now.wall
    w.advance(MINUTE)
    w.dequeue(early, ago=DAY)
    w.dequeue(late, ago=-DAY)
    assert (w.engine.run(early).run.started_at, w.engine.run(late).run.started_at) == (since, w.now.wall)


def test_an_attempt_taken_while_the_daemon_was_down_counts_from_then(world, job):
    """The daemon dies between the claim of a worker and the record of it."""
    w = world(job("a", timeout="10m"))
    run = hand_over(w)
    w.advance(DAY)
    w.crash(alive=[run], down=4 * MINUTE)
    assert w.engine.run(run).run.is_waiting, "not known yet"
    w.dequeue(run, ago=3 * MINUTE)
    assert w.engine.run(run).run.started_at == w.now.wall - 3 * MINUTE
    w.advance(6 * MINUTE)
    assert w.engine.run(run).stopping is None, "the time in the queue counts"
    w.advance(2 * MINUTE)
    assert w.engine.run(run).stopping.state is RunState.TIMED_OUT


def test_what_took_an_attempt_out_of_its_queue_is_published(world, job):
    w = world(job("a"))
    run = hand_over(w)
    reason = w.engine.run(run).run.reason
    published = []
    w.on_effect = published.append
    w.advance(MINUTE)
    w.feed(AttemptDequeued(run, 1, 2 * SECOND, "worker gpu-1"))
    (left,) = [effect for effect in published if isinstance(effect, QueueLeft)]
    assert (left.run.id, left.reason, left.waited, left.taken_by) == (run, reason, 58 * SECOND, "worker gpu-1")


def test_a_start_that_is_not_confirmed_is_not_running(world, job):
    """Its machine doesn't answer: no timeout counts, nothing takes its place, also after a crash of the daemon."""
    w = world(job("a", timeout="10m"))
    run, since = w.trigger("a"), w.now.wall
    w.confirm(run, queue=QueuePlace("nas", "an answer", may_have_started=True))
    w.advance(DAY)
    w.crash(alive=[run], down=MINUTE)
    entry = w.engine.run(run)
    assert (entry.run.state, entry.run.reason) == (RunState.STARTING, Unconfirmed("nas", "an answer", since))
    assert (entry.stopping, len(w.started)) == (None, 1)
    assert run_record(entry.run)["reason"] == "unconfirmed"
    w.dequeue(run, ago=MINUTE)
    assert (w.engine.run(run).run.state, w.engine.run(run).run.started_at) == (RunState.RUNNING, w.now.wall - MINUTE)


def test_an_attempt_still_in_its_queue_goes_on_waiting_after_a_crash(world, job):
    w = world(job("a", timeout="10m", expect=ExpectPolicy(max_runtime="5m")))
    run = hand_over(w)
    reason = w.engine.run(run).run.reason
    w.crash(alive=[run], down=DAY)
    w.advance(DAY)
    entry = w.engine.run(run)
    assert (entry.run.reason, entry.stopping, entry.run.overran_at) == (reason, None, None)


def test_an_attempt_that_ran_while_the_daemon_was_down_has_its_true_times(world, job):
    w = world(job("a"))
    run = hand_over(w)
    w.advance(MINUTE)
    begin, end = w.now.wall + 10 * SECOND, w.now.wall + 40 * SECOND
    w.crash(ended={run: Result(exit_code=0, started_at=begin, ended_at=end)}, down=MINUTE)
    (ended,) = w.history
    assert (ended.started_at, ended.finished_at, ended.duration) == (begin, end, 30 * SECOND)
    assert ended.attempts[0].result == Result(exit_code=0)


def test_what_a_queue_gives_back_again_and_again_is_not_lost(world, job):
    w = world(job("a", on_crash="fail"))
    run = hand_over(w)
    for number in range(1, 6):
        w.advance(MINUTE)
        w.feed(AttemptFound(run, number, started=False))
        w.confirm(run, queue=PLACE)
    entry = w.engine.run(run)
    assert (entry.run.attempt, entry.run.state) == (6, RunState.STARTING)
    assert {attempt.result.error for attempt in entry.run.attempts} == {"its queue gave it back before it started"}


def test_a_run_cancelled_in_its_queue_never_started(world, job):
    w = world(job("a"))
    run = hand_over(w)
    w.advance(MINUTE)
    w.cancel(run=run)
    ended = end(w, run, Result(error="no worker had taken it yet"))
    assert (ended.state, ended.started_at, ended.duration) == (RunState.CANCELLED, None, None)
    assert ended.duration_of(ended.attempts[0]) == timedelta(0)


def test_the_start_is_reported_when_the_attempt_leaves_its_queue(world, job):
    w = world(job("a", notify=NotifyPolicy(on=[NotifyOn.START], via=["ops"])))
    run = hand_over(w)
    w.advance(MINUTE)
    assert not w.notices
    w.dequeue(run)
    assert [notice.kind for notice in w.notices] == [NotifyOn.START]
