"""The command event: events recorded by programs, shells and people."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.cli.queries import connect, query, query_with_zone, report_check, zone_of
from rae_auto.cli.usage import CommandGroup, JsonObject, OneOf, valid_text
from rae_auto.errors import BadRequest
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.views.events import EVENT_HEADERS, event_rows
from rae_auto.views.tables import print_json, show_table

MAX_COMPARED_EVENTS = 1000
"""The number of events, the newest, whose names are compared with one that isn't found."""


@click.group("event", cls=CommandGroup, renamed={"forget": "delete"})
def event_command() -> None:
    """Record events that triggers react to, and list or delete recorded events.

    Example: rae-auto event send backup.mounted
    """


@event_command.command("send")
@click.argument("name", shell_complete=options.complete("events"))
@click.option(
    "--data", type=JsonObject(), metavar="JSON", help="The data, a JSON object; '-' reads it from standard input."
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="KEY=TEXT",
    help="One field of the data; KEY:=JSON if not text.",
)
@click.option("--at", metavar="TIME", help="The time of the event: 5m ago, 09:00; by default now.")
@options.config
@options.as_json
def send_command(
    name: str, data: dict[str, Any] | None, fields: tuple[str, ...], at: str | None, config: str | None, json_: bool
) -> None:
    """Record an event and print its id once it is durable.

    Example: rae-auto event send door.opened --field room=kitchen --field times:=2
    """
    content = {**(data or {}), **dict(map(_parse_field, fields))}
    with connect(config) as client:
        moment = None if at is None else options.read_time("--at", at, zone_of(client)).instants[0].isoformat()
        answer = client.call("record_event", name=valid_text(name), data=content, at=moment)
    if json_:
        print_json(answer)
    else:
        click.echo(answer["id"])


def _parse_field(argument: str) -> tuple[str, Any]:
    key, has_value, value = valid_text(argument).partition("=")
    if not has_value or key in ("", ":"):
        raise BadRequest(f"--field {quote(key[:64])} must be KEY=TEXT or KEY:=JSON")
    if not key.endswith(":"):
        return key, value
    try:
        return key[:-1], json.loads(value)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"--field {key[:64]}= is not valid JSON ({error}); for text use KEY=TEXT") from None


@event_command.command("list")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="GLOB",
    help="Only events with this name; may be repeated.",
    shell_complete=options.complete("events"),
)
@click.option("--since", metavar="TIME", help="Only events at or after this time: yesterday, 1h, 09:00.")
@click.option("--until", metavar="TIME", help="Only events at or before this time.")
@options.limit("events")
@click.option("--runs", is_flag=True, help="Include the ends of runs: run.succeeded, run.failed …")
@options.config
@options.as_json
@options.headers
def list_command(names: tuple[str, ...], config: str | None, json_: bool, **bounds: Any) -> None:
    """List recorded events, the newest first. Works without a daemon.

    Example: rae-auto event list --name "shell.*"
    """
    events, zone = query_with_zone("list_events", {"names": list(names) or ["*"], **bounds}, config)
    if json_:
        print_json(events)
    else:
        show_table(EVENT_HEADERS, event_rows(events, zone))
    if names and not events:
        _suggest_names(names, config)


def _suggest_names(names: tuple[str, ...], config: str | None) -> None:
    """Print a note for each name that no recorded event has but that is like one of theirs."""
    recent = query("list_events", {"names": ["*"], "limit": MAX_COMPARED_EVENTS, "runs": True}, config)
    known = {event["name"] for event in recent}
    for name in names:
        if name not in known and "*" not in name and (near := did_you_mean(name, known)):
            click.echo(escape_line(f"no event {quote(name)} is recorded{near}"), err=True)


@event_command.command("delete")
@click.argument("names", nargs=-1, metavar="[GLOB]...", shell_complete=options.complete("events"))
@click.option("--all", "all_", is_flag=True, help="Delete all events.")
@click.option("--before", metavar="TIME", help="Only events before this time: yesterday, 1h, 09:00.")
@options.config
@options.as_json
def delete_command(names: tuple[str, ...], all_: bool, before: str | None, config: str | None, json_: bool) -> None:
    """Delete recorded events permanently. Works without a daemon.

    Example: rae-auto event delete "shell.*"
    """
    if all_ and names:
        raise click.UsageError("--all deletes all events; leave it out to delete only those named")
    if not all_ and not names:
        raise click.UsageError("no events are named; name those to delete, or use --all")
    report_check(config)
    # Without a time limit: deleting rewrites the files of the store, which may be large.
    answer = query("delete_events", {"names": list(names) or ["*"], "before": before}, config, timeout=None)
    if json_:
        print_json(answer)
    else:
        click.echo(f"deleted {format_count(answer['deleted'], 'event')}")


@event_command.command("hook")
@click.argument("shell", type=OneOf(["bash", "zsh", "fish"]))
def hook_command(shell: str) -> None:
    """Print a hook that makes a shell record each command as an event. See docs/reference/events.md first.

    Example: rae-auto event hook bash
    """
    # The interpreter by its path, and -P so that no module of the working directory is imported instead.
    program = shlex.join([sys.executable, "-P", "-m", "rae_auto"])
    script = Path(__file__).with_name("hooks") / f"hook.{shell}"
    click.echo(script.read_text().replace("@PROGRAM@", program), nl=False)
