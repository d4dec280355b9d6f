"""The job trigger: fires when other jobs end.

Only runs that were started have an *end*. Ends may be delivered out of order, and count by their instants alone. With
`mode = "all"` the latest end of each job is remembered, unless it is more than `within` older than the newest of them.
It fires when there is one of every job; then all are forgotten, and the next round begins.
"""

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
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.names import JobId, digest
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.run import RunState
from rae_auto.toolkit.summaries import named, summarize
from rae_auto.toolkit.validators import positive_duration


class EndKind(StrEnum):
    """The kinds of ends that can count."""

    SUCCESS = "success"
    FAILURE = "failure"
    ANY = "any"


class JobTriggerMode(StrEnum):
    """The modes: each end fires, or the ends of all jobs together."""

    ANY = "any"
    ALL = "all"


FAILED_STATES = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST, RunState.INTERRUPTED)

STATES_BY_END: Mapping[EndKind, tuple[RunState, ...]] = {
    EndKind.SUCCESS: (RunState.SUCCEEDED,),
    EndKind.FAILURE: FAILED_STATES,
    # A cancelled run is neither, and a skipped one was never started.
    EndKind.ANY: (RunState.SUCCEEDED, *FAILED_STATES, RunState.CANCELLED),
}


def _parse_jobs(value: Iterable[str]) -> tuple[JobId, ...]:
    if isinstance(value, str):
        raise ValueError(f"'jobs' must be a list; write [{quote_short(value)}]")
    return tuple(map(JobId, value))


def _check_jobs(_: object, __: object, jobs: tuple[JobId, ...]) -> None:
    if not jobs:
        raise ValueError("'jobs' must name at least one job")
    if len(set(jobs)) < len(jobs):
        raise ValueError("'jobs' must name each job once")


@frozen(kw_only=True)
class JobTrigger(PatternTrigger):
    """Fires when other jobs end, once for each of their runs, or once when all of them have ended."""

    type: ClassVar[str] = "job"
    example: ClassVar[Mapping[str, Any]] = {"jobs": ["backup"], "on": "failure"}

    jobs: tuple[JobId, ...] = field(
        converter=_parse_jobs,
        validator=_check_jobs,
        metadata={"help": "the jobs whose ends count", "hint": 'write ["job"]'},
    )
    on: EndKind = field(
        default=EndKind.SUCCESS, converter=EndKind, metadata={"help": "ends that count: success, failure or any"}
    )
    mode: JobTriggerMode = field(
        default=JobTriggerMode.ANY,
        converter=JobTriggerMode,
        metadata={"help": "any: fires at each end; all: once all jobs have ended"},
    )
    within: timedelta | None = field(
        default=None,
        converter=optional(parse_duration),
        validator=positive_duration(),
        metadata={"help": 'longest time from the first end to the last; required with mode = "all"'},
    )

    def __attrs_post_init__(self) -> None:
        if self.mode is JobTriggerMode.ALL and self.within is None:
            raise ValueError(
                '\'within\' must give, with mode = "all", the longest time from the first end to the last; write "1h"'
            )

    def upstream_jobs(self) -> tuple[str, ...]:
        """Return the jobs."""
        return self.jobs

    def summary(self) -> str:
        return summarize(self.type, self.jobs, named("on", self.on))

    def warnings(self) -> tuple[str, ...]:
        """Return a warning about a window without effect."""
        return ('within has no effect without mode = "all"',) if self.within and self.mode is JobTriggerMode.ANY else ()

    def event_names(self) -> tuple[str, ...]:
        """Return the names of the events for the ends that count."""
        return tuple(f"{RUN_ENDED}{state}" for state in STATES_BY_END[self.on])

    def begin(self, now: datetime) -> StepResult:
        """Start without any end."""
        return StepResult({})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Fire at an end of one of the jobs, or once it is the last missing one."""
        if event is not None and event.name == GAP:
            return StepResult(_limit_to_now(now, state))
        if event is None or event.data.get("job") not in self.jobs or event.data.get("seconds") is None:
            return StepResult(state)
        end = {"job": event.data["job"], "run_id": event.id}
        trace = {"traceparent": event.data["traceparent"]} if "traceparent" in event.data else {}
        end |= {name: event.data.get(name) for name in ("state", "exit_code", "seconds")} | trace
        if self.within is None or self.mode is JobTriggerMode.ANY:
            return StepResult(state, (Firing(event.id, event.at, end),))
        ends = _add_end(state, end, event.at, self.within)
        if len(ends) < len(self.jobs):
            return StepResult(ends)
        runs = [ends[job]["end"] for job in self.jobs]
        newest = max(parse_instant(entry["at"]) for entry in ends.values())
        # Of several traces a run can continue one: that of the end it was waiting for.
        return StepResult({}, (Firing(_key(runs), newest, {"runs": runs, **trace}),))


def _add_end(ends: State, end: Mapping[str, Any], at: datetime, within: timedelta) -> dict[str, Any]:
    """Return the latest end of each job, with a new one, without those outside the window."""
    known = ends.get(end["job"])
    latest = {**ends}
    if known is None or parse_instant(known["at"]) <= at:
        latest[end["job"]] = {"at": format_instant(at), "end": end}
    since = max(parse_instant(entry["at"]) for entry in latest.values()) - within
    return {job: entry for job, entry in latest.items() if parse_instant(entry["at"]) >= since}


def _limit_to_now(now: datetime, ends: State) -> dict[str, Any]:
    """Move ends in the future to now: after the clock was set back they would outlive all later ones."""
    return {job: {**entry, "at": format_instant(min(parse_instant(entry["at"]), now))} for job, entry in ends.items()}


def _key(runs: list[dict[str, Any]]) -> str:
    return digest("\0".join(sorted(run["run_id"] for run in runs)), 16).hex()


@hookimpl
def rae_triggers() -> list[type[PatternTrigger]]:
    """Return the job trigger."""
    return [JobTrigger]
