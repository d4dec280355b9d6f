"""Forecasts and the differences between them: rows for people, lines for a pipe, JSON for programs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import click
from attrs import frozen

from rae_auto.model.decision import Decision
from rae_auto.model.expectations import Overdue
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_count, format_elapsed, quote
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.reasons import CaughtUp, Reason
from rae_auto.model.records import run_record
from rae_auto.model.run import Run, RunState
from rae_auto.simulation.contention import busiest, collisions
from rae_auto.simulation.diff import ForecastOutcome, differences
from rae_auto.simulation.forecast import Forecast, ForecastRun
from rae_auto.views.day_view import Entry, day_lines, summary_lines
from rae_auto.views.tables import on_terminal, print_json, show_table, style

Row = tuple[str, str, str, str]

Problems = Mapping[str, Sequence[str]]
"""Lines about triggers that start nothing because they fail, by job."""

MAX_NAMED_JOBS = 5
"""The number of jobs that the lines about assumed durations and about busy moments name."""


@frozen
class _Clock:
    """Formats instants in a time zone: for a person, or in ISO 8601."""

    where: ZoneInfo

    def __call__(self, at: datetime) -> str:
        local = at.astimezone(self.where)
        return local.strftime("%a %Y-%m-%d %H:%M:%S %Z") if on_terminal() else self.iso(at)

    def in_sentence(self, at: datetime) -> str:
        """Return an instant for a sentence that stands beside another time."""
        local = at.astimezone(self.where)
        return local.strftime("%a %H:%M:%S" if local.second else "%a %H:%M") if on_terminal() else self.iso(at)

    def iso(self, at: datetime) -> str:
        return at.astimezone(self.where).isoformat()


def show_forecast(forecast: Forecast, where: ZoneInfo, json_: bool, problems: Problems = MappingProxyType({})) -> None:
    """Print what happens: in a pipe a line for each start, wait and skip in order, on a terminal day by day.

    Then follow peaks and collisions, and what isn't simulated or is assumed; and the `problems` of jobs, of which
    starts are missing.
    """
    clock = _Clock(where)
    if json_:
        print_json({**_record(forecast, clock), "problems": {job: list(lines) for job, lines in problems.items()}})
        return
    entries = [
        *_skips(forecast, clock),
        *_breaches(forecast, clock),
        *(entry for run in forecast.runs for entry in _list_entries(run, clock)),
    ]
    broken = [("", "problem", job, line) for job, lines in problems.items() for line in lines]
    if on_terminal():
        _show_days(forecast, entries, clock, broken)
        return
    entries.sort(key=lambda entry: (entry.at, entry.job, entry.what))
    rows = [(clock(entry.at), entry.what, entry.job, entry.details) for entry in entries]
    assumed = [("", "assumed", "", _describe_assumed(forecast))] if forecast.assumed else []
    show_table(["at", "what", "job", "details"], [*rows, *_summary(forecast, clock), *broken, *assumed])


def _show_days(forecast: Forecast, entries: Sequence[Entry], clock: _Clock, broken: Sequence[Row]) -> None:
    if forecast.runs:
        click.echo(f"Assumed: {escape_line(_describe_assumed(forecast))}.")
    for line in day_lines(entries, clock.where):
        click.echo(escape_line(line) if line.startswith(" ") else style(escape_line(line), bold=True))
    days = (
        forecast.scenario.end.astimezone(clock.where).date() - forecast.scenario.start.astimezone(clock.where).date()
    ).days
    click.echo(style(f"In {format_count(days, 'day')}", bold=True))
    for line in summary_lines(entries):
        click.echo(escape_line(line))
    for at, what, job, details in (*_summary(forecast, clock), *broken):
        click.echo("  " + escape_line("  ".join(filter(None, [what, job, at, details]))))
    if not entries:
        click.echo("  nothing starts")


_SET_TIME = "set the time with --durations history or JOB=TIME"


def _describe_assumed(forecast: Forecast) -> str:
    """Return how runs are assumed to end, and after how long: most of them, and those of the jobs with another time."""
    if not forecast.assumed:
        return "a run succeeds unless it times out"
    (usual, _), *_ = Counter(forecast.assumed.values()).most_common(1)
    others = [f"of {quote(job)} {format_elapsed(it)}" for job, it in forecast.assumed.items() if it != usual]
    shown = [
        *others[:MAX_NAMED_JOBS],
        *([f"of {len(others) - MAX_NAMED_JOBS} others less"] if len(others) > MAX_NAMED_JOBS else []),
    ]
    exceptions = f" ({', '.join(shown)})" if shown else ""
    return f"a run takes {format_elapsed(usual)}{exceptions} and succeeds; {_SET_TIME}"


def _describe_reason(reason: Reason, clock: _Clock) -> str:
    """Return a reason without the ids of runs, because the real runs will have other ids."""
    text = reason.describe(clock.in_sentence)
    run = getattr(reason, "run", None)
    return text.replace(f"run {run}", "another run") if run else text


def _skips(forecast: Forecast, clock: _Clock) -> Iterator[Entry]:
    for skip in forecast.skips:
        details = _describe_reason(skip.reason, clock)
        yield Entry(skip.decided_at, skip.job, "skip", details, f"skipped ({skip.reason.code})")


def _breaches(forecast: Forecast, clock: _Clock) -> Iterator[Entry]:
    for found in forecast.breaches:
        what = "overdue" if isinstance(found.breach, Overdue) else "too long"
        if found.is_over:
            yield Entry(found.at, found.job, f"not {what}", "", f"no longer {what}")
        else:
            text = found.breach.describe(clock.in_sentence)
            yield Entry(found.at, found.job, what, text, what)


def _list_entries(forecast_run: ForecastRun, clock: _Clock) -> Iterator[Entry]:
    """Yield the wait and the start, or the end, of a run."""
    run, wait = forecast_run.run, forecast_run.wait
    if wait is not None:
        yield Entry(run.queued_at, run.job, "wait", _describe_reason(wait, clock), f"waiting ({wait.code})")
    if run.started_at is not None:
        yield Entry(run.started_at, run.job, "start", _details(run, clock), "start")
    elif run.finished_at is not None:
        what = "skip" if run.state is RunState.SKIPPED else str(run.state)
        kind = "skipped" if run.state is RunState.SKIPPED else str(run.state)
        details = _describe_reason(run.reason, clock) if run.reason else ""
        yield Entry(run.finished_at, run.job, what, details, f"{kind} ({run.reason.code})" if run.reason else kind)


def _details(run: Run, clock: _Clock) -> str:
    parts = ["caught up"] if isinstance(run.cause, CaughtUp) else []
    if run.started_at != run.scheduled_for:
        parts.append(f"due {clock(run.scheduled_for)}")
    if run.state.final and run.state is not RunState.SUCCEEDED:
        parts.append(str(run.state))
    if run.attempt > 1:
        parts.append(f"{run.attempt} attempts")
    return ", ".join(parts)


def _summary(forecast: Forecast, clock: _Clock) -> Iterator[Row]:
    for state in forecast.off_by_hand:
        yield from _off_by_hand_rows(state, forecast, clock)
    for peak in busiest(forecast):
        yield clock(peak.at), "busy", "", f"{len(peak.jobs)} at once: {_name_some(peak.jobs)}"
    for collision in collisions(forecast):
        waited = f", longest wait {format_elapsed(collision.max_wait)}" if collision.max_wait else ""
        yield (
            clock(collision.first_at),
            "collision",
            collision.job,
            f"{collision.reason}, {format_count(collision.times, 'time')}{waited}",
        )
    for job, trigger in forecast.unplayed:
        yield (
            "",
            "not simulated",
            job,
            f"trigger {quote(trigger)}: its occurrences can't be computed; supply them with --events",
        )
    for job, guard in forecast.taken_for_yes:
        yield "", "assumed yes", job, f"guard {quote(guard)}: its result can't be computed; set it with --guard"


def _name_some(jobs: Sequence[str]) -> str:
    """Return the first jobs, and how many more there are."""
    more = len(jobs) - MAX_NAMED_JOBS
    named = ", ".join(jobs[:MAX_NAMED_JOBS])
    return f"{named} and {more} more" if more > 0 else named


def _off_by_hand_rows(state: JobState, forecast: Forecast, clock: _Clock) -> Iterator[Row]:
    pause = state.find_pause(forecast.scenario.start)
    if pause is not None:
        yield "", "paused", state.job, f"{pause.describe_state(clock)}; simulate it without: --no-pauses"
    for skip in state.skips:
        yield clock(skip.at), "skip", state.job, f"skipped by hand, as requested at {clock(skip.requested_at)}"


def _record(forecast: Forecast, clock: _Clock) -> dict[str, Any]:
    return {
        **_span(forecast, clock),
        "runs": [_run_record(run) for run in forecast.runs],
        "skips": [_skip_record(skip) for skip in forecast.skips],
        "breaches": [
            {
                "at": clock.iso(found.at),
                "job": found.job,
                "kind": found.breach.code,
                "text": found.breach.text,
                "over": found.is_over,
            }
            for found in forecast.breaches
        ],
        "busiest": [{"at": clock.iso(peak.at), "jobs": list(peak.jobs)} for peak in busiest(forecast)],
        "collisions": [
            {
                "job": collision.job,
                "reason": collision.reason,
                "times": collision.times,
                "first_at": clock.iso(collision.first_at),
                "longest_wait": format_duration(collision.max_wait),
            }
            for collision in collisions(forecast)
        ],
        "assumed_durations": {job: format_duration(length) for job, length in forecast.assumed.items()},
        "not_simulated": [{"job": job, "trigger": trigger} for job, trigger in forecast.unplayed],
        "paused": [
            {
                "job": state.job,
                "until": None if state.paused_until is None else clock.iso(state.paused_until),
                "note": state.pause_note,
            }
            for state in forecast.off_by_hand
            if state.find_pause(forecast.scenario.start)
        ],
        "skipped_starts": [
            {"job": state.job, "at": clock.iso(skip.at)} for state in forecast.off_by_hand for skip in state.skips
        ],
        "assumed_yes": [{"job": job, "guard": guard} for job, guard in forecast.taken_for_yes],
    }


def _span(forecast: Forecast, clock: _Clock) -> dict[str, Any]:
    scenario = forecast.scenario
    return {"from": clock.iso(scenario.start), "until": clock.iso(scenario.end), "timezone": clock.where.key}


def _run_record(forecast_run: ForecastRun) -> dict[str, Any]:
    wait = forecast_run.wait
    waited = None if wait is None else {"reason": wait.code, "reason_text": wait.text}
    return {**run_record(forecast_run.run), "cause": forecast_run.run.cause.code, "wait": waited}


def _skip_record(skip: Decision) -> dict[str, Any]:
    return {
        "job": skip.job,
        "trigger": skip.trigger,
        "scheduled_for": skip.at.isoformat(),
        "decided_at": skip.decided_at.isoformat(),
        "reason": skip.reason.code,
        "reason_text": skip.reason.text,
    }


def show_differences(before: Forecast, after: Forecast, where: ZoneInfo, json_: bool) -> None:
    """Print the occurrences with another outcome."""
    clock = _Clock(where)
    changed = differences(before, after)
    if json_:
        changes = [
            {
                "scheduled_for": clock.iso(change.at),
                "job": change.job,
                "trigger": change.trigger,
                "before": _outcome_record(change.before),
                "after": _outcome_record(change.after),
            }
            for change in changed
        ]
        print_json({**_span(before, clock), "differences": changes})
    elif changed or not on_terminal():
        rows = [
            (clock(d.at), d.job, _describe_outcome(d.before, d.at, clock), _describe_outcome(d.after, d.at, clock))
            for d in changed
        ]
        show_table(["due", "job", "before", "after"], rows)
    else:
        click.echo("nothing changes")


def _outcome_record(outcome: ForecastOutcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    started = None if outcome.started_at is None else outcome.started_at.isoformat()
    return {"started_at": started, "state": outcome.state, "reason": outcome.reason}


def _describe_outcome(outcome: ForecastOutcome | None, due: datetime, clock: _Clock) -> str:
    if outcome is None:
        return ""
    if outcome.started_at is None:
        return f"{outcome.state} ({outcome.reason})" if outcome.reason else str(outcome.state)
    start = "starts" if outcome.started_at == due else f"starts {clock(outcome.started_at)}"
    return f"{start}, {outcome.state}" if outcome.state.final and outcome.state is not RunState.SUCCEEDED else start
