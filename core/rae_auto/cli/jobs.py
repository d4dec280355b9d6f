"""The commands list, show, add, remove, pause and resume: the jobs of a running daemon."""

import json
from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.cli.queries import show_zone_of
from rae_auto.cli.usage import OneOf, WholeNumber
from rae_auto.control.client import Client
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.jobs import JOB_HEADERS, job_details, job_rows
from rae_auto.views.tables import print_json, show_table


@click.command("list")
@options.as_json
def list_command(json_: bool) -> None:
    """List all jobs, with their present state and their next run.

    Example: rae-auto list --json
    """
    with Client() as client:
        show_zone_of(client)
        jobs = client.call("list")
    if json_:
        print_json(jobs)
        return
    show_table(JOB_HEADERS, job_rows(jobs))


@click.command("show")
@options.job
@options.as_json
def show_command(job: str, json_: bool) -> None:
    """Show a job: its definition, its state, and its open runs.

    Example: rae-auto show backup
    """
    with Client() as client:
        show_zone_of(client)
        details = client.call("show", job=job)
    if json_:
        print_json(details)
        return
    show_table(["field", "value"], job_details(details))


@click.command("add")
@click.argument("name", required=False)
@click.argument("command", nargs=-1)
@click.option("--file", "file_", metavar="FILE", help="Read the fields of the job from a TOML or JSON file.")
@click.option("--schedule", metavar="EXPR", help="A cron expression.")
@click.option("--every", metavar="DURATION", help="Run it repeatedly, at this interval.")
@click.option("--at", metavar="INSTANT", help="Run it once, at this instant.")
@click.option("--timeout", metavar="DURATION", help="End a run that takes longer.")
@click.option("--priority", type=OneOf(["low", "normal", "high", "critical"]), help="Its place in the queue.")
@click.option(
    "--overlap",
    type=OneOf(["skip", "queue", "replace", "allow"]),
    help="What to do while a run of the job is open.",
)
@click.option("--retries", type=WholeNumber(0, 999), help="Retry a failed run so many times.")
@click.option("--replace", is_flag=True, help="Replace the job if it exists.")
@options.as_json
def add_command(
    name: str | None, command: tuple[str, ...], file_: str | None, replace: bool, json_: bool, **fields: Any
) -> None:
    """Add a job to the daemon, which keeps it in the store.

    Example: rae-auto add tidy --every 1h -- find /tmp/scratch -mtime +7 -delete
    """
    definition = {**_from_file(file_), **_definition(fields)}
    if name:
        definition["id"] = name
    if command:
        definition["command"] = list(command)
    if not any(definition.get(key) for key in ("command", "shell", "python", "executor")):
        raise click.UsageError("nothing to run; end with -- and a command, as in 'rae-auto add tidy -- ls /tmp'")
    if not definition.get("id"):
        raise click.UsageError("the job has no name; write 'rae-auto add NAME', or set id in the file")
    with Client() as client:
        added = client.call("add", definition=definition, replace=replace)
    if json_:
        print_json(added)
    else:
        click.echo(f"added {escape_line(added['job'])}")


def _definition(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the definition of a job from the options."""
    triggers = {"schedule": ("cron", "expression"), "every": ("interval", "every"), "at": ("once", "at")}
    schedule = [
        {"type": kind, "options": {option: fields[name]}} for name, (kind, option) in triggers.items() if fields[name]
    ]
    plain = {name: fields[name] for name in ("timeout", "priority", "overlap") if fields[name]}
    retry = {"retry_policy": {"attempts": fields["retries"] + 1}} if fields["retries"] is not None else {}
    return {**plain, **retry, **({"schedule": schedule} if schedule else {})}


def _from_file(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    import tomllib  # lazy: start-up

    try:
        text = Path(name).read_text()
        definition: Any = json.loads(text) if name.endswith(".json") else tomllib.loads(text)
    except OSError as error:
        raise click.UsageError(f"{name}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{name}: {error}") from None
    if not isinstance(definition, dict):
        raise click.UsageError(f"{name}: must contain the fields of one job")
    return definition


@click.command("remove")
@options.job
def remove_command(job: str) -> None:
    """Remove a job that was added by hand. Its open runs finish.

    Example: rae-auto remove tidy
    """
    with Client() as client:
        client.call("remove", job=job)
    click.echo(f"removed {escape_line(job)}")


@click.command("pause")
@options.job
def pause_command(job: str) -> None:
    """Pause a job: it starts by hand only, until it is resumed.

    Example: rae-auto pause backup
    """
    with Client() as client:
        client.call("pause", job=job)
    click.echo(f"paused {escape_line(job)}")


@click.command("resume")
@options.job
def resume_command(job: str) -> None:
    """Resume a paused job.

    Example: rae-auto resume backup
    """
    with Client() as client:
        client.call("resume", job=job)
    click.echo(f"resumed {escape_line(job)}")
