"""An edited configuration, checked and simulated beside the one that runs. Nothing of it is saved."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import frozen

from rae_auto.model.primitives.formatting import format_count, format_elapsed, quote
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.simulation.contention import busiest, collisions
from rae_auto.simulation.forecast import Forecast
from rae_auto.views.screens.parts.base import Extent, ScreenBase, local_times
from rae_auto.views.screens.parts.playback import Playback, build_playback

MAX_DURATIONS = 200
"""Number of jobs whose length of runs is listed."""

MAX_STARTS = 200
"""Number of added and removed starts that are listed."""

MAX_GROUPS, MAX_GROUP_STARTS = 100, 40
"""Number of groups of such starts, and of the starts in each, that are listed."""

MAX_TEXT_CHARACTERS = 1 << 20
_LINE = re.compile(r"[^\n]*?:(\d+): ")


@frozen(kw_only=True)
class EditProblem:
    """A message about the edited configuration."""

    line: int | None
    is_error: bool
    text: str


@frozen(kw_only=True)
class ChangedStart:
    """A start that the edit adds or removes."""

    at: datetime
    job: str
    change: str
    """"added" or "removed"."""


@frozen(kw_only=True)
class StartGroup:
    """The starts of a job that the edit adds, or those that it removes."""

    job: str
    change: str
    """"added" or "removed"."""
    count: int
    starts: tuple[datetime, ...]
    """The first of them."""


@frozen(kw_only=True)
class JobChange:
    """The change of a job in the simulated span."""

    job: str
    change: str
    """"added", "removed" or "changed"."""
    starts_before: int
    starts_after: int
    waits_before: int
    waits_after: int
    skips_before: int
    skips_after: int


@frozen(kw_only=True)
class AssumedGuard:
    """A guard that reads the machine, and its answer in the simulated time."""

    job: str
    guard: str
    answer: str
    """"yes", "no" or "unknown"."""


class DurationOrigin(StrEnum):
    """The origin of the length of a job's runs in a simulation."""

    HISTORY = "history"
    GIVEN = "given"
    ASSUMED = "assumed"


@frozen(kw_only=True)
class AssumedDuration:
    """The length of each run of a job in the simulated time: the usual one, one given by hand, or an assumption."""

    job: str
    duration: timedelta
    origin: DurationOrigin


@frozen(kw_only=True)
class WhatIf(ScreenBase):
    """The changes that an edited configuration would make from `since` to `until`."""

    now: datetime
    zone: str
    since: datetime
    until: datetime
    asked_until: datetime
    """The end of the span that was asked for; `until` is earlier where there was no time to simulate all of it."""
    problems: tuple[EditProblem, ...]
    is_usable: bool
    """False if the edited text has errors; then nothing was simulated."""
    jobs: tuple[JobChange, ...]
    """The jobs whose starts, waits or skips differ."""
    starts: tuple[ChangedStart, ...]
    starts_extent: Extent
    start_groups: tuple[StartGroup, ...]
    """The same, together by job and change, in the order of their first starts; each with its full number."""
    start_groups_extent: Extent
    most_at_once_before: int
    most_at_once_after: int
    collisions_before: int
    collisions_after: int
    assumptions: tuple[str, ...]
    """Assumptions of the simulation: pauses, durations, guards that read the machine, triggers that watch."""
    durations: tuple[AssumedDuration, ...]
    """The lengths of runs, by job, in falling order."""
    durations_extent: Extent
    guards: tuple[AssumedGuard, ...]
    """The guards of the edited configuration whose answer the simulation can only assume."""
    playback: Playback | None
    """The simulated time of the edited configuration, step by step; None if it has errors."""
    patch: str
    """The edit as a unified diff."""


def build_what_if(
    old_text: str,
    new_text: str,
    *,
    errors: Sequence[str],
    warnings: Sequence[str],
    before: Forecast | None,
    after: Forecast | None,
    durations: Sequence[AssumedDuration],
    duration_factor: float,
    since: datetime,
    until: datetime,
    asked_until: datetime,
    now: datetime,
    zone: str,
    name: str,
) -> WhatIf:
    """Return what an edit of the file of a name changes; without `after` it has errors, and nothing is compared."""
    problems = list_problems(errors, warnings)
    starts = list(_changed_starts(before, after)) if before and after else []
    groups = _group_starts(starts)
    lengths = sorted(durations, key=lambda one: (-one.duration, one.job))
    return WhatIf(
        now=now,
        zone=zone,
        since=since,
        until=until,
        asked_until=asked_until,
        problems=tuple(problems),
        is_usable=after is not None,
        jobs=tuple(_changed_jobs(before, after)) if before and after else (),
        starts=tuple(starts[:MAX_STARTS]),
        starts_extent=Extent(min(len(starts), MAX_STARTS), len(starts)),
        start_groups=tuple(groups[:MAX_GROUPS]),
        start_groups_extent=Extent(min(len(groups), MAX_GROUPS), len(groups)),
        most_at_once_before=_most_at_once(before),
        most_at_once_after=_most_at_once(after),
        collisions_before=_count_collisions(before),
        collisions_after=_count_collisions(after),
        assumptions=tuple(list_assumptions(after, durations, duration_factor, local_times(zone, now))) if after else (),
        durations=tuple(lengths[:MAX_DURATIONS]),
        durations_extent=Extent(min(len(lengths), MAX_DURATIONS), len(lengths)),
        guards=tuple(_assumed_guards(after)) if after else (),
        playback=build_playback(after) if after else None,
        patch=make_patch(old_text, new_text, name),
    )


def list_problems(errors: Sequence[str], warnings: Sequence[str]) -> list[EditProblem]:
    """Return messages of a check, the errors first."""
    return [*(_problem(line, True) for line in errors), *(_problem(line, False) for line in warnings)]


def make_patch(old_text: str, new_text: str, name: str) -> str:
    """Return an edit of the file of a name as a unified diff; "" if there is none."""
    lines = difflib.unified_diff(
        old_text.splitlines(keepends=True), new_text.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _problem(text: str, is_error: bool) -> EditProblem:
    match = _LINE.match(text)
    return EditProblem(line=int(match[1]) if match else None, is_error=is_error, text=text)


def _starts_of(forecast: Forecast) -> Counter[tuple[datetime, str]]:
    """Return the starts by second and job: a move within a second, which no view shows, is none."""
    return Counter(
        (seen.run.started_at.replace(microsecond=0), str(seen.run.job))
        for seen in forecast.runs
        if seen.run.started_at is not None
    )


def _changed_starts(before: Forecast, after: Forecast) -> Iterator[ChangedStart]:
    old, new = _starts_of(before), _starts_of(after)
    changes = [(at, job, "removed") for at, job in (old - new).elements()]
    changes += [(at, job, "added") for at, job in (new - old).elements()]
    for at, job, change in sorted(changes):
        yield ChangedStart(at=at, job=job, change=change)


def _group_starts(starts: Sequence[ChangedStart]) -> list[StartGroup]:
    found: dict[tuple[str, str], list[datetime]] = {}
    for start in starts:
        found.setdefault((start.job, start.change), []).append(start.at)
    return [
        StartGroup(job=job, change=change, count=len(instants), starts=tuple(instants[:MAX_GROUP_STARTS]))
        for (job, change), instants in found.items()
    ]


def _changed_jobs(before: Forecast, after: Forecast) -> Iterator[JobChange]:
    old, new = _numbers_by_job(before), _numbers_by_job(after)
    known_before, known_after = ({str(plan.job.id) for plan in one.scenario.plans} for one in (before, after))
    for job in sorted(known_before | known_after):
        change = "added" if job not in known_before else "removed" if job not in known_after else "changed"
        if change == "changed" and old[job] == new[job]:
            continue
        yield JobChange(
            job=job,
            change=change,
            starts_before=old[job]["starts"],
            starts_after=new[job]["starts"],
            waits_before=old[job]["waits"],
            waits_after=new[job]["waits"],
            skips_before=old[job]["skips"],
            skips_after=new[job]["skips"],
        )


class _Numbers(dict[str, Counter[str]]):
    def __missing__(self, job: str) -> Counter[str]:
        return self.setdefault(job, Counter())


def _numbers_by_job(forecast: Forecast) -> _Numbers:
    numbers = _Numbers()
    for seen in forecast.runs:
        numbers[seen.run.job]["starts"] += seen.run.started_at is not None
        numbers[seen.run.job]["waits"] += seen.wait is not None
    for skip in forecast.skips:
        numbers[skip.job]["skips"] += 1  # as everywhere: starts that are missed together are one skip
    return numbers


def _most_at_once(forecast: Forecast | None) -> int:
    if forecast is None:
        return 0
    peaks = busiest(forecast, 1)
    return len(peaks[0].jobs) if peaks else min(len(forecast.runs), 1)


def _count_collisions(forecast: Forecast | None) -> int:
    return 0 if forecast is None else sum(collision.times for collision in collisions(forecast))


def _assumed_guards(forecast: Forecast) -> Iterator[AssumedGuard]:
    for job, guard in sorted(forecast.scenario.guards):
        result = forecast.scenario.script.guard_says(job, guard, forecast.scenario.start)
        yield AssumedGuard(job=job, guard=guard, answer=result.verdict.value)


_ORIGINS = {DurationOrigin.GIVEN: "as given", DurationOrigin.ASSUMED: "because none has succeeded yet"}


def list_assumptions(
    forecast: Forecast, durations: Sequence[AssumedDuration], duration_factor: float, time: TimeFormat
) -> Iterator[str]:
    """Yield what a simulation assumes, in sentences."""
    for state in forecast.off_by_hand:
        pause = state.find_pause(forecast.scenario.start)
        if pause is not None:
            yield f"{quote(state.job)} {pause.describe_state(time)}"
        for skip in state.skips:
            yield f"the start of {quote(state.job)} at {time(skip.at)} is skipped by hand"
    times = "" if duration_factor == 1 else f", times {duration_factor:g}"
    known = sum(one.origin is DurationOrigin.HISTORY for one in durations)
    if known:
        count = format_count(known, "job")
        yield f"runs of {count} take the median of their latest successful runs{times}, and succeed"
    for origin, known_by in _ORIGINS.items():
        lengths = Counter(one.duration for one in durations if one.origin is origin)
        for length, jobs in lengths.most_common(3):
            count = format_count(jobs, "job")
            yield f"runs of {count} take {format_elapsed(length)} each, {known_by}{times}, and succeed"
    for job, trigger in forecast.unplayed:
        yield f"trigger {quote(trigger)} of {quote(job)} reports nothing"
    for job, guard in forecast.taken_for_yes:
        yield f"guard {quote(guard)} of {quote(job)} says yes"
