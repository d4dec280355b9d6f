"""The life of the engine: restored at the start, runs cancelled by request, brought to a stop."""

from collections.abc import Sequence

from attrs import evolve

from rae_auto.engine.commands import CancelRuns, Stop
from rae_auto.engine.effects import EngineStopped
from rae_auto.engine.events import Restored
from rae_auto.engine.jobs import set_cursors
from rae_auto.engine.notices.deliveries import restore_notices
from rae_auto.engine.notices.downtimes import restore_downtime
from rae_auto.engine.runs import expectations
from rae_auto.engine.runs.attempts import set_timeout, terms_of
from rae_auto.engine.runs.ending import finish, interrupt_runs, must_wait_for, stop_run
from rae_auto.engine.runs.waiting import wait
from rae_auto.engine.state import Active, JobEntry, Queued, RunEntry
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.time.timetable import Member, ScheduleGroup
from rae_auto.engine.turn import Turn
from rae_auto.errors import RunNotFound
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.policies import OnCrash
from rae_auto.model.primitives.clock_jumps import CLOCK_JUMP_THRESHOLD, clock_step, time_slept
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.reasons import Cancelled, Removed, StoreReverted
from rae_auto.model.run import Run, RunState

START_SECONDS = 2.0
"""Time that starts which are under way get to become runs that a stop can leave to the next daemon."""


def restored(turn: Turn, event: Restored) -> None:
    """Take in the contents of configuration and store.

    What fell due meanwhile is due at the next `TimePassed`: before that come the fates of active attempts.
    """
    state = turn.state
    state.settings = event.settings
    states = {job_state.job: job_state for job_state in event.states}
    for plan in event.plans:
        known = states.pop(job := plan.job.id, None)
        state.jobs[job] = JobEntry(plan, known or JobState(job), state.undo_log)
    for orphan in states.values():
        turn.step.discard(orphan)
    for seen in sorted(event.seen, key=lambda seen: seen.at):
        state.remember(seen)
    # Started runs come first, whatever the clock did meanwhile: of a job's runs the oldest goes on.
    for run in sorted(event.runs, key=lambda run: (not run.attempt, run.queued_at, run.id)):
        _reopen(turn, run)
    # In the first part: each later one may leave a record that is newer than the downtime.
    restore_downtime(turn, event.downtime, event.last_downtime)
    _restore_jobs(turn)
    restore_notices(turn, event.notices)
    state.restored_at = turn.now.wall
    state.daemon_seen_until = None if event.downtime is None else event.downtime.since
    state.is_restarted = True
    state.is_reverted = event.is_reverted


def _restore_jobs(turn: Turn) -> None:
    """Let all jobs be due by their schedules from where their cursors are, and go on with pauses and expectations."""
    state, step = turn.state, turn.step
    members: dict[ScheduleGroup, list[Member]] = {}
    alike: dict[tuple[int, int], list[tuple[str, list[Member]]]] = {}
    for job_id, entry in state.jobs.items():
        plan, job_state = entry.plan, entry.state
        if job_state.paused_until is not None:
            state.pause_ends.set(job_id, job_state.paused_until)
        # Jobs that are alike share both, which stay as they are as long as the event does.
        pair = (id(plan.schedules), id(cursors := job_state.cursors))
        places = alike.get(pair)
        if places is None:
            set_cursors(turn, entry)
            places = [
                (trigger, members.setdefault(state.timetable.group_for(schedule, entry.state.cursors[trigger].at), []))
                for trigger, schedule in entry.schedules().items()
            ]
            if entry.state.cursors is cursors and not plan.run_points:
                alike[pair] = places
        for trigger, others in places:
            others.append((job_id, trigger))
        if job_state.expectation is not None or plan.job.expect.every is not None:
            expectations.restore_expectation(turn, entry)
        if step.changes:
            # What is first written of a job may be durable before that of the next one.
            step.keep()
    step.keep()
    for group, joining in members.items():
        state.timetable.join_group(group, joining)


def _reopen(turn: Turn, run: Run) -> None:
    job_entry = turn.state.jobs.get(run.job)
    job = job_entry.job if job_entry else job_of_terms(run)
    moved = _move_to_this_boot(run, turn.now)
    age = max((turn.now.wall - run.queued_at).total_seconds(), 0.0)
    activity = Active() if run.state.active else Queued()
    entry = RunEntry(moved, job, turn.state.undo_log, turn.now.mono - age, activity)
    turn.state.open(entry)
    if moved != run or entry.is_uncertain:
        turn.step.save(moved)
    if entry.is_active:
        set_timeout(turn, entry)
        expectations.watch_running_time(turn, entry)
    elif job_entry is None:
        finish(turn, entry, RunState.CANCELLED, reason=Removed())
    else:
        wait(turn, entry)


def mark_uncertain(run: Run, job: Job | None, attempt: int) -> Run:
    """Return an open run of a store that went back to an older state.

    It may have gone on meanwhile, so it counts as started, with the latest attempt of which there is a trace (0 for
    none), or the next one that was possible. Its executor is asked for that; where nothing is found the run is lost.
    """
    attempt = max(attempt, run.attempt if run.state.active else run.attempt + 1)
    if run.state.active and attempt == run.attempt:
        return evolve(run, reason=StoreReverted())
    terms = terms_of(job) if job else run.terms
    started = evolve(run, state=RunState.STARTING, attempt=attempt, handle=None, terms=terms)
    return evolve(started, not_before=None, clocks=None, reason=StoreReverted())


def job_of_terms(run: Run) -> Job:
    """Return a stand-in for a job that is gone: its attempt can be ended, and is never repeated."""
    terms = run.terms
    return Job(
        id=run.job,
        command="gone",
        executor=terms.executor,
        kill_after=terms.kill_after,
        timeout=terms.timeout,
        success_codes=terms.success_codes,
        fail_on=terms.fail_on,
        on_crash=OnCrash.FAIL,
    )


def _move_to_this_boot(run: Run, now: Moment) -> Run:
    """Return the run with what it has waited and used so far as the clocks of this boot show it.

    Once the wall clock had to be believed, because the machine was booted meanwhile; never again after that. In the
    same boot the other clocks tell by how much the wall clock was set meanwhile.
    """
    known = run.clocks or (run.guard_wait and run.guard_wait.since)
    if known and known.boot == now.boot:
        set_by, slept = clock_step(known, now), time_slept(known, now)
        run = run.after_clock_set(set_by) if abs(set_by) > CLOCK_JUMP_THRESHOLD else run
        return run.after_sleep(slept) if slept > CLOCK_JUMP_THRESHOLD else run
    if run.guard_wait is not None and run.guard_wait.since.boot != now.boot:
        waited = now.elapsed_since(run.guard_wait.since)
        run = evolve(run, guard_wait=evolve(run.guard_wait, since=now.later(-waited)))
    if run.clocks is None:
        return run
    if run.not_before is not None:
        return evolve(run, not_before=now.wall + run.delay_left(now), clocks=now)
    return evolve(run, clocks=now.later(-now.elapsed_since(run.clocks, with_sleep=False)))


def cancel_runs(turn: Turn, command: CancelRuns) -> None:
    """Cancel a run, or all open runs of a job."""
    state = turn.state
    if command.run is not None:
        entry = state.runs.get(command.run)
        if entry is None:
            message = f"no open run {quote(command.run)}; 'rae-auto history' lists finished runs"
            turn.step.reply(command.ask, RunNotFound(message))
            return
        targets: Sequence[RunEntry] = (entry,)
    elif command.job is not None and (command.job in state.jobs or command.job in state.runs_of):
        targets = state.open_runs(command.job)
    else:
        turn.step.reply(command.ask, state.job_not_found(command.job or ""))
        return
    for entry in targets:
        stop_run(turn, entry, RunState.CANCELLED, Cancelled())
    turn.step.reply(command.ask, {"cancelled": [entry.run.id for entry in targets]})


def stop(turn: Turn, command: Stop) -> None:
    """Start nothing more, and interrupt active runs after the grace."""
    turn.state.is_stopping = True
    turn.state.leaves_running |= command.leave_running
    grace = command.grace.total_seconds()
    if turn.state.leaves_running:
        # What is being started can't be adopted yet, and is to be left running too.
        grace = max(grace, START_SECONDS)
    turn.state.timers.set(turn.now.mono + grace, Alarm.GRACE_OVER)
    if not command.grace:
        interrupt_runs(turn, but_starting=turn.state.leaves_running)
    turn.step.reply(command.ask, {})


def stop_when_idle(turn: Turn) -> None:
    """Request the end of the daemon, once, when a stopping engine has no run that it must wait for."""
    state = turn.state
    if state.is_stopping and not state.is_stopped and not any(must_wait_for(turn, e) for e in state.runs.values()):
        state.is_stopped = True
        turn.step.request(EngineStopped())
