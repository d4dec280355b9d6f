"""Fires when other jobs end.

An *end* is that of a run which had begun. Each has an instant; ends may be told out of order, and are judged by their
instants alone. With `mode = "all"` the latest end of each job is remembered, unless it lies more than `within` before
the newest of them. When there is one of every job they fire together, are forgotten, and the next round begins.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from attrs import field, frozen
from attrs.converters import optional

from rae_auto.api import Event, Firing, PatternTrigger, StepResult
from rae_auto.api.events import RUN_ENDED
from rae_auto.api.pattern import GAP, State
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.run import RunState
from rae_auto.toolkit.validators import longer_than_nothing


class On(StrEnum):
    """Which ends count."""

    SUCCESS = "success"
    FAILURE = "failure"
    ANY = "any"


class Mode(StrEnum):
    """Whether each end fires, or all jobs together."""

    ANY = "any"
    ALL = "all"


FAILURES = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST, RunState.INTERRUPTED)

STATES: Mapping[On, tuple[RunState, ...]] = {
    On.SUCCESS: (RunState.SUCCEEDED,),
    On.FAILURE: FAILURES,
    # What was cancelled is neither, and what was skipped has never begun.
    On.ANY: (RunState.SUCCEEDED, *FAILURES, RunState.CANCELLED),
}


def _names(value: Iterable[str]) -> tuple[JobId, ...]:
    if isinstance(value, str):
        raise ValueError(f"'jobs' must be a list; write [{value[:64]!r}]")
    return tuple(map(JobId, value))


def _some_jobs(_: object, __: object, jobs: tuple[JobId, ...]) -> None:
    if not jobs:
        raise ValueError("'jobs' must name at least one job")
    if len(set(jobs)) < len(jobs):
        raise ValueError("'jobs' must name each job once")


@frozen(kw_only=True)
class JobTrigger(PatternTrigger):
    """Fires when other jobs end, once for each of their runs, or once when all of them have ended."""

    type: ClassVar[str] = "job"

    jobs: tuple[JobId, ...] = field(
        converter=_names, validator=_some_jobs, metadata={"help": "the jobs whose ends count", "hint": 'write ["job"]'}
    )
    on: On = field(default=On.SUCCESS, converter=On, metadata={"help": "which ends count"})
    mode: Mode = field(
        default=Mode.ANY, converter=Mode, metadata={"help": "any: at each end; all: when all jobs have ended so"}
    )
    within: timedelta | None = field(
        default=None,
        converter=optional(parse_duration),
        validator=longer_than_nothing(),
        metadata={"help": 'with mode = "all", the longest time from the first of the ends to the last'},
    )

    def __attrs_post_init__(self) -> None:
        if self.mode is Mode.ALL and self.within is None:
            raise ValueError('\'within\' must say, with mode = "all", how far the ends may lie apart; write "1h"')

    def upstream_jobs(self) -> tuple[str, ...]:
        """The jobs."""
        return self.jobs

    def warnings(self) -> tuple[str, ...]:
        """A window without anything to wait for."""
        return ('within has no effect without mode = "all"',) if self.within and self.mode is Mode.ANY else ()

    def event_names(self) -> tuple[str, ...]:
        """The ends that count."""
        return tuple(f"{RUN_ENDED}{state}" for state in STATES[self.on])

    def begin(self, now: datetime) -> StepResult:
        """Nothing has ended."""
        return StepResult({})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """An end of one of the jobs fires, or is the last that was missing."""
        if event is not None and event.name == GAP:
            return StepResult(_not_after(now, state))
        if event is None or event.data.get("job") not in self.jobs or event.data.get("seconds") is None:
            return StepResult(state)
        end = {"job": event.data["job"], "run_id": event.id}
        end |= {name: event.data.get(name) for name in ("state", "exit_code", "seconds")}
        if self.within is None or self.mode is Mode.ANY:
            return StepResult(state, (Firing(event.id, event.at, end),))
        ends = _with(state, end, event.at, self.within)
        if len(ends) < len(self.jobs):
            return StepResult(ends)
        runs = [ends[job]["end"] for job in self.jobs]
        newest = max(parse_instant(kept["at"]) for kept in ends.values())
        return StepResult({}, (Firing(_key(runs), newest, {"runs": runs}),))


def _with(ends: State, end: Mapping[str, Any], at: datetime, within: timedelta) -> dict[str, Any]:
    """The latest end of each job, this one too, as far as they lie together."""
    known = ends.get(end["job"])
    found = {**ends}
    if known is None or parse_instant(known["at"]) <= at:
        found[end["job"]] = {"at": format_instant(at), "end": end}
    since = max(parse_instant(kept["at"]) for kept in found.values()) - within
    return {job: kept for job, kept in found.items() if parse_instant(kept["at"]) >= since}


def _not_after(now: datetime, ends: State) -> dict[str, Any]:
    """The ends, none of them in the future: where the clock was set back they would outlive all that come."""
    return {job: {**kept, "at": format_instant(min(parse_instant(kept["at"]), now))} for job, kept in ends.items()}


def _key(runs: list[dict[str, Any]]) -> str:
    ids = "\0".join(sorted(run["run_id"] for run in runs))
    return hashlib.blake2b(ids.encode(), digest_size=16).hexdigest()


@hookimpl
def rae_triggers() -> list[type[PatternTrigger]]:
    """The job trigger."""
    return [JobTrigger]
