"""Pauses, and starts that are skipped, by hand.

A pause with an end is over when the wall clock shows that time: after a restart, a suspend or a clock step as well. It
holds for instants, not for the moment of their decision: one before the end that is decided later, because the daemon
was down, is skipped as paused. So due instants are decided first, and then pauses end.

A skip names an instant, the next one at which the job would start. It is used up when that instant has passed,
whatever became of it, so that a start that is missed for another reason doesn't make the skip hit the one after it.
"""

from datetime import datetime

from attrs import evolve

from rae_auto.engine.commands import SetPaused, SkipStart
from rae_auto.engine.effects import JobChanged
from rae_auto.engine.next_starts import find_next_start
from rae_auto.engine.runs import expectations
from rae_auto.engine.runs.waiting import release, release_resources
from rae_auto.engine.state import EngineState, JobEntry
from rae_auto.engine.turn import Turn
from rae_auto.errors import BadRequest
from rae_auto.model.job_state import JobState, SkippedStart
from rae_auto.model.primitives.formatting import quote

MAX_SKIPS = 100
"""Number of starts of a job that may be skipped ahead."""


def set_paused(turn: Turn, command: SetPaused) -> None:
    """Pause a job, which then starts nothing by itself, or resume it, which lets waiting runs go on."""
    entry = turn.state.jobs.get(command.job)
    if entry is None:
        turn.step.reply(command.ask, turn.state.job_not_found(command.job))
        return
    until, note = (command.until, command.note) if command.paused else (None, "")
    # Another end or note leaves it the same pause.
    since = entry.state.paused_at if entry.state.paused else turn.now.wall
    at = since if command.paused else None
    wanted = evolve(entry.state, paused=command.paused, paused_until=until, pause_note=note, paused_at=at)
    is_changed = wanted != entry.state
    if is_changed:
        _change_pause(turn, entry, wanted)
    turn.step.reply(command.ask, {"job": command.job, "changed": is_changed})


def _change_pause(turn: Turn, entry: JobEntry, wanted: JobState) -> None:
    entry.state = wanted
    expectations.set_expectation(turn, entry)
    turn.step.save(entry.state)
    turn.state.pause_ends.set(entry.job.id, wanted.paused_until)
    turn.step.request(JobChanged(entry.job.id, "paused" if wanted.paused else "resumed"))
    release(turn, entry.job.id)
    # A run that is paused while it waits for a resource must not have it reserved.
    release_resources(turn, entry.job)


def _resumed(state: JobState) -> JobState:
    return evolve(state, paused=False, paused_until=None, pause_note="", paused_at=None)


def end_pauses(turn: Turn) -> None:
    """Resume the jobs whose pause is over, once all that fell due in it is decided."""
    if turn.state.backlog is not None:
        return
    for job in turn.state.pause_ends.pop_due(turn.now.wall):
        entry = turn.state.jobs.get(job)
        if entry is not None:
            _change_pause(turn, entry, _resumed(entry.state))


def skip_start(turn: Turn, command: SkipStart) -> None:
    """Have the next scheduled start of a job skipped, or take the last such request back."""
    entry = turn.state.jobs.get(command.job)
    if entry is None:
        turn.step.reply(command.ask, turn.state.job_not_found(command.job))
        return
    skips = tuple(skip for skip in entry.state.skips if skip.at > turn.now.wall)
    if command.undo:
        if not skips:
            turn.step.reply(command.ask, BadRequest(f"job {quote(command.job)} has no skipped start to take back"))
            return
        at, skips = skips[-1].at, skips[:-1]
    else:
        next_at = find_next_start(turn.state, entry)
        refusal = _find_skip_refusal(turn.state, entry, next_at, len(skips))
        if next_at is None or refusal is not None:
            turn.step.reply(command.ask, BadRequest(f"job {quote(command.job)} {refusal}"))
            return
        at = next_at
        skips = tuple(sorted((*skips, SkippedStart(at, turn.now.wall)), key=lambda skip: skip.at))
    entry.state = evolve(entry.state, skips=skips)
    turn.step.save(entry.state)
    turn.step.request(JobChanged(command.job, "changed"))
    turn.step.reply(command.ask, {"job": command.job, "at": at})


def _find_skip_refusal(state: EngineState, entry: JobEntry, next_at: datetime | None, skips: int) -> str | None:
    if not (entry.job.enabled and state.settings.enabled):
        return "is disabled, so it has no start to skip"
    if entry.state.paused and entry.state.paused_until is None:
        return f"is paused, so it has no start to skip; 'rae-auto resume {entry.job.id}' resumes it"
    if next_at is None:
        return "has no scheduled start to skip"
    if skips >= MAX_SKIPS:
        return f"has {MAX_SKIPS} skipped starts already; pause it instead ('rae-auto pause --until TIME')"
    return None


def forget_past_skips(turn: Turn, entry: JobEntry) -> None:
    """Forget skipped starts whose instant has been decided. The caller saves the job's state."""
    left = tuple(skip for skip in entry.state.skips if skip.at > turn.now.wall)
    entry.state = evolve(entry.state, skips=left)
