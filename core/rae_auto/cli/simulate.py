"""The command simulate: a forecast of a configuration, by the engine that runs it."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rae_auto.cli import options
from rae_auto.cli.plain.configuration import config_path
from rae_auto.cli.queries import connect, print_notices
from rae_auto.cli.usage import WholeNumber
from rae_auto.errors import DaemonUnreachable, StoreError
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import quote

if TYPE_CHECKING:
    from rae_auto.api.plugin import Kind
    from rae_auto.model.job_state import JobState, Span
    from rae_auto.model.primitives.names import JobId
    from rae_auto.offline.project import Project
    from rae_auto.simulation.script import Script, ScriptedGuardResult


@click.command("simulate")
@click.option("--from", "start", metavar="TIME", help="The start: tomorrow, 18:00, 2026-10-25; by default now.")
@click.option("--days", type=WholeNumber(1, 366), default=1, show_default=True, help="Simulate so many days.")
@click.option(
    "--downtime", "downtimes", multiple=True, metavar="A..B", help="No daemon between A and B; may be repeated."
)
@click.option(
    "--durations",
    multiple=True,
    metavar="history|JOB=TIME",
    help="How long runs take: the median of past runs, or this time; by default 10 s at most. May be repeated.",
)
@click.option(
    "--events",
    metavar="recorded|FILE",
    help="Events to react to: those recorded at that time, or a file of JSON lines.",
)
@click.option(
    "--guard",
    "guards",
    multiple=True,
    metavar="[JOB.]GUARD=ANSWER",
    help="The result of a guard that reads the machine: yes (the default), no or unknown. May be repeated.",
)
@click.option(
    "--job",
    "jobs",
    multiple=True,
    metavar="JOB",
    help="Show this job alone; may be repeated. The others are played too, as they share max_parallel.",
    shell_complete=options.complete("jobs"),
)
@click.option("--starts", is_flag=True, help="Show starts alone, without waits and skips.")
@click.option("--no-pauses", is_flag=True, help="Simulate as if no job were paused and no start skipped by hand.")
@click.option("--against", metavar="FILE", help="Show only what this other configuration would change.")
@options.config
@options.as_json
def simulate_command(
    start: str | None,
    days: int,
    downtimes: tuple[str, ...],
    durations: tuple[str, ...],
    events: str | None,
    guards: tuple[str, ...],
    jobs: tuple[str, ...],
    starts: bool,
    no_pauses: bool,
    against: str | None,
    config: str | None,
    json_: bool,
) -> int:
    """Show what the configuration would do: each start, wait and skip, with its reason. Nothing is executed.

    The exit code is 1 if a plugin failed, because the forecast is incomplete then.

    Example: rae-auto simulate --from 2026-10-25 --days 7 --durations history
    """
    from rae_auto.model.primitives.names import SEE_JOBS, did_you_mean
    from rae_auto.offline.project import Project
    from rae_auto.simulation.forecast import Scenario, simulate
    from rae_auto.views.forecasts import show_differences, show_forecast

    path = config_path(config)
    projects = [Project.load(file) for file in (path, *([] if against is None else [Path(against).expanduser()]))]
    where, project = projects[0].zone, projects[0]
    plans = [project.plan() for project in projects]
    since, until = _span(start, days, where)
    spans = _downtimes(downtimes, since, until, where)
    known = [job.job.id for plan in plans for job in plan.plans]
    for job in jobs:
        if job not in known:
            raise click.UsageError(f"--job: no job {quote(job[:64])}{did_you_mean(job[:64], known) or SEE_JOBS}")
    lengths = _durations(durations, known, project)
    read = [guard for plan in plans for guard in plan.guards]
    script = _script(events, [_guard_turn(text, read) for text in guards], (since, until), where, project)
    is_past = start is not None and since < _now()
    states = () if no_pauses or is_past else _states(project)
    forecasts = [
        simulate(
            Scenario(
                plans=plan.plans,
                settings=plan.settings,
                start=since,
                end=until,
                durations=lengths,
                downtimes=spans,
                sources=plan.sources,
                guards=plan.guards,
                script=script,
                states=states,
            )
        )
        for plan in plans
    ]
    forecasts = [forecast.select(jobs, starts_only=starts) for forecast in forecasts]
    if against is not None:
        show_differences(forecasts[0], forecasts[1], where, json_)
        return _report_failures(projects)
    shown = [plan for plan in plans[0].plans if not jobs or plan.job.id in jobs]
    factory = project.plugins
    broken: dict[str, Sequence[str]] = {plan.job.id: lines for plan in shown if (lines := factory.job_problems(plan))}
    show_forecast(forecasts[0], where, json_, broken)
    return _report_failures(projects, {use for plan in shown for use in factory.trigger_uses(plan).values()})


def _report_failures(projects: "Iterable[Project]", shown: "Collection[tuple[Kind, str, str]]" = frozenset()) -> int:
    """Print each failure of a plugin that isn't shown yet; the exit code, 1 if there are failures."""
    quarantines = [project.plugins.quarantine for project in projects]
    for problem in dict.fromkeys(problem for one in quarantines for problem in one.problems(shown)):
        click.echo(f"rae-auto: {escape_line(problem)}", err=True)
    return int(any(one.problems() for one in quarantines))


def _span(start: str | None, days: int, where: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the first and the last instant. Days are calendar days, which may have 23 or 25 hours."""
    begin = _now().astimezone(where) if start is None else _instant("--from", start, where).astimezone(where)
    return begin.astimezone(UTC), (begin + timedelta(days=days)).astimezone(UTC)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _states(project: "Project") -> "tuple[JobState, ...]":
    """Return the pauses and skipped starts that jobs have now; none where the store can't be read."""
    from rae_auto.offline.job_states import read_states  # lazy: start-up

    try:
        states = read_states(project, lambda: connect(str(project.path)))
    except StoreError as error:
        click.echo(f"rae-auto: pauses and skipped starts are unknown: {escape_line(str(error))}", err=True)
        return ()
    print_notices(project)
    return states


def _instant(option: str, text: str, where: ZoneInfo) -> datetime:
    from rae_auto.model.primitives.local_times import Direction  # lazy: start-up

    return options.read_time(option, text, where, Direction.FUTURE).instants[0]


def _downtimes(given: Iterable[str], since: datetime, until: datetime, where: ZoneInfo) -> "tuple[Span, ...]":
    from rae_auto.model.job_state import Span

    spans = []
    for text in given:
        begin, dots, end = text.partition("..")
        if not dots:
            raise click.UsageError(
                f"--downtime {quote(text[:60])} must be A..B, as in 2026-10-25T18:00..2026-10-26T08:00"
            )
        spans.append(Span(_instant("--downtime", begin, where), _instant("--downtime", end, where)))
    spans.sort(key=lambda span: span.since)
    bounds = [since, *(bound for span in spans for bound in (span.since, span.until)), until]
    if bounds != sorted(bounds):
        raise click.UsageError("--downtime spans must lie in the simulated time, end after they start, and not overlap")
    return tuple(spans)


def _script(
    events: str | None,
    guards: "Sequence[ScriptedGuardResult]",
    span: tuple[datetime, datetime],
    where: ZoneInfo,
    project: "Project",
) -> "Script":
    """Return the events from a file or from the records, and the results of guards."""
    from rae_auto.model.primitives.local_times import parse_local_time
    from rae_auto.simulation.script import Script
    from rae_auto.simulation.script_files import read_script

    if events is None:
        return Script(guards=tuple(guards))
    try:
        text = json.dumps(_recorded(*span, project)) if events == "recorded" else Path(events).expanduser().read_text()
        script = read_script(text, events, lambda text: parse_local_time(text, where, span[0]).instants[0])
    except ValueError as error:
        raise click.UsageError(f"--events {error}") from None
    # A result on the command line applies to the whole time.
    return Script(script.events, script.occurrences, (*guards, *script.guards))


def _guard_turn(text: str, read: "Sequence[tuple[JobId, str]]") -> "ScriptedGuardResult":
    """Parse the result of a guard, which must be one that reads the machine."""
    from rae_auto.simulation.script_files import parse_guard_answer

    try:
        return parse_guard_answer(text, read)
    except ValueError as error:
        raise click.UsageError(f"--guard {error}") from None


def _recorded(since: datetime, until: datetime, project: "Project") -> list[dict[str, Any]]:
    """Return all records until then; those before `since` are the history that patterns know.

    The ends of runs from `since` on are left out, because the simulation has its own.
    """
    from rae_auto.api.events import RUN_ENDED

    records: list[dict[str, Any]]
    try:
        with connect(str(project.path)) as client:
            records = client.call("world_log", until=until.isoformat())
    except DaemonUnreachable:
        from rae_auto.offline.queries import world_log

        records = world_log(project, until)
        print_notices(project)
    return [
        record
        for record in records
        if not record.get("name", "").startswith(RUN_ENDED) or datetime.fromisoformat(record["at"]) < since
    ]


def _durations(given: Sequence[str], jobs: "Sequence[JobId]", project: "Project") -> "dict[JobId, timedelta]":
    """Return how long runs take, as far as that is known; options override the history."""
    from rae_auto.model.primitives.names import JobId, did_you_mean
    from rae_auto.model.primitives.units import parse_duration

    given_durations = {}
    for text in given:
        name, equals, length = text.partition("=")
        if text == "history":
            continue
        if not equals:
            raise click.UsageError(f"--durations {quote(text[:60])} must be history or JOB=TIME, as in backup=5m")
        if name not in jobs:
            raise click.UsageError(f"--durations: no job {quote(name[:64])}{did_you_mean(name[:64], jobs)}")
        try:
            given_durations[JobId(name)] = parse_duration(length)
        except ValueError as error:
            raise click.UsageError(f"--durations {name}: {error}") from None
    return {**(_usual_durations(jobs, project) if "history" in given else {}), **given_durations}


def _usual_durations(jobs: "Sequence[JobId]", project: "Project") -> "dict[JobId, timedelta]":
    from rae_auto.offline.usual_durations import read_usual_durations

    found = read_usual_durations(project, jobs, lambda: connect(str(project.path)))
    print_notices(project)
    return found
