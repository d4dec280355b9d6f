"""The commands list, show, remove, pause and resume: the jobs of a running daemon."""

from datetime import UTC, datetime

import click

from rae_auto.cli import options
from rae_auto.cli.queries import ask_project, connect, zone_of
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_count
from rae_auto.views.jobs import JOB_HEADERS, OPTIONAL_JOB_HEADERS, job_details, job_rows, split_done
from rae_auto.views.tables import print_json, show_table


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
            jobs, zone = client.call("list"), zone_of(client)
    except DaemonUnreachable as problem:
        from rae_auto.offline.job_queries import list_jobs  # lazy: start-up

        jobs, zone = ask_project(config, list_jobs, problem)
    if json_:
        print_json(jobs)
        return
    shown, done = (jobs, []) if all_ else split_done(jobs, datetime.now(UTC))
    show_table(JOB_HEADERS, job_rows(shown, zone), optional=OPTIONAL_JOB_HEADERS)
    if done:
        count = format_count(len(done), "job")
        click.echo(f"rae-auto: without {count} done more than a day ago; 'rae-auto list --all' shows all", err=True)


@click.command("show")
@options.job
@options.config
@options.as_json
def show_command(job: str, config: str | None, json_: bool) -> None:
    """Show a job: its definition, its state, and its open runs. Works without a daemon.

    Example: rae-auto show backup
    """
    try:
        with connect(config) as client:
            details, zone = client.call("show", job=job), zone_of(client)
    except DaemonUnreachable as problem:
        from rae_auto.offline.job_queries import show_job  # lazy: start-up

        details, zone = ask_project(config, lambda project: show_job(project, job), problem)
    if json_:
        print_json(details)
        return
    show_table(["field", "value"], job_details(details, zone))


@click.command("remove")
@options.job
@options.config
def remove_command(job: str, config: str | None) -> None:
    """Remove a job that was added by hand, with or without a running daemon. Its open runs finish.

    Example: rae-auto remove tidy
    """
    try:
        with connect(config) as client:
            client.call("remove", job=job)
    except DaemonUnreachable:
        from rae_auto.offline.removal import remove_stored_job  # lazy: start-up

        remove_stored_job(options.load_project(config), job)
    click.echo(f"removed {escape_line(job)}")


@click.command("pause")
@options.job
@options.config
def pause_command(job: str, config: str | None) -> None:
    """Pause a job: it starts by hand only, until it is resumed.

    Example: rae-auto pause backup
    """
    with connect(config) as client:
        is_changed = client.call("pause", job=job)["changed"]
    name = escape_line(job)
    click.echo(f"paused {name}" if is_changed else f"{name} was already paused; 'rae-auto resume {name}' resumes it")


@click.command("resume")
@options.job
@options.config
def resume_command(job: str, config: str | None) -> None:
    """Resume a paused job.

    Example: rae-auto resume backup
    """
    with connect(config) as client:
        is_changed = client.call("resume", job=job)["changed"]
    name = escape_line(job)
    click.echo(f"resumed {name}" if is_changed else f"{name} was not paused; nothing has changed")
