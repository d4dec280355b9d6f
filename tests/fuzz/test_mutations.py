"""Defects planted in the engine: the trials find each of them, so that their silence means something."""

from datetime import timedelta

import pytest
from attrs import evolve
from tests.fuzz.fuzz_run import FuzzRun

from rae_auto.engine import engine as engine_module
from rae_auto.engine import jobs, lifecycle, time_passing
from rae_auto.engine.effects import Step
from rae_auto.engine.events import AttemptEnded, AttemptFound, GuardsRead
from rae_auto.engine.runs import admission, attempts, dependencies, dispatch, guards, loop_detection, progress, retry
from rae_auto.engine.state import EngineState
from rae_auto.engine.time import cursors, timetable
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.job_state import JobState, Seen
from rae_auto.model.run import RunState

# What is planted here is no line of ours, and counting makes the trials take twice as long.
pytestmark = pytest.mark.no_cover

SEEDS = range(60)


def a_retry_frees_the_place_twice(patch):
    original = attempts._try_again

    def mutant(world, opened, *rest):
        world.active -= 1
        original(world, opened, *rest)

    patch.setattr(attempts, "_try_again", mutant)


def a_key_that_was_decided_is_forgotten(patch):
    def mutant(world, occurrence, decision, step):
        return Seen(occurrence.job, occurrence.trigger, occurrence.key, occurrence.at, decision.run)

    patch.setattr(admission, "remember", mutant)


def a_job_may_feed_itself_for_ever(patch):
    patch.setattr(loop_detection, "too_often", lambda *_: None)


def the_place_that_was_kept_stays_taken(patch):
    patch.setattr(EngineState, "let_place_go", lambda self, run: None)


def the_queue_is_not_drained_after_a_failure(patch):
    original = dispatch.start_what_may

    def mutant(world, now, step):
        if not any(getattr(change.value, "state", None) is RunState.FAILED for change in step.changes):
            original(world, now, step)

    patch.setattr(dispatch, "start_what_may", mutant)


def catch_up_drops_one(patch):
    original = timetable.occurrences

    def mutant(schedule, first, now):
        found = original(schedule, first, now)
        return evolve(found, instants=found.instants[1:]) if len(found.instants) > 2 else found

    patch.setattr(timetable, "occurrences", mutant)


def a_cursor_is_not_saved(patch):
    original = Step.save

    def mutant(self, value):
        if not (isinstance(value, JobState) and value.last_run is None and value.cursors):
            original(self, value)

    patch.setattr(Step, "save", mutant)


def a_guard_that_can_not_tell_is_taken_for_yes(patch):
    patch.setattr(GuardResult, "allows", property(lambda self: self.verdict is not Verdict.NO))


def what_a_guard_said_counts_for_ever(patch):
    patch.setattr(guards, "FRESH", timedelta(days=1))


def a_run_that_a_guard_keeps_back_is_forgotten(patch):
    original = guards.read

    def mutant(world, event, now, step):
        if all(result.allows for result in event.said.values()):
            original(world, event, now, step)

    patch.setattr(engine_module, "_HANDLERS", {**engine_module._HANDLERS, GuardsRead: mutant})


def skip_lets_a_second_one_in(patch):
    patch.setattr(admission, "_overlap", lambda *_: None)


def a_resource_is_never_taken(patch):
    patch.setattr(EngineState, "take_place", lambda world, _: setattr(world, "active", world.active + 1))
    patch.setattr(EngineState, "give_place", lambda world, _: setattr(world, "active", world.active - 1))


def a_need_that_failed_is_overlooked(patch):
    patch.setattr(dependencies, "unmet", lambda *_: None)


def a_paused_job_starts_what_waited(patch):
    original = dispatch._held

    def mutant(world, opened):
        held = original(world, opened)
        return None if held is not None and held[1] == "paused" else held

    patch.setattr(dispatch, "_held", mutant)


def a_lost_attempt_stays_open(patch):
    original = engine_module._HANDLERS[AttemptFound]

    def mutant(world, event, now, step):
        if event.handle is not None:
            original(world, event, now, step)

    patch.setitem(engine_module._HANDLERS, AttemptFound, mutant)


def the_queue_is_upside_down(patch):
    patch.setattr(progress, "rank", lambda priority, queued_at: -queued_at.timestamp())


def a_clock_that_is_set_back_repeats(patch):
    patch.setattr(cursors, "set_back", lambda cursor, now: evolve(cursor, at=min(cursor.at, now), since=now, others=()))


def a_cancelled_run_is_tried_again(patch):
    original = retry.tried_again
    patch.setattr(
        retry,
        "tried_again",
        lambda policy, run, end, result: end is RunState.CANCELLED or original(policy, run, end, result),
    )


def an_end_is_heard_twice(patch):
    original = engine_module._HANDLERS[AttemptEnded]

    def mutant(world, event, now, step):
        opened = world.attempt(event.run, event.attempt)
        original(world, event, now, step)
        if opened is not None and opened.run.id not in world.runs:
            step.record(evolve(opened.run, state=RunState.FAILED, finished_at=now.wall))

    patch.setitem(engine_module._HANDLERS, AttemptEnded, mutant)


def a_restart_forgets_open_runs(patch):
    patch.setattr(lifecycle, "_reopen", lambda *_: None)


def a_changed_schedule_keeps_its_old_place(patch):
    patch.setattr(jobs.cursors, "begin", lambda *_: None)


def what_is_skipped_is_not_on_record(patch):
    patch.setattr(time_passing, "_skip", lambda *_: None)


MUTANTS = [
    a_guard_that_can_not_tell_is_taken_for_yes,
    what_a_guard_said_counts_for_ever,
    a_job_may_feed_itself_for_ever,
    the_place_that_was_kept_stays_taken,
    a_run_that_a_guard_keeps_back_is_forgotten,
    a_retry_frees_the_place_twice,
    the_queue_is_not_drained_after_a_failure,
    catch_up_drops_one,
    a_cursor_is_not_saved,
    skip_lets_a_second_one_in,
    a_resource_is_never_taken,
    a_need_that_failed_is_overlooked,
    a_paused_job_starts_what_waited,
    a_lost_attempt_stays_open,
    the_queue_is_upside_down,
    a_clock_that_is_set_back_repeats,
    a_cancelled_run_is_tried_again,
    an_end_is_heard_twice,
    a_restart_forgets_open_runs,
    a_changed_schedule_keeps_its_old_place,
    what_is_skipped_is_not_on_record,
    a_key_that_was_decided_is_forgotten,
]


@pytest.mark.parametrize("plant", MUTANTS, ids=lambda plant: plant.__name__)
def test_the_trials_find(plant, monkeypatch):
    plant(monkeypatch)
    found = next((failure for seed in SEEDS if (failure := FuzzRun(seed).play()) is not None), None)
    assert found is not None, "the planted defect was not found"
    assert "python -m tests.fuzz" in str(found)
