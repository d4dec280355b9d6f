"""list, show, add, remove, pause, resume: the jobs of a running daemon."""

import json
from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.control.client import Client
from rae_auto.views.escaping import visible_line
from rae_auto.views.tables import instant, print_json, show_table


@click.command("list")
@options.as_json
def list_command(json_: bool) -> None:
    """List all jobs: what they do at present, and when they run next.

    Example: rae-auto list --json
    """
    with Client() as client:
        jobs = client.call("list")
    if json_:
        print_json(jobs)
        return
    rows = [
        (job["id"], job["activity"], job["last_state"], instant(job["next_at"]), ", ".join(job["schedule"]))
        for job in jobs
    ]
    show_table(["job", "now", "last", "next", "schedule"], rows)


@click.command("show")
@options.job
@options.as_json
def show_command(job: str, json_: bool) -> None:
    """Show a job: its definition, how it stands, and its open runs.

    Example: rae-auto show backup
    """
    with Client() as client:
        shown = client.call("show", job=job)
    if json_:
        print_json(shown)
        return
    info = shown["info"]
    rows: list[tuple[str, Any]] = [
        *(
            (name, value if isinstance(value, str) else json.dumps(value))
            for name, value in shown["definition"].items()
        ),
        ("now", info["activity"]),
        ("next", instant(info["next_at"])),
        ("last", f"{info['last_state'] or '-'} {instant(info['last_finished_at'])}"),
        *(("open run", f"{run['run_id']} {run['state']}") for run in shown["open"]),
    ]
    show_table(["field", "value"], rows)


@click.command("add")
@click.argument("name", required=False)
@click.argument("command", nargs=-1)
@click.option("--file", "file_", metavar="FILE", help="Read the fields of the job from a TOML or JSON file.")
@click.option("--schedule", metavar="EXPR", help="A cron expression.")
@click.option("--every", metavar="DURATION", help="Run it again and again after this time.")
@click.option("--at", metavar="INSTANT", help="Run it once, at this time.")
@click.option("--timeout", metavar="DURATION", help="End it after this time.")
@click.option("--priority", type=click.Choice(["low", "normal", "high", "critical"]))
@click.option("--overlap", type=click.Choice(["skip", "queue", "replace", "allow"]))
@click.option("--retries", type=click.IntRange(0, 999), help="Try again so often.")
@click.option("--replace", is_flag=True, help="Change the job if it exists.")
@options.as_json
def add_command(
    name: str | None, command: tuple[str, ...], file_: str | None, replace: bool, json_: bool, **fields: Any
) -> None:
    """Add a job to the daemon; it is kept in the store.

    Example: rae-auto add tidy --every 1h -- find /tmp/scratch -mtime +7 -delete
    """
    definition = {**_from_file(file_), **_definition(fields)}
    if name:
        definition["id"] = name
    if command:
        definition["command"] = list(command)
    with Client() as client:
        added = client.call("add", definition=definition, replace=replace)
    if json_:
        print_json(added)
    else:
        click.echo(f"added {visible_line(added['job'])}")


def _definition(fields: dict[str, Any]) -> dict[str, Any]:
    """The document of a job from the options."""
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
    import tomllib

    try:
        text = Path(name).read_text()
        read: Any = json.loads(text) if name.endswith(".json") else tomllib.loads(text)
    except OSError as error:
        raise click.UsageError(f"{name}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{name}: {error}") from None
    if not isinstance(read, dict):
        raise click.UsageError(f"{name}: must hold the fields of one job")
    return read


@click.command("remove")
@options.job
def remove_command(job: str) -> None:
    """Remove a job that was added by hand; a run in hand finishes.

    Example: rae-auto remove tidy
    """
    with Client() as client:
        client.call("remove", job=job)
    click.echo(f"removed {visible_line(job)}")


@click.command("pause")
@options.job
def pause_command(job: str) -> None:
    """Let a job start nothing by itself until it is resumed.

    Example: rae-auto pause backup
    """
    with Client() as client:
        client.call("pause", job=job)
    click.echo(f"paused {visible_line(job)}")


@click.command("resume")
@options.job
def resume_command(job: str) -> None:
    """Let a paused job go on.

    Example: rae-auto resume backup
    """
    with Client() as client:
        client.call("resume", job=job)
    click.echo(f"resumed {visible_line(job)}")
