"""Forecasts and what differs between them: rows for people, lines for a pipe, JSON for programs."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from attrs import frozen

from rae_auto.model.decision import Decision
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.reasons import CaughtUp
from rae_auto.model.records import run_record
from rae_auto.model.run import Run, RunState
from rae_auto.simulation.contention import busiest, collisions
from rae_auto.simulation.diff import ForecastOutcome, differences
from rae_auto.simulation.forecast import Forecast, ForecastRun
from rae_auto.views.tables import on_terminal, print_json, show_table

Row = tuple[str, str, str, str]


@frozen
class _Clock:
    """Shows instants in a zone: for a person, or in ISO 8601."""

    where: ZoneInfo

    def __call__(self, at: datetime) -> str:
        local = at.astimezone(self.where)
        return local.strftime("%a %Y-%m-%d %H:%M:%S %Z") if on_terminal() else self.iso(at)

    def iso(self, at: datetime) -> str:
        return at.astimezone(self.where).isoformat()


def show_forecast(forecast: Forecast, where: ZoneInfo, json_: bool) -> None:
    """Print each start, wait and skip in order, then where it is crowded, and what isn't simulated."""
    clock = _Clock(where)
    if json_:
        print_json(_record(forecast, clock))
        return
    events = sorted([*_skips(forecast), *(event for seen in forecast.runs for event in _course(seen, clock))])
    show_table(
        ["at", "what", "job", "details"],
        [*((clock(at), what, job, details) for at, job, what, details in events), *_summary(forecast, clock)],
    )


_Event = tuple[datetime, str, str, str]
"""When, whose, what, and how so."""


def _skips(forecast: Forecast) -> Iterator[_Event]:
    return ((skip.decided_at, skip.job, "skip", skip.reason.text) for skip in forecast.skips)


def _course(seen: ForecastRun, clock: _Clock) -> Iterator[_Event]:
    """What there is to tell of a run."""
    run = seen.run
    if seen.wait is not None:
        yield run.queued_at, run.job, "wait", seen.wait.text
    if run.started_at is not None:
        yield run.started_at, run.job, "start", _details(run, clock)
    elif run.finished_at is not None:
        what = "skip" if run.state is RunState.SKIPPED else str(run.state)
        yield run.finished_at, run.job, what, run.reason.text if run.reason else ""


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
    for peak in busiest(forecast):
        yield clock(peak.at), "busy", "", f"{len(peak.jobs)} at once: {', '.join(peak.jobs)}"
    for found in collisions(forecast):
        waited = f", the longest wait {format_duration(found.longest_wait)}" if found.longest_wait else ""
        yield clock(found.first_at), "collision", found.job, f"{found.reason}, {found.times} in all{waited}"
    for job, trigger in forecast.unplayed:
        yield "", "not simulated", job, f"trigger {trigger}: when it fires can't be computed (--events tells)"
    for job, guard in forecast.taken_for_yes:
        yield "", "taken for yes", job, f"guard {guard}: what it says can't be computed (--guard tells)"


def _record(forecast: Forecast, clock: _Clock) -> dict[str, Any]:
    return {
        **_span(forecast, clock),
        "runs": [_run(seen) for seen in forecast.runs],
        "skips": [_skip(skip) for skip in forecast.skips],
        "busiest": [{"at": clock.iso(peak.at), "jobs": list(peak.jobs)} for peak in busiest(forecast)],
        "collisions": [
            {
                "job": found.job,
                "reason": found.reason,
                "times": found.times,
                "first_at": clock.iso(found.first_at),
                "longest_wait": format_duration(found.longest_wait),
            }
            for found in collisions(forecast)
        ],
        "not_simulated": [{"job": job, "trigger": trigger} for job, trigger in forecast.unplayed],
        "taken_for_yes": [{"job": job, "guard": guard} for job, guard in forecast.taken_for_yes],
    }


def _span(forecast: Forecast, clock: _Clock) -> dict[str, Any]:
    scenario = forecast.scenario
    return {"from": clock.iso(scenario.start), "until": clock.iso(scenario.end), "timezone": clock.where.key}


def _run(seen: ForecastRun) -> dict[str, Any]:
    wait = None if seen.wait is None else {"reason": seen.wait.code, "because": seen.wait.text}
    return {**run_record(seen.run), "cause": seen.run.cause.code, "wait": wait}


def _skip(skip: Decision) -> dict[str, Any]:
    return {
        "job": skip.job,
        "trigger": skip.trigger,
        "scheduled_for": skip.at.isoformat(),
        "decided_at": skip.decided_at.isoformat(),
        "reason": skip.reason.code,
        "because": skip.reason.text,
    }


def show_differences(before: Forecast, after: Forecast, where: ZoneInfo, json_: bool) -> None:
    """Print the occurrences of which something else becomes."""
    clock = _Clock(where)
    found = differences(before, after)
    if json_:
        changes = [
            {
                "scheduled_for": clock.iso(one.at),
                "job": one.job,
                "trigger": one.trigger,
                "before": _upshot(one.before),
                "after": _upshot(one.after),
            }
            for one in found
        ]
        print_json({**_span(before, clock), "differences": changes})
    elif found or not on_terminal():
        rows = [(clock(d.at), d.job, _told(d.before, d.at, clock), _told(d.after, d.at, clock)) for d in found]
        show_table(["due", "job", "now", "then"], rows)
    else:
        click.echo("nothing changes")


def _upshot(upshot: ForecastOutcome | None) -> dict[str, Any] | None:
    if upshot is None:
        return None
    started = None if upshot.started_at is None else upshot.started_at.isoformat()
    return {"started_at": started, "state": upshot.state, "reason": upshot.reason}


def _told(upshot: ForecastOutcome | None, due: datetime, clock: _Clock) -> str:
    if upshot is None:
        return ""
    if upshot.started_at is None:
        return f"{upshot.state} ({upshot.reason})" if upshot.reason else str(upshot.state)
    start = "starts" if upshot.started_at == due else f"starts {clock(upshot.started_at)}"
    return f"{start}, {upshot.state}" if upshot.state.final and upshot.state is not RunState.SUCCEEDED else start
