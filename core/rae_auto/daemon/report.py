"""How jobs stand, read off the engine, and their runs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from rae_auto.api.store import LogQuery
from rae_auto.engine.engine import Engine
from rae_auto.engine.world import Entry
from rae_auto.model.job_info import JobActivity, JobInfo, JobStatus
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.model.run import Run, RunState
from rae_auto.model.units import format_duration, parse_duration


def status_of(engine: Engine, entry: Entry) -> JobStatus:
    """How a job stands."""
    job, state = entry.job, entry.state
    opened = [o.run for o in engine.runs(job.id)]
    return JobStatus(
        job=job.id,
        activity=_activity({run.state for run in opened}, entry),
        enabled=job.enabled,
        paused=state.paused,
        open=tuple(run.id for run in opened),
        next_at=engine.next_at(job.id),
        last_state=state.last_state,
        last_run=state.last_run,
        last_finished_at=state.last_finished_at,
        failures=state.failures,
    )


def _activity(states: set[RunState], entry: Entry) -> JobActivity:
    if states & {RunState.STARTING, RunState.RUNNING}:
        return JobActivity.RUNNING
    if RunState.RETRYING in states:
        return JobActivity.RETRYING
    if states:
        return JobActivity.QUEUED
    if not entry.job.enabled:
        return JobActivity.DISABLED
    return JobActivity.PAUSED if entry.state.paused else JobActivity.IDLE


def info_of(engine: Engine, entry: Entry) -> JobInfo:
    """A job as a list shows it."""
    job = entry.job
    return JobInfo(
        id=job.id,
        name=job.name,
        origin=entry.plan.origin.value,
        schedule=tuple(schedule_text(ref) for ref in job.schedule),
        priority=job.priority,
        status=status_of(engine, entry),
    )


_MAIN = ("expression", "paths", "path", "pattern", "metric", "command", "jobs", "on", "at", "every")
"""Options of which the first that there is says most about a trigger, whosesoever it is."""

_BESIDE = ("of", "on", "above", "below", "process", "application", "for", "all", "any", "sequence")
"""Options that say the rest, each after its name."""

_LONGEST_TEXT = 80


def schedule_text(ref: TriggerRef) -> str:
    """A trigger in a few words: its type, and what its options say where they say much."""
    if ref.type == "interval" and "every" in ref.options:
        return f"every {format_duration(parse_duration(ref.options['every']))}"
    main = next((name for name in _MAIN if ref.options.get(name)), None)
    words = [ref.type, _words(ref.options[main])] if main else [ref.type]
    words += [f"{name} {_words(ref.options[name])}" for name in _BESIDE if name != main and ref.options.get(name)]
    text = " ".join(filter(None, words))
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _words(value: object) -> str:
    """A value of an option; a trigger within one is its type."""
    if isinstance(value, Mapping):
        return str(value.get("type", ""))
    if isinstance(value, timedelta):
        return format_duration(value)
    return ", ".join(map(_words, value)) if isinstance(value, list | tuple) else str(value)


def newest_runs(query: LogQuery, opened: Sequence[Run], past: Sequence[Run]) -> list[Run]:
    """The wanted ones of all open runs, and those of the past, the newest first."""
    known = {run.id for run in past}
    wanted = [r for r in opened if r.id not in known and query.takes(r.id, r.job, r.state, r.queued_at)]
    return sorted([*past, *wanted], key=lambda run: (run.queued_at, run.id), reverse=True)[: query.limit]
