"""The commands disk and prune: what history and output take on the disk, and removing what is old."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from rae_auto.cli import options
from rae_auto.cli.queries import connect, print_notices, report_check
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.formatting import format_bytes, format_count
from rae_auto.paths import find_config, state_directory
from rae_auto.views.tables import print_json, show_table

if TYPE_CHECKING:
    from rae_auto.offline.disk import DiskUsage

MAX_SHOWN_JOBS = 10


@click.command("disk")
@options.config
@options.as_json
@options.headers
def disk_command(config: str | None, json_: bool) -> None:
    """Show what the history, the output of jobs and the log take on the disk. Works without a daemon.

    Example: rae-auto disk
    """
    from rae_auto.offline.disk import measure_disk_usage  # lazy: start-up

    usage = measure_disk_usage(options.find_state_directory(config))
    if json_:
        print_json(_record(usage))
        return
    click.echo(f"{usage.directory}: {format_bytes(usage.total)}; {format_bytes(usage.free)} are free")
    shown = list(usage.output.items())[:MAX_SHOWN_JOBS]
    more = len(usage.output) - len(shown)
    rows = [
        ("store", "", usage.store, "history, decisions, events, jobs; 'rae-auto prune' removes what is old"),
        ("output", "", sum(usage.output.values()), format_count(len(usage.output), "job")),
        *(("output", job, size, "") for job, size in shown),
        *([("output", f"{more} more", sum(list(usage.output.values())[MAX_SHOWN_JOBS:]), "")] if more > 0 else []),
        ("log", "", usage.log, ""),
        ("kept aside", "", usage.kept_aside, "old stores and damaged files; delete them when you don't need them"),
        ("other", "", usage.other, ""),
    ]
    show_table(
        ["what", "job", "size", "note"], [(what, job, format_bytes(size), note) for what, job, size, note in rows]
    )


def _record(usage: "DiskUsage") -> dict[str, Any]:
    return {
        "state_directory": str(usage.directory),
        "total": usage.total,
        "store": usage.store,
        "output": usage.output,
        "log": usage.log,
        "kept_aside": usage.kept_aside,
        "other": usage.other,
        "free": usage.free,
    }


@click.command("prune")
@click.option("--older-than", metavar="DURATION", help="Also remove what is older than this, as in 30d.")
@options.config
@options.as_json
def prune_command(older_than: str | None, config: str | None, json_: bool) -> None:
    """Remove the history and output that `[history]` doesn't keep, now instead of within the hour.

    Works without a daemon. Open runs stay.

    Example: rae-auto prune --older-than 30d
    """
    from rae_auto.model.primitives.units import parse_duration  # lazy: start-up
    from rae_auto.offline.disk import measure_disk_usage  # lazy: start-up

    try:
        age = None if older_than is None else parse_duration(older_than)
    except ValueError as error:
        raise click.UsageError(f"--older-than: {error}") from None
    directory = state_directory(find_config(config))
    before = measure_disk_usage(directory).total
    removed = _prune(age, config)
    freed = max(before - measure_disk_usage(directory).total, 0)
    if json_:
        print_json({"removed": removed, "freed": freed})
    else:
        space = f"{format_bytes(freed)} are free again" if freed else "their space is used again by new ones"
        click.echo(f"removed {format_count(removed, 'record')}{f'; {space}' if removed or freed else ''}")


def _prune(age: timedelta | None, config: str | None) -> int:
    report_check(config)
    try:
        # Without a time limit: a large history takes its time.
        with connect(config, timeout=None) as client:
            return int(client.call("prune", older_than=None if age is None else age.total_seconds())["removed"])
    except DaemonUnreachable:
        from rae_auto.offline.prune import prune  # lazy: start-up

        project = options.load_project(config)
        removed = prune(project, age)
        print_notices(project)
        return removed
