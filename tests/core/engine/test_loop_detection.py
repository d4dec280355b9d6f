"""A job that makes its own trigger fire doesn't go on for ever; what only comes often does."""

from datetime import timedelta

from rae_auto.engine.effects import Reply
from rae_auto.engine.events import TriggerFired
from rae_auto.engine.runs import loop_detection
from rae_auto.model.decision import Occurrence
from rae_auto.model.reasons import FeedbackLoop, Fired


def ran(w):
    return sum(decision.run is not None for decision in w.decisions)


def loop(w, times, *, feedback_key="", pause=timedelta(seconds=1)):
    """Each run makes the trigger fire once more, until one is refused."""
    for number in range(times):
        w.fire("a", "file", f"key-{number}", feedback_key=feedback_key)
        w.advance(pause)
        for run in list(w.active_starts):
            w.end(run)


def test_feedback_loop_is_skipped_with_a_reason(world, job):
    w = world(job("a"))
    loop(w, loop_detection.MAX_REPEATS + 5)
    assert ran(w) == loop_detection.MAX_REPEATS + 1
    last = w.decisions[-1]
    assert last.reason == FeedbackLoop(loop_detection.MAX_REPEATS, loop_detection.REPEAT_WINDOW)


def test_feedback_loop_repeated_after_a_crash_has_the_same_reason(world, job):
    """The source may not have noted yet that it has to offer it again later."""
    w = world(job("a"))
    loop(w, loop_detection.MAX_REPEATS + 2)
    last = w.decisions[-1]
    w.crash()
    step = w.feed(TriggerFired(Occurrence(last.job, last.trigger, last.key, w.now.wall), 99, ""))
    (reply,) = [effect.value for effect in step.effects if isinstance(effect, Reply)]
    assert isinstance(reply["reason"], FeedbackLoop)
    assert isinstance(last.reason, FeedbackLoop)


def test_occurrence_after_a_pause_runs_again(world, job):
    w = world(job("a"))
    loop(w, loop_detection.MAX_REPEATS + 5)
    w.advance(timedelta(minutes=1))
    w.fire("a", "file", "later", feedback_key="")
    assert isinstance(w.decisions[-1].reason, Fired)


def test_frequent_occurrences_apart_from_runs_always_run(world, job):
    w = world(job("a"))
    for number in range(3 * loop_detection.MAX_REPEATS):
        w.fire("a", "file", f"key-{number}", feedback_key="")
        for run in list(w.active_starts):
            w.end(run)
        w.advance(loop_detection.MAX_GAP + timedelta(milliseconds=1))
    assert ran(w) == 3 * loop_detection.MAX_REPEATS


def test_occurrence_without_feedback_key_always_runs(world, job):
    w = world(job("a"))
    loop(w, 3 * loop_detection.MAX_REPEATS, feedback_key=None)
    assert ran(w) == 3 * loop_detection.MAX_REPEATS


def test_feedback_keys_are_counted_apart(world, job):
    w = world(job("a", overlap="allow", overlap_max=1000), max_parallel=1000)
    for number in range(100):
        w.fire("a", "file", f"key-{number}", feedback_key=f"/inbox/{number}")
    assert ran(w) == 100


def test_feedback_chain_with_new_keys_is_stopped(world, job):
    w = world(job("a"))
    for number in range(loop_detection.MAX_CHAIN_LENGTH + 2):
        w.fire("a", "file", f"key-{number}", feedback_key=f"/inbox/{number}")
        w.advance(timedelta(seconds=10))
        for run in list(w.active_starts):
            w.end(run)
        w.advance(timedelta(seconds=1))
    assert ran(w) == loop_detection.MAX_CHAIN_LENGTH + 1
    within = timedelta(minutes=18, seconds=31)
    assert w.decisions[-1].reason == FeedbackLoop(loop_detection.MAX_CHAIN_LENGTH, within)


def test_feedback_chain_of_a_slow_job_is_stopped(world, job):
    w = world(job("a"))
    loop(w, loop_detection.MAX_CHAIN_LENGTH + 2, pause=timedelta(seconds=30))
    assert ran(w) == loop_detection.MAX_CHAIN_LENGTH + 1
    assert isinstance(w.decisions[-1].reason, FeedbackLoop)


def test_simultaneous_occurrences_are_no_feedback_chain(world, job):
    w = world(job("a", overlap="allow", overlap_max=1000), max_parallel=1)
    for number in range(5 * loop_detection.MAX_CHAIN_LENGTH):
        w.fire("a", "file", f"key-{number}", feedback_key=f"/inbox/{number}")
    for _ in range(5 * loop_detection.MAX_CHAIN_LENGTH):
        w.advance(timedelta(seconds=1))
        for run in list(w.active_starts):
            w.end(run)
    assert ran(w) == 5 * loop_detection.MAX_CHAIN_LENGTH


def test_latest_feedback_keys_are_remembered(world, job, monkeypatch):
    monkeypatch.setattr(loop_detection, "MAX_FEEDBACK_KEYS", 3)
    w = world(job("a", overlap="allow", overlap_max=1000), max_parallel=1000)
    for number in range(10):
        w.fire("a", "file", f"key-{number}", feedback_key=f"/inbox/{number}")
    assert [feedback_key for _, _, feedback_key in w.engine._state.feedback_times] == [
        "/inbox/7",
        "/inbox/8",
        "/inbox/9",
    ]
