"""The changes that an edit of the configuration would make: checked and simulated, never saved."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import field, frozen

from rae_auto.config.loading import check_text
from rae_auto.control.client import Client
from rae_auto.errors import BadRequest, InvalidJob
from rae_auto.model.job_state import JobState, Span
from rae_auto.model.primitives.names import JobId
from rae_auto.offline.job_states import read_states
from rae_auto.offline.project import Project, ProjectPlan
from rae_auto.offline.usual_durations import read_usual_durations
from rae_auto.registry import Registry
from rae_auto.simulation.durations import assume_duration
from rae_auto.simulation.forecast import Forecast, Scenario, simulate
from rae_auto.simulation.script import Script
from rae_auto.simulation.script_files import parse_guard_answer
from rae_auto.views.screens.what_if import (
    MAX_TEXT_CHARACTERS,
    AssumedDuration,
    DurationOrigin,
    WhatIf,
    build_what_if,
)

MAX_SPAN = timedelta(days=32)


@frozen(kw_only=True)
class Assumptions:
    """The assumptions of a simulation that a person can change."""

    downtimes: Sequence[tuple[datetime, datetime]] = ()
    """Spans in which no daemon runs."""
    durations: Mapping[str, timedelta] = field(factory=dict)
    """The lengths of runs, by job; of the others the usual ones, or an assumption where no run has succeeded."""
    duration_factor: float = 1.0
    """The factor by which runs take longer."""
    guards: Sequence[str] = ()
    """Answers of guards that read the machine, as "power=no" or "backup.power=unknown"; by default they say yes."""
    ignores_pauses: bool = False
    """True to simulate as if no job were paused and no start skipped by hand."""

    def of_today(self) -> "Assumptions":
        """Return those of the present, with which the others are compared: a length of runs is a fact, not a change."""
        return Assumptions(durations=self.durations)


async def load_what_if(
    config: Path,
    text: str,
    *,
    since: datetime | None = None,
    span: timedelta = timedelta(days=7),
    assumptions: Assumptions | None = None,
) -> WhatIf:
    """Check an edited text of a configuration, and simulate it beside the one in the file.

    The edit and the assumptions are compared with the file as it is, without downtimes, with runs that take as long as
    they do, and with guards that say yes. Jobs that are paused now stay so.

    Errors: BadRequest, ConfigError if the file itself can't be used, StoreError if pauses can't be read.
    """
    begin = since or datetime.now(UTC).replace(microsecond=0)
    if not timedelta(0) < span <= MAX_SPAN:
        raise BadRequest(f"simulate a span of at most {MAX_SPAN.days} days")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise BadRequest("the text is longer than a configuration may be; shorten it")
    return await asyncio.to_thread(_compare, config, text, Span(begin, begin + span), assumptions or Assumptions())


def _compare(config: Path, text: str, span: Span, assumptions: Assumptions) -> WhatIf:
    project = Project.load(config)
    registry = Registry()
    edited, report = check_text(config, text, registry)
    plans: list[ProjectPlan | None] = [project.plan(), None]
    errors = list(report.errors)
    if edited is not None:
        try:
            plans[1] = Project(config, edited, registry).plan()
        except InvalidJob as error:
            errors.append(str(error))
    script = _script(assumptions.guards, [guard for plan in plans if plan for guard in plan.guards])
    saved = config.read_text(encoding="utf-8")
    states = read_states(project, lambda: Client(project.directory))
    jobs = dict.fromkeys(one.job.id for plan in plans if plan for one in plan.plans)
    has_history = project.directory.is_dir()
    usual = read_usual_durations(project, list(jobs), lambda: Client(project.directory)) if has_history else {}
    today = assumptions.of_today()
    before = None if plans[0] is None else _simulate(plans[0], span, today, Script(), states, usual)
    is_changed = text != saved or bool(errors) or assumptions != today
    assumed_states = () if assumptions.ignores_pauses else states
    after = (
        before
        if not is_changed
        else None
        if plans[1] is None
        else _simulate(plans[1], span, assumptions, script, assumed_states, usual)
    )
    return build_what_if(
        saved,
        text,
        errors=errors,
        warnings=report.warnings,
        before=before,
        after=after,
        durations=[] if plans[1] is None else _list_durations(plans[1], assumptions, usual, span.since),
        duration_factor=assumptions.duration_factor,
        since=span.since,
        until=span.until,
        now=datetime.now(UTC),
        zone=project.zone.key,
    )


def _list_durations(
    plan: ProjectPlan, assumptions: Assumptions, usual: Mapping[JobId, timedelta], start: datetime
) -> list[AssumedDuration]:
    """Return how long runs of each job take in the simulation: as given, else as usual, else as assumed."""
    found = []
    for one in plan.plans:
        job = one.job.id
        if job in assumptions.durations:
            length, origin = assumptions.durations[job], DurationOrigin.GIVEN
        elif job in usual:
            length, origin = usual[job], DurationOrigin.HISTORY
        else:
            length, origin = assume_duration(one, start), DurationOrigin.ASSUMED
        found.append(AssumedDuration(job=job, duration=length * assumptions.duration_factor, origin=origin))
    return found


def _script(answers: Iterable[str], guards: Sequence[tuple[JobId, str]]) -> Script:
    try:
        return Script(guards=tuple(parse_guard_answer(answer, guards) for answer in answers))
    except ValueError as error:
        raise BadRequest(f"guards: {error}") from None


def _simulate(
    plan: ProjectPlan,
    span: Span,
    assumptions: Assumptions,
    script: Script,
    states: tuple[JobState, ...],
    usual: Mapping[JobId, timedelta],
) -> Forecast:
    durations = {JobId(one.job): one.duration for one in _list_durations(plan, assumptions, usual, span.since)}
    return simulate(
        Scenario(
            plans=plan.plans,
            settings=plan.settings,
            start=span.since,
            end=span.until,
            durations=durations,
            downtimes=tuple(Span(*sorted(pair)) for pair in sorted(assumptions.downtimes)),
            sources=plan.sources,
            guards=plan.guards,
            script=script,
            states=states,
        )
    )
