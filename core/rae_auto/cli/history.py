"""The commands history, stats and why: what runs have done."""

from typing import Any

import click

from rae_auto.cli import options
from rae_auto.cli.interactive.run_targets import find_run, naming_job
from rae_auto.cli.plain.history import show_history
from rae_auto.cli.queries import query
from rae_auto.views.explanations import check_lines, explanation_lines
from rae_auto.views.statistics import STATISTICS_HEADERS, statistics_rows
from rae_auto.views.tables import print_json, show_table


@click.command("history")
@options.optional_job
@click.option(
    "--state",
    "states",
    multiple=True,
    metavar="STATE",
    help="Only runs in this state; may be repeated.",
    shell_complete=options.complete("states"),
)
@click.option("--since", metavar="TIME", help="Only runs queued at or after this time: yesterday, 1h, 09:00.")
@click.option("--until", metavar="TIME", help="Only runs queued at or before this time.")
@click.option("--decisions", is_flag=True, help="Include what did not run, and why.")
@options.limit("runs")
@options.config
@options.as_json
@options.headers
def history_command(**arguments: Any) -> None:
    """Show runs, the newest first. Works without a daemon.

    Example: rae-auto history backup --state failed
    """
    show_history(**arguments)


@click.command("stats")
@options.optional_job
@click.option("--since", metavar="TIME", help="Only runs queued at or after this time: yesterday, 1h, 09:00.")
@options.config
@options.as_json
@options.headers
def stats_command(job: str | None, since: str | None, config: str | None, json_: bool) -> None:
    """Show how often runs succeed, how long they take and how late they start. Works without a daemon.

    Counts the newest 5,000 runs of a job, or of all jobs, and says of how many.

    Example: rae-auto stats backup
    """
    statistics = query("stats", {"job": job, "since": since}, config)
    if json_:
        print_json(statistics)
    else:
        show_table(STATISTICS_HEADERS, statistics_rows(statistics))


@click.command("why")
@click.argument("target", metavar="JOB|RUN", shell_complete=options.complete("jobs and runs"))
@click.option("--at", metavar="TIME", help="Explain the occurrence at about this time: 02:30, yesterday 18:00.")
@click.option("--run", metavar="ID", help="Explain this run.", shell_complete=options.complete("runs"))
@click.option("--tree", is_flag=True, help="Show each check with its result: yes, no, unknown, or - if it isn't made.")
@options.config
@options.as_json
def why_command(target: str, at: str | None, run: str | None, tree: bool, config: str | None, json_: bool) -> None:
    """Explain why a job ran, did not run, or is waiting: now, at a time, or in a run. Works without a daemon.

    A run is named by its id, or by the start of it. A time without an offset is in the time zone of the configuration.

    Example: rae-auto why backup --at 2026-11-23T03:00
    """
    job = target
    if run is None and (named := find_run(target, config)) is not None:
        if at is not None:
            raise click.UsageError(f"--at goes with a job, and {target} is a run; leave one of them out")
        job, run = named["job"], named["run_id"]
    with naming_job(target):
        explanation = query("why", {"job": job, "at": at, "run": run, "local_times": not json_}, config)
    if json_:
        print_json(explanation)
        return
    for line in (check_lines if tree else explanation_lines)(explanation):
        click.echo(line)
