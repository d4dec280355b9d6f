"""Explanations from a running engine."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from rae_auto.api.store import LogQuery
from rae_auto.engine.engine import Engine
from rae_auto.engine.plan import Plan
from rae_auto.errors import JobNotFound
from rae_auto.explain.answer import Explanation
from rae_auto.explain.collector import DISABLED_BY_CONFIGURATION, Question, explain, parse_question
from rae_auto.explain.job_view import Wait
from rae_auto.model.decision import Decision
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.primitives.formatting import time_format
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.zones import zone
from rae_auto.model.run import Run
from rae_auto.runtime.scheduler import Scheduler

T = TypeVar("T", Run, Decision)

ProblemFinder = Callable[[Plan], Mapping[str, str]]
"""Returns why triggers of a job don't work at present, by their ids."""


class EngineSource:
    """A `JobSource` that reads an engine at one moment."""

    has_daemon = True
    daemon_note = ""

    def __init__(
        self,
        engine: Engine,
        moment: Moment,
        zone: ZoneInfo,
        find_problems: ProblemFinder = lambda _: {},
        disabled_by: str = DISABLED_BY_CONFIGURATION,
        *,
        find_preparation_problem: Callable[[str], str | None] = lambda _: None,
        describe_silence: Callable[[Run], str | None] = lambda _: None,
        local_times: bool = False,
    ) -> None:
        self._engine = engine
        self._describe_silence = describe_silence
        self._find_problems = find_problems
        self.preparation_problem = find_preparation_problem
        self.disabled_by = disabled_by
        self.zone = zone
        self.now = moment.wall
        self.format_time = time_format(zone, self.now, local=local_times)

    def job_names(self) -> Iterable[str]:
        return self._engine.job_ids()

    def find_plan(self, job: str) -> Plan | None:
        try:
            return self._engine.job(JobId(job)).plan
        except JobNotFound:
            return None

    def is_enabled(self) -> bool:
        return self._engine.settings_enabled

    def job_state(self, job: str) -> JobState:
        try:
            return self._engine.job(JobId(job)).state
        except JobNotFound:
            return JobState(JobId(job))

    def next_run_at(self, plan: Plan) -> datetime | None:
        return self._engine.next_at(plan.job.id)

    def trigger_problems(self, plan: Plan) -> Mapping[str, str]:
        return self._find_problems(plan)

    def known_occurrences(self, job: str) -> Iterable[SeenOccurrence]:
        return self._engine.remembered(JobId(job))

    def waits(self, runs: Sequence[Run]) -> Mapping[str, Wait]:
        open_runs = [run.id for run in runs if self._engine.run(run.id) is not None]
        waits = {run: self._engine.waiting_for(run) for run in open_runs}
        silences = {run.id: silence for run in runs if run.state.active and (silence := self._describe_silence(run))}
        return {
            **{run: (by, by.describe(self.format_time)) for run, by in waits.items() if by is not None},
            **{run: (None, silence) for run, silence in silences.items()},
        }


async def explain_job(
    scheduler: Scheduler,
    job: str,
    at: str | datetime | None = None,
    run: str | None = None,
    disabled_by: str = DISABLED_BY_CONFIGURATION,
    *,
    local_times: bool = False,
) -> Explanation:
    """Return why a job ran, didn't run or waits: at a time, or for one of its runs.

    With `local_times` the sentences have instants as people read them now, otherwise in full with the offset.

    Errors: JobNotFound, RunNotFound, BadRequest (an invalid time).
    """
    runtime = scheduler.runtime
    zone_shown = zone(runtime.factory.timezone)
    question = parse_question(EngineSource(runtime.engine, runtime.clock.now(), zone_shown), job, at, run)
    runs, decisions = await _read_about(question, runtime.runs), await _read_about(question, runtime.decisions)
    requested_run = None if run is None else await scheduler.get_run(run)
    # Read after the records: a run that ended meanwhile is no longer open.
    source = EngineSource(
        runtime.engine,
        runtime.clock.now(),
        zone_shown,
        runtime.factory.trigger_problems,
        disabled_by,
        find_preparation_problem=runtime.executions.preparations.describe_problem,
        describe_silence=lambda run: None if runtime.membership is None else runtime.membership.describe(run),
        local_times=local_times,
    )
    return explain(source, question, runs, decisions, requested_run)


async def _read_about(question: Question, read: Callable[[LogQuery], Awaitable[list[T]]]) -> list[T]:
    query = question.query()
    found = await read(query)
    while (narrower := question.narrow(query, found)) is not None:
        query, found = narrower, await read(narrower)
    return found
