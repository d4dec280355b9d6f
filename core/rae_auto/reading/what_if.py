"""Simulations for screens: the changes that an edit would make, which is never saved, and the coming time."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from rae_auto.config.files.fragments import identify_files
from rae_auto.config.loading import check_text
from rae_auto.control.client import Client
from rae_auto.errors import BadRequest, InvalidJob
from rae_auto.model.job_state import JobState, Span
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.offline.job_states import read_states
from rae_auto.offline.project import Project, ProjectPlan
from rae_auto.offline.usual_durations import read_usual_durations
from rae_auto.registry import Registry
from rae_auto.simulation.durations import assume_duration
from rae_auto.simulation.forecast import Forecast, ForecastStep, Scenario, simulate, simulate_in_steps
from rae_auto.simulation.script import Script
from rae_auto.simulation.script_files import parse_guard_answer
from rae_auto.views.screens.parts.base import local_times
from rae_auto.views.screens.what_if import (
    MAX_TEXT_CHARACTERS,
    AssumedDuration,
    DurationOrigin,
    EditProblem,
    WhatIf,
    build_what_if,
    list_assumptions,
    list_problems,
    make_patch,
)

MAX_SPAN = timedelta(days=32)

STEP = timedelta(hours=1)
"""The step in which a time ahead is simulated."""


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
    optional_guards: Sequence[str] = ()
    """Such answers with the name of the job; those of guards that neither side has are left out."""
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

    def compare() -> WhatIf:
        edits = WhatIfEdits(config)
        return edits.compare(edits.check(text, since), span, assumptions or Assumptions())

    return await asyncio.to_thread(compare)


MAX_AGE = timedelta(minutes=1)
"""Age at which the saved configuration is read and simulated again: time goes on."""


@define(eq=False)
class _SavedSide:
    """The configuration as it is saved, and the simulation of it that was needed last."""

    project: Project
    plan: ProjectPlan
    text: str
    files: Any
    """The identities of its files."""
    since: datetime
    _simulated: tuple[Any, Forecast] | None = field(init=False, default=None)
    _usual: dict[JobId, timedelta | None] = field(init=False, factory=dict)

    def simulate(self, span: Span, assumptions: Assumptions, states: tuple[JobState, ...]) -> Forecast:
        """Return its simulation, the same one again for the same question."""
        question = (span, assumptions, states)
        if self._simulated is None or self._simulated[0] != question:
            usual = self.read_usual_durations(self.plan)
            self._simulated = question, _simulate(self.plan, span, assumptions, Script(), states, usual)
        return self._simulated[1]

    def read_usual_durations(self, plan: ProjectPlan) -> Mapping[JobId, timedelta]:
        """Return the usual duration of each job of a plan that has one; each is read once."""
        unread = [one.job.id for one in plan.plans if one.job.id not in self._usual]
        if unread and self.project.directory.is_dir():
            found = read_usual_durations(self.project, unread, lambda: Client(self.project.directory))
            self._usual |= {job: found.get(job) for job in unread}
        return {job: usual for job, usual in self._usual.items() if usual is not None}


@define(eq=False)
class CheckedEdit:
    """An edited text with what is wrong and doubtful in it, and the side that it is compared with."""

    text: str
    errors: Sequence[str]
    warnings: Sequence[str]
    patch: str
    """The edit as a unified diff."""
    _since: datetime | None
    _plan: ProjectPlan | None
    """None if it has errors."""
    _load_saved: Callable[[], _SavedSide]
    """Load the other side, when it is first compared: messages about the edit need none of it."""
    _loaded: _SavedSide | None = field(init=False, default=None)

    @property
    def problems(self) -> Sequence[EditProblem]:
        """Return the messages about it."""
        return list_problems(self.errors, self.warnings)

    def load_since(self) -> datetime:
        """Return the begin of the simulated time. Errors: ConfigError if the file itself can't be used."""
        return self._since or self._load().since

    def _load(self) -> _SavedSide:
        if self._loaded is None:
            self._loaded = self._load_saved()
        return self._loaded


@define(eq=False)
class WhatIfEdits:
    """Edits of one configuration, one after the other: what is saved is loaded and simulated once for some of them."""

    config: Path
    _saved: _SavedSide | None = field(init=False, default=None)

    def check(self, text: str, since: datetime | None = None) -> CheckedEdit:
        """Check an edited text. The simulated time begins at `since`, by default about now.

        Errors: BadRequest, ConfigError if the file itself can't be read.
        """
        if len(text) > MAX_TEXT_CHARACTERS:
            raise BadRequest("the text is longer than a configuration may be; shorten it")
        registry, plan = Registry(), None
        edited, report = check_text(self.config, text, registry)
        errors = list(report.errors)
        if edited is not None:
            try:
                plan = Project(self.config, edited, registry).plan()
            except InvalidJob as error:
                errors.append(str(error))
        patch = make_patch(self._read_saved_text(), text, self.config.name)
        return CheckedEdit(text, errors, report.warnings, patch, since, plan, self._load_saved)

    def compare(
        self, edit: CheckedEdit, length: timedelta, assumptions: Assumptions, *, asked: timedelta | None = None
    ) -> WhatIf:
        """Return what a checked edit changes in a time of this length, which is the begin of the one that was `asked`.

        Errors: BadRequest, StoreError, ConfigError.
        """
        if not timedelta(0) < length <= MAX_SPAN:
            raise BadRequest(f"simulate a span of at most {MAX_SPAN.days} days")
        saved, plan, since = edit._load(), edit._plan, edit.load_since()
        self._check_durations(assumptions.durations, saved.plan, plan)
        span = Span(since, since + length)
        guards = [guard for one in (saved.plan, plan) if one is not None for guard in one.guards]
        script, today = _script(assumptions, guards), assumptions.of_today()
        states = read_states(saved.project, lambda: Client(saved.project.directory))
        before, after = saved.simulate(span, today, states), None
        durations: Sequence[AssumedDuration] = ()
        if plan is not None:
            usual, assumed_states = saved.read_usual_durations(plan), () if assumptions.ignores_pauses else states
            is_changed = edit.text != saved.text or assumptions != today
            after = _simulate(plan, span, assumptions, script, assumed_states, usual) if is_changed else before
            durations = list_durations(plan, assumptions, usual, span.since)
        return build_what_if(
            saved.text,
            edit.text,
            errors=edit.errors,
            warnings=edit.warnings,
            before=before,
            after=after,
            durations=durations,
            duration_factor=assumptions.duration_factor,
            since=span.since,
            until=span.until,
            asked_until=since + (asked or length),
            now=datetime.now(UTC),
            zone=saved.project.zone.key,
            name=self.config.name,
        )

    @staticmethod
    def _check_durations(given: Iterable[str], saved: ProjectPlan, edited: ProjectPlan | None) -> None:
        """Refuse durations for unknown jobs. Errors: BadRequest."""
        known = {str(one.job.id) for plan in (saved, edited) if plan is not None for one in plan.plans}
        for job in given:
            # A text with errors may have further jobs.
            if job not in known and edited is not None:
                raise BadRequest(f"durations: no job {quote(job)}{did_you_mean(job, known) or ' in this text'}")

    def _read_saved_text(self) -> str:
        try:
            return self.config.read_text(encoding="utf-8")
        except (OSError, ValueError):
            # It says why the file can't be read.
            return self._load_saved().text

    def _load_saved(self) -> _SavedSide:
        found, now = self._saved, datetime.now(UTC).replace(microsecond=0)
        if (
            found is None
            or not found.since <= now <= found.since + MAX_AGE
            or identify_files(self.config, found.project.config.include) != found.files
        ):
            project = Project.load(self.config)
            text = self.config.read_text(encoding="utf-8")
            found = self._saved = _SavedSide(project, project.plan(), text, project.config.files, now)
        return found


def list_durations(
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


def _script(assumptions: Assumptions, guards: Sequence[tuple[JobId, str]]) -> Script:
    names = {f"{job}.{guard}" for job, guard in guards}
    optional = [answer for answer in assumptions.optional_guards if answer.partition("=")[0] in names]
    answers = [*assumptions.guards, *optional]
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
    durations = {JobId(one.job): one.duration for one in list_durations(plan, assumptions, usual, span.since)}
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


@frozen(kw_only=True)
class TimeAhead:
    """The coming time of a configuration, from now on."""

    since: datetime
    until: datetime
    zone: str
    assumptions: tuple[str, ...]
    """The assumptions of the simulation, in sentences."""
    steps: Iterator[ForecastStep]
    """Its hours, each computed when it is asked for. Errors: BadRequest where there is too much in one."""


def simulate_time_ahead(config: Path, days: int) -> TimeAhead:
    """Simulate the coming days of a configuration, with the pauses of now and runs that take as long as usual.

    Errors: ConfigError, StoreError if pauses can't be read.
    """
    project = Project.load(config)
    plan, since = project.plan(), datetime.now(UTC).replace(microsecond=0)
    until = (since.astimezone(project.zone) + timedelta(days=days)).astimezone(UTC)
    span, jobs = Span(since, until), [one.job.id for one in plan.plans]
    has_store = project.directory.is_dir()
    usual = read_usual_durations(project, jobs, lambda: Client(project.directory)) if has_store else {}
    durations = list_durations(plan, Assumptions(), usual, span.since)
    scenario = Scenario(
        plans=plan.plans,
        settings=plan.settings,
        start=span.since,
        end=span.until,
        durations={JobId(one.job): one.duration for one in durations},
        sources=plan.sources,
        guards=plan.guards,
        states=read_states(project, lambda: Client(project.directory)),
    )
    assumed, steps = simulate_in_steps(scenario, STEP)
    assumptions = tuple(list_assumptions(assumed, durations, 1, local_times(project.zone.key, since)))
    return TimeAhead(since=since, until=until, zone=project.zone.key, assumptions=assumptions, steps=steps)
