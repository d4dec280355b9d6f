"""Defects planted in the engine: the fuzzer finds each of them, so that its silence means something."""

from datetime import timedelta

import pytest
from attrs import evolve
from tests.fuzz.fuzz_run import FuzzRun

from rae_auto.engine import due_instants, jobs, lifecycle
from rae_auto.engine import engine as engine_module
from rae_auto.engine import state as state_module
from rae_auto.engine.effects import Step
from rae_auto.engine.events import AttemptEnded, AttemptFound, GuardsRead
from rae_auto.engine.notices import deliveries, reports
from rae_auto.engine.runs import admission, attempts, dependencies, dispatch, guards, loop_detection, retry
from rae_auto.engine.state import AskingGuards, EngineState
from rae_auto.engine.time import cursors
from rae_auto.engine.time.pause_ends import PauseEnds
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.job_state import JobState
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.reasons import Paused
from rae_auto.model.run import RunState
from rae_auto.simulation import virtual_engine

# Planted code is no line of the engine, and counting lines makes the fuzzer take twice as long.
pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do

SEEDS = range(60)


def a_retry_frees_its_slot_twice(patch):
    original = attempts._repeat

    def mutant(turn, *rest):
        turn.state.active -= 1
        original(turn, *rest)

    patch.setattr(attempts, "_repeat", mutant)


def a_key_that_was_decided_is_forgotten(patch):
    patch.setattr(admission, "remember", lambda *_: None)


def a_job_may_feed_itself_for_ever(patch):
    patch.setattr(loop_detection, "find_feedback_loop", lambda *_: None)


def a_reserved_slot_is_never_freed(patch):
    original = EngineState._count

    def mutant(self, entry, by):
        if not (by < 0 and isinstance(entry.activity, AskingGuards)):
            original(self, entry, by)

    patch.setattr(EngineState, "_count", mutant)


def the_queue_is_not_drained_after_a_failure(patch):
    original = dispatch.dispatch

    def mutant(turn):
        if not any(getattr(change.value, "state", None) is RunState.FAILED for change in turn.step.changes):
            original(turn)

    patch.setattr(dispatch, "dispatch", mutant)


def catch_up_drops_an_instant(patch):
    original = due_instants.find_due_instants

    def mutant(schedule, first, now):
        span = original(schedule, first, now)
        return evolve(span, instants=span.instants[1:]) if len(span.instants) > 2 else span

    patch.setattr(due_instants, "find_due_instants", mutant)


def a_cursor_is_not_saved(patch):
    original = Step.save

    def mutant(self, value):
        if not (isinstance(value, JobState) and value.last_run is None and value.cursors):
            original(self, value)

    patch.setattr(Step, "save", mutant)


def an_unknown_guard_counts_as_yes(patch):
    patch.setattr(GuardResult, "allows", property(lambda self: self.verdict is not Verdict.NO))


def a_guard_reading_counts_for_ever(patch):
    patch.setattr(guards, "MAX_READING_AGE", timedelta(days=1))


def a_run_that_a_guard_blocks_is_forgotten(patch):
    original = guards.guards_read

    def mutant(turn, event):
        if all(result.allows for result in event.results.values()):
            original(turn, event)

    patch.setitem(engine_module._HANDLERS, GuardsRead, mutant)


def skip_admits_a_second_run(patch):
    patch.setattr(admission, "_find_overlap", lambda *_: None)


def a_resource_is_never_used(patch):
    original = EngineState._count

    def mutant(self, entry, by):
        original(self, entry, by)
        self.resources_in_use.clear()

    patch.setattr(EngineState, "_count", mutant)


def a_failed_need_is_ignored(patch):
    patch.setattr(dependencies, "find_unmet_need", lambda *_: None)


def a_paused_job_starts_waiting_runs(patch):
    original = dispatch.find_obstacle

    def mutant(state, entry):
        obstacle = original(state, entry)
        return None if obstacle is not None and isinstance(obstacle[0], Paused) else obstacle

    patch.setattr(dispatch, "find_obstacle", mutant)


def a_pause_with_an_end_does_not_end(patch):
    patch.setattr(PauseEnds, "next_at", lambda _: None)


def a_start_that_is_skipped_by_hand_happens(patch):
    patch.setattr(JobState, "find_off_by_hand", JobState.find_pause)


def a_lost_attempt_stays_open(patch):
    original = engine_module._HANDLERS[AttemptFound]

    def mutant(turn, event):
        if event.handle is not None:
            original(turn, event)

    patch.setitem(engine_module._HANDLERS, AttemptFound, mutant)


def the_queue_is_upside_down(patch):
    patch.setattr(state_module, "queue_rank", lambda priority, queued_mono: -queued_mono)


def a_clock_that_is_set_back_repeats_instants(patch):
    patch.setattr(cursors, "set_back", lambda cursor, now: evolve(cursor, at=min(cursor.at, now), since=now, others=()))


def a_reservation_outlives_its_run(patch):
    patch.setattr(EngineState, "_leave_resource_line", lambda *_: None)


def a_cancelled_run_is_repeated(patch):
    original = retry.should_retry
    patch.setattr(
        retry,
        "should_retry",
        lambda policy, run, end, result: end is RunState.CANCELLED or original(policy, run, end, result),
    )


def a_stop_is_forgotten_in_a_crash(patch):
    original = lifecycle.restored

    def mutant(turn, event):
        original(turn, evolve(event, runs=tuple(evolve(run, stopping=None) for run in event.runs)))
        for run in event.runs:
            if run.id in turn.state.runs:
                turn.step.save(turn.state.runs[run.id].run)

    patch.setattr(lifecycle, "restored", mutant)


def a_stop_is_not_carried_out_again(patch):
    patch.setattr(attempts, "request_cancel", lambda *_: None)


def a_run_ends_twice(patch):
    original = engine_module._HANDLERS[AttemptEnded]

    def mutant(turn, event):
        entry = turn.state.active_attempt(event.run, event.attempt)
        original(turn, event)
        if entry is not None and entry.run.id not in turn.state.runs:
            turn.step.record(evolve(entry.run, state=RunState.FAILED, finished_at=turn.now.wall))

    patch.setitem(engine_module._HANDLERS, AttemptEnded, mutant)


def a_restart_forgets_open_runs(patch):
    patch.setattr(lifecycle, "_reopen", lambda *_: None)


def a_changed_schedule_keeps_its_cursor(patch):
    patch.setattr(jobs, "set_cursors", lambda *_: None)


def a_missed_instant_is_not_on_record(patch):
    patch.setattr(due_instants, "_give_up", lambda *_: None)


def a_store_that_went_back_repeats_open_runs(patch):
    patch.setattr(virtual_engine, "mark_uncertain", lambda run, *_: run)


def a_store_that_went_back_repeats_instants(patch):
    original = lifecycle.restored
    patch.setattr(lifecycle, "restored", lambda turn, event: original(turn, evolve(event, is_reverted=False)))


def a_job_with_a_damaged_document_goes_on(patch):
    original = lifecycle.restored

    def mutant(turn, event):
        states = tuple(evolve(state, paused=False) for state in event.states)
        original(turn, evolve(event, states=states))

    patch.setattr(lifecycle, "restored", mutant)


def a_notice_is_not_saved(patch):
    original = Step.save
    patch.setattr(Step, "save", lambda step, value: isinstance(value, OutboxNotice) or original(step, value))


def a_restart_forgets_notices(patch):
    patch.setattr(lifecycle, "restore_notices", lambda *_: None)


def a_delivered_notice_is_delivered_again(patch):
    patch.setattr(deliveries, "_forget", lambda turn, notice: deliveries._await_delivery(turn, notice))


def an_end_is_not_reported_after_three_others(patch):
    original = reports.choose_kinds

    def mutant(policy, counts, state, **rest):
        return () if counts.failures == 3 else original(policy, counts, state, **rest)

    patch.setattr(reports, "choose_kinds", mutant)


MUTANTS = [
    a_notice_is_not_saved,
    a_restart_forgets_notices,
    a_delivered_notice_is_delivered_again,
    an_end_is_not_reported_after_three_others,
    a_store_that_went_back_repeats_open_runs,
    a_store_that_went_back_repeats_instants,
    a_job_with_a_damaged_document_goes_on,
    a_retry_frees_its_slot_twice,
    a_reservation_outlives_its_run,
    a_key_that_was_decided_is_forgotten,
    a_job_may_feed_itself_for_ever,
    a_reserved_slot_is_never_freed,
    the_queue_is_not_drained_after_a_failure,
    catch_up_drops_an_instant,
    a_cursor_is_not_saved,
    an_unknown_guard_counts_as_yes,
    a_guard_reading_counts_for_ever,
    a_run_that_a_guard_blocks_is_forgotten,
    skip_admits_a_second_run,
    a_resource_is_never_used,
    a_failed_need_is_ignored,
    a_paused_job_starts_waiting_runs,
    a_pause_with_an_end_does_not_end,
    a_start_that_is_skipped_by_hand_happens,
    a_lost_attempt_stays_open,
    the_queue_is_upside_down,
    a_clock_that_is_set_back_repeats_instants,
    a_cancelled_run_is_repeated,
    a_stop_is_forgotten_in_a_crash,
    a_stop_is_not_carried_out_again,
    a_run_ends_twice,
    a_restart_forgets_open_runs,
    a_changed_schedule_keeps_its_cursor,
    a_missed_instant_is_not_on_record,
]


@pytest.mark.parametrize("plant", MUTANTS, ids=lambda plant: plant.__name__)
def test_fuzzer_finds(plant, monkeypatch):
    plant(monkeypatch)
    failure = next((failure for seed in SEEDS if (failure := FuzzRun(seed).play()) is not None), None)
    assert failure is not None, "the fuzzer did not find the planted defect"
    assert "python -m tests.fuzz" in str(failure)
