"""The commands list, show, remove, pause, resume and skip: the jobs of a running daemon."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click

from rae_auto.cli import options
from rae_auto.cli.queries import ask_project, connect, shown_zone, zone_of
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.units import parse_duration
from rae_auto.views.jobs import JOB_HEADERS, OPTIONAL_JOB_HEADERS, job_details, job_problem_lines, job_rows, split_done
from rae_auto.views.tables import print_json, show_table
from rae_auto.views.times import describe_instant


@click.command("list")
@click.option("--all", "all_", is_flag=True, help="Include jobs that have been done for more than a day.")
@options.config
@options.as_json
@options.headers
def list_command(all_: bool, config: str | None, json_: bool) -> None:
    """List all jobs, with their present state and their next run. Works without a daemon.

    A job that will not start again, because its only time is past, leaves the list a day after its last run.

    Example: rae-auto list --json
    """
    try:
        with connect(config) as client:
            jobs, zone = client.call("list"), shown_zone(client)
    except DaemonUnreachable as problem:
        from rae_auto.offline.job_queries import list_jobs  # lazy: start-up

        jobs, zone = ask_project(config, list_jobs, problem)
    if json_:
        print_json(jobs)
        return
    shown, done = (jobs, []) if all_ else split_done(jobs, datetime.now(UTC))
    show_table(JOB_HEADERS, job_rows(shown, zone), optional=OPTIONAL_JOB_HEADERS)
    for line in job_problem_lines(shown):
        click.echo(f"rae-auto: {escape_line(line)}", err=True)
    if done:
        count = format_count(len(done), "job")
        click.echo(f"rae-auto: without {count} done more than a day ago; 'rae-auto list --all' shows all", err=True)


@click.command("show")
@options.job
@options.config
@click.option("--toml", is_flag=True, help="Print its definition for a configuration file: >> rae.toml.")
@options.as_json
def show_command(job: str, config: str | None, toml: bool, json_: bool) -> None:
    """Show a job: its definition, its state, and its open runs. Works without a daemon.

    Example: rae-auto show backup
    """
    try:
        with connect(config) as client:
            details, zone = client.call("show", job=job), shown_zone(client)
    except DaemonUnreachable as problem:
        from rae_auto.offline.job_queries import show_job  # lazy: start-up

        details, zone = ask_project(config, lambda project: show_job(project, job), problem)
    if json_:
        print_json(details)
        return
    if toml:
        from rae_auto.config.job_text import format_document  # lazy: start-up

        definition = details["definition"]
        # A job of a file starts in the folder of that file, an added one where it was added.
        folder = definition.get("directory") if details["info"]["origin"] == "store" else None
        click.echo(format_document(definition, folder), nl=False)
        return
    show_table(["field", "value"], job_details(details, zone))


@click.command("remove")
@options.jobs
@options.config
def remove_command(jobs: tuple[str, ...], config: str | None) -> None:
    """Remove jobs that were added by hand, with or without a running daemon. Their open runs finish.

    Example: rae-auto remove tidy
    """
    for job in dict.fromkeys(jobs):
        try:
            with connect(config) as client:
                client.call("remove", job=job)
        except DaemonUnreachable:
            from rae_auto.offline.removal import remove_stored_job  # lazy: start-up

            remove_stored_job(options.load_project(config), job)
        click.echo(f"removed {escape_line(job)}")


_jobs = click.argument("jobs", nargs=-1, metavar="[JOB...]", shell_complete=options.complete("jobs"))


@click.command("pause")
@_jobs
@click.option("--all", "all_", is_flag=True, help="Pause all jobs.")
@click.option("--for", "for_", metavar="DURATION", help="End the pause after so long: 2h, 3d.")
@click.option("--until", metavar="TIME", help="End the pause at this time: 18:00, tomorrow 9:00, 2026-12-24.")
@click.option("--note", metavar="TEXT", default="", help="Say why; shown wherever the pause is.")
@options.config
def pause_command(
    jobs: tuple[str, ...], all_: bool, for_: str | None, until: str | None, note: str, config: str | None
) -> None:
    """Pause jobs: they start by hand only, until the pause ends or they are resumed.

    \b
    Example: rae-auto pause backup --for 2h --note "disk is being replaced"
             rae-auto pause --all --until "tomorrow 9:00"
    """
    names, now = _names(jobs, all_), datetime.now(UTC)
    with connect(config) as client:
        where = zone_of(client)
        end = _end_of_pause(for_, until, where, now)
        answer = client.call("pause", jobs=names, until=end and end.isoformat(), note=note)
    text = "" if end is None else f" until {describe_instant(end, where, now)}"
    for name in map(escape_line, answer["jobs"]):
        if name in answer["changed"]:
            click.echo(f"paused {name}{text}")
        else:
            click.echo(f"{name} was already paused; 'rae-auto resume {name}' resumes it")


def _names(jobs: tuple[str, ...], is_all: bool) -> list[str] | str:
    """Return the names that are given, or "all". Errors: click.UsageError unless it is one of both."""
    if bool(jobs) == is_all:
        raise click.UsageError("name jobs or use --all, not both" if is_all else "name a job, or use --all")
    return "all" if is_all else list(jobs)


def _end_of_pause(duration: str | None, until: str | None, where: ZoneInfo, now: datetime) -> datetime | None:
    """Return the instant of the options, or None. Errors: click.UsageError."""
    if duration is not None and until is not None:
        raise click.UsageError("--for and --until both say when the pause ends; use one of them")
    if until is not None:
        return options.read_future_time("--until", until, where)
    if duration is None:
        return None
    try:
        length = parse_duration(duration)
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from None
    if not length:
        raise click.UsageError("--for: a pause of no length ends at once; use a duration such as 2h")
    return now + length


@click.command("resume")
@_jobs
@click.option("--all", "all_", is_flag=True, help="Resume all jobs.")
@options.config
def resume_command(jobs: tuple[str, ...], all_: bool, config: str | None) -> None:
    """Resume paused jobs.

    Example: rae-auto resume backup
    """
    names = _names(jobs, all_)
    with connect(config) as client:
        answer = client.call("resume", jobs=names)
    for name in map(escape_line, answer["changed"] if all_ else answer["jobs"]):
        click.echo(f"resumed {name}" if name in answer["changed"] else f"{name} was not paused; nothing has changed")
    if all_ and not answer["changed"]:
        click.echo("no job was paused; nothing has changed")


@click.command("skip")
@options.job
@click.option("--undo", is_flag=True, help="Take back the last skip.")
@options.config
def skip_command(job: str, undo: bool, config: str | None) -> None:
    """Skip the next scheduled start of a job; a second time, the one after it.

    The exit code is 1 if the job has no start to skip, or with --undo no skip to take back.

    Example: rae-auto skip backup
    """
    with connect(config) as client:
        where = zone_of(client)
        answer = client.call("skip", job=job, undo=undo)
    now = datetime.now(UTC)
    at, next_at = (value and describe_instant(datetime.fromisoformat(value), where, now) for value in answer.values())
    done = "will start again at" if undo else "skips its start at"
    click.echo(f"{escape_line(job)} {done} {at}; next start: {next_at or 'none'}")
