"""The command add: a job from options, a file, or both."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from rae_auto.cli import options
from rae_auto.cli.change.definition import definition_of, triggers_of, work_of
from rae_auto.cli.change.option_words import to_options
from rae_auto.cli.queries import connect, zone_of
from rae_auto.cli.usage import KeyValue, OneOf, WholeNumber
from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.tables import print_json
from rae_auto.views.times import local_and_relative_time


@click.command("add")
@click.argument("name", required=False)
@click.argument("command", nargs=-1)
@click.option("--file", "file_", metavar="FILE", help="Read the job from a file: keys as in rae.toml, or [jobs.NAME].")
@click.option("--shell", metavar="LINE", help="Run a command line of the system's shell, instead of a command.")
@click.option("--script", metavar="FILE", help="Run a Python script, with what follows -- as its arguments.")
@click.option("--schedule", metavar="EXPR", help="A cron expression.")
@click.option("--tz", metavar="ZONE", help="The time zone of --schedule; by default the configured one.")
@click.option("--every", metavar="DURATION", help="Run it repeatedly, at this interval.")
@click.option("--at", metavar="TIME", help="Run it once, at this time: in 10 minutes, tomorrow 9:00.")
@click.option("--on", "paths", multiple=True, metavar="PATH", help="Run it when this file or folder changes.")
@click.option(
    "--trigger",
    "triggers",
    multiple=True,
    metavar="TYPE:KEY=VALUE",
    help="Another trigger, as 'file:paths=/inbox', with further pairs after commas, or as a table.",
    shell_complete=options.complete("triggers"),
)
@click.option(
    "--executor",
    metavar="TYPE:KEY=VALUE",
    help="What runs it, as 'process:orphans=allow' or a table.",
    shell_complete=options.complete("executors"),
)
@click.option("--cwd", metavar="FOLDER", help="Where the command starts; by default in this folder.")
@click.option("--env", type=KeyValue(), multiple=True, metavar="KEY=VALUE", help="A variable of its environment.")
@click.option(
    "--pass-env",
    multiple=True,
    metavar="NAME",
    help="A variable of the daemon that it gets too; may be repeated.",
)
@click.option(
    "--needs",
    multiple=True,
    metavar="JOB",
    help="A job whose latest run must have succeeded.",
    shell_complete=options.complete("jobs"),
)
@click.option(
    "--guard",
    "guards",
    multiple=True,
    metavar="TYPE:KEY=VALUE",
    help="A guard, as 'load:below=2' or a table.",
    shell_complete=options.complete("guards"),
)
@click.option("--guard-timeout", metavar="DURATION", help="Wait so long for its guards.")
@click.option("--timeout", metavar="DURATION", help="End a run that takes longer.")
@click.option("--priority", type=OneOf(["low", "normal", "high", "critical"]), help="Its place in the queue.")
@click.option(
    "--overlap",
    type=OneOf(["skip", "queue", "replace", "allow"]),
    help="What to do while a run of the job is open.",
)
@click.option("--retries", type=WholeNumber(0, 999), help="Retry a failed run so many times.")
@click.option(
    "--success-code",
    "success_codes",
    type=WholeNumber(0, 255),
    multiple=True,
    metavar="CODE",
    help="An exit code that counts as success, in place of 0; may be repeated.",
)
@click.option("--fail-on", type=OneOf(["stderr"]), help="A run that writes to standard error fails.")
@click.option("--replace", is_flag=True, help="Replace the job if it exists.")
@options.config
@options.as_json
def add_command(
    name: str | None,
    command: tuple[str, ...],
    file_: str | None,
    replace: bool,
    config: str | None,
    json_: bool,
    **fields: Any,
) -> None:
    """Add a job to the daemon, which keeps it in the store.

    The job runs in the folder where you type this. --on, --trigger, --env, --needs and --guard may be repeated.

    Example: rae-auto add tidy --every 1h --guard load:below=2 -- find /tmp/scratch -mtime +7 -delete
    """
    work = work_of(fields, command)
    definition = definition_of(fields, _from_file(file_, name, work), command, file_)
    if name:
        definition["id"] = name
    if not any(definition.get(key) for key in ("command", "shell", "python", "script", "executor")):
        raise click.UsageError("nothing to run; end with -- and a command, as in 'rae-auto add tidy -- ls /tmp'")
    if not definition.get("id"):
        raise click.UsageError("the job has no name; write 'rae-auto add NAME', or set id in the file")
    with connect(config) as client:
        if fields["at"]:
            at = options.read_future_time("--at", fields["at"], zone_of(client))
            definition["schedule"] = triggers_of({**fields, "at": at.isoformat()})
        try:
            added = client.call("add", definition=definition, replace=replace, via="command_line")
        except SchedulerError as error:
            if file_ is None:
                error.args = (to_options(str(error)), *error.args[1:])
            raise
    if json_:
        print_json(added)
    else:
        click.echo(f"added {escape_line(added['job'])}; {_describe_start(added, zone_of(client))}")
        print_warnings(added)


def print_warnings(added: dict[str, Any]) -> None:
    """Print what is likely to fail in a job that the daemon has accepted."""
    for line in added["warnings"]:
        click.echo(f"rae-auto: {escape_line(line)} (warning)", err=True)


def _describe_start(added: dict[str, Any], zone: ZoneInfo) -> str:
    if added["next_at"] is not None:
        return f"next at {local_and_relative_time(added['next_at'], zone, datetime.now(UTC))}"
    if added["is_triggered"]:
        return "it runs when its trigger fires"
    return f"start it with 'rae-auto trigger {escape_line(added['job'])}'"


def _from_file(file: str | None, name: str | None, work: dict[str, Any]) -> dict[str, Any]:
    """Return the definition in a file: a table of TOML as in a configuration, or JSON as `show --json` prints it."""
    if file is None:
        return {}
    if file.endswith(".json"):
        return _from_json(file)
    from rae_auto.config.job_file import read_job_file  # lazy: start-up
    from rae_auto.model import documents  # lazy: start-up
    from rae_auto.registry import Registry  # lazy: start-up

    return dict(documents.dump(read_job_file(Path(file), Registry(), name, work)))


def _from_json(name: str) -> dict[str, Any]:
    try:
        definition: Any = json.loads(Path(name).read_text())
    except OSError as error:
        raise click.UsageError(f"{name}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{name}: invalid JSON: {error}") from None
    if not isinstance(definition, dict):
        raise click.UsageError(f"{name}: must contain the fields of one job")
    return definition.get("definition", definition)  # type: ignore[no-any-return]
