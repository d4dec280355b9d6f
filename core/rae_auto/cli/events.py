"""event: what happened, told by programs, shells and people, and what is kept of it."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.control.client import Client
from rae_auto.errors import BadRequest, DaemonUnreachable
from rae_auto.model.primitives.human_units import format_count
from rae_auto.views.tables import instant, print_json, show_table

LARGEST = 1 << 20
"""Characters of standard input; what is too much for the daemon is less."""


@click.group("event")
def event_command() -> None:
    """Record what happened for triggers to look at, and show or delete what is recorded.

    Example: rae-auto event send backup.mounted
    """


@event_command.command("send")
@click.argument("name")
@click.option("--data", metavar="JSON", help="An object with whatever belongs to it; '-' reads it from standard input.")
@click.option("--field", "fields", multiple=True, metavar="KEY=TEXT", help="One field of it; KEY:=JSON for no text.")
@click.option("--at", metavar="ISO", help="When it happened; by default now.")
@options.as_json
def send_command(name: str, data: str | None, fields: tuple[str, ...], at: str | None, json_: bool) -> None:
    """Record that something happened; prints the id of the event once it is durable.

    Example: rae-auto event send door.opened --field room=kitchen --field times:=2
    """
    content = {**_object(data), **dict(map(_field, fields))}
    with Client() as client:
        answer = client.call("record_event", name=_text(name), data=content, at=at)
    if json_:
        print_json(answer)
    else:
        click.echo(answer["id"])


def _object(data: str | None) -> dict[str, Any]:
    if data is None:
        return {}
    text = sys.stdin.read(LARGEST + 1) if data == "-" else _text(data)
    if len(text) > LARGEST:
        raise BadRequest("--data is larger than 64 KB; keep it elsewhere and record its place")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"--data is no JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadRequest("""--data must be a JSON object, as in '{"room": "kitchen"}'""")
    return value


def _field(given: str) -> tuple[str, Any]:
    key, is_there, value = _text(given).partition("=")
    if not is_there or key in ("", ":"):
        raise BadRequest(f"--field {key[:64]!r} must be KEY=TEXT or KEY:=JSON")
    if not key.endswith(":"):
        return key, value
    try:
        return key[:-1], json.loads(value)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"--field {key[:64]}= is no JSON ({error}); KEY=TEXT is for text") from None


def _text(argument: str) -> str:
    """What stands on the command line as text that every program can read, whatever bytes it is made of."""
    return argument.encode(errors="surrogateescape").decode(errors="replace")


@event_command.command("list")
@click.option("--name", "names", multiple=True, metavar="GLOB", help="Only events named so; may be repeated.")
@click.option("--since", metavar="ISO", help="Only events at or after this instant.")
@click.option("--until", metavar="ISO", help="Only events at or before this instant.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@click.option("--runs", is_flag=True, help="The ends of runs too: run.succeeded, run.failed …")
@options.config
@options.as_json
def list_command(names: tuple[str, ...], config: str | None, json_: bool, **query: Any) -> None:
    """Show recorded events, the newest first; also while no daemon runs.

    Example: rae-auto event list --name "shell.*"
    """
    found = _ask("list_events", {"names": list(names) or ["*"], **query}, config)
    if json_:
        print_json(found)
        return
    rows = [(instant(event["at"]), event["name"], _in_words(event["data"])) for event in found]
    show_table(["at", "name", "data"], rows)


def _in_words(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False) if data else ""


@event_command.command("delete")
@click.argument("names", nargs=-1, metavar="[GLOB]...")
@click.option("--all", "all_", is_flag=True, help="Every event, whatever its name.")
@click.option("--before", metavar="ISO", help="Only events before this instant.")
@options.config
@options.as_json
def delete_command(names: tuple[str, ...], all_: bool, before: str | None, config: str | None, json_: bool) -> None:
    """Delete recorded events for good, and say how many; also while no daemon runs.

    Example: rae-auto event delete "shell.*"
    """
    if all_ == bool(names):
        raise click.UsageError("name the events to delete, or use --all")
    answer = _ask("delete_events", {"names": list(names) or ["*"], "before": before}, config)
    if json_:
        print_json(answer)
    else:
        click.echo(f"deleted {format_count(answer['deleted'], 'event')}")


def _ask(command: str, query: dict[str, Any], config: str | None) -> Any:
    try:
        # Without a limit: deleting rewrites the files of the store, which may be large.
        with Client(timeout=None) as client:
            return client.call(command, **query)
    except DaemonUnreachable:
        from rae_auto.offline import queries

        return getattr(queries, command)(options.load_project(config), query)


@event_command.command("hook")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def hook_command(shell: str) -> None:
    """Print what makes a shell record each command as the event shell.command; see docs/events.md before.

    Example: rae-auto event hook bash
    """
    # Not by its name, which another directory may lead to; and -P, lest a module in the working directory be ours.
    program = shlex.join([sys.executable, "-P", "-m", "rae_auto"])
    script = Path(__file__).with_name("hooks") / f"hook.{shell}"
    click.echo(script.read_text().replace("@PROGRAM@", program), nl=False)
