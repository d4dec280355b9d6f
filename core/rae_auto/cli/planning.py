"""The commands init, check, next, schema and completion: before anything runs."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rae_auto.cli import options
from rae_auto.cli.plain.configuration import config_path
from rae_auto.cli.queries import connect
from rae_auto.cli.usage import OneOf, WholeNumber
from rae_auto.model.primitives.escaping import escape_line, escape_text
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.zones import LOCAL, zone
from rae_auto.views.tables import on_terminal, print_json, show_table

if TYPE_CHECKING:
    from rae_auto.config import Report


@click.command("init")
@click.argument("file", default="rae.toml")
def init_command(file: str) -> None:
    """Write a commented starter configuration. An existing file is never overwritten.

    Example: rae-auto init
    """
    from rae_auto.config.starter import write_starter

    write_starter(Path(file))
    click.echo(f"wrote {escape_text(file)}; try 'rae-auto check', then 'rae-auto run'")


@click.command("check")
@click.option("--strict", is_flag=True, help="Fail if there are warnings.")
@options.config
@options.as_json
def check_command(strict: bool, config: str | None, json_: bool) -> int:
    """Find all errors of a configuration, and what is likely to fail on this machine, without running anything.

    What is found for several jobs alike is shown for the first one, with the names of the others; --json lists each.
    The exit code is 2 if there are errors, with --strict also for warnings.

    Example: rae-auto check --config rae.toml
    """
    from rae_auto.checks.alike_findings import merge_alike
    from rae_auto.checks.check import check_file
    from rae_auto.registry import Registry

    path = config_path(config)
    report = check_file(path, Registry())
    has_failed = bool(report.errors or (strict and report.warnings))
    if json_:
        print_json(
            {
                "file": str(path),
                "valid": not report.errors,
                "jobs": report.jobs,
                "errors": list(report.errors),
                "warnings": list(report.warnings),
            }
        )
    else:
        for line, more in merge_alike(report.errors):
            click.echo(escape_text(f"{line} ({more.removeprefix('; ')})" if more else line))
        for line, more in merge_alike(report.warnings):
            click.echo(f"{escape_text(line)} (warning{escape_text(more)})")
        click.echo(_summarize(path, report))
    return 2 if has_failed else 0


def _summarize(path: Path, report: "Report") -> str:
    """Return the last line of a check."""
    name = escape_text(str(path))
    warnings = format_count(len(report.warnings), "warning") if report.warnings else "no warnings"
    if report.errors:
        return f"{name}: {format_count(len(report.errors), 'error')}, {warnings}"
    return f"{name} is valid: {format_count(report.jobs, 'job')}, {warnings}"


def print_note(line: str) -> None:
    """Print a line for a person, beside the output proper."""
    click.echo(escape_text(line), err=True)


@click.command("next")
@click.argument("what", metavar="EXPR|JOB", shell_complete=options.complete("jobs"))
@click.option("--tz", metavar="ZONE", help="An IANA time zone; by default the configured or the local one.")
@click.option("--from", "start", metavar="TIME", help="Only instants after this time: tomorrow, 18:00; by default now.")
@click.option(
    "-n", "--count", "count", type=WholeNumber(1, 10_000), default=5, show_default=True, help="Show so many instants."
)
@options.config
@options.as_json
def next_command(what: str, tz: str | None, start: str | None, count: int, config: str | None, json_: bool) -> int:
    """Show when a cron expression or a job starts next.

    The guards of a job count if they depend on the time alone; a terminal also shows what they forbid. The exit code
    is 1 if a plugin failed, because later instants are missing then.

    Example: rae-auto next "0 9 * * mon-fri" --tz Europe/Berlin --count 3
    """
    from rae_auto.model.primitives.local_times import Direction
    from rae_auto.offline.next_runs import Schedules, schedules_of_expression, schedules_of_job
    from rae_auto.views.next_starts import next_lines, select_starts

    schedules: Schedules | None
    try:
        # No job has a colon in its name, but a time of day has.
        if what.startswith("@") or ":" in what or len(what.split()) > 1:
            schedules = schedules_of_expression(what, tz, config, print_note)
        else:
            needed = () if tz else ("timezone",)
            load = partial(options.load_project, config, for_reading=True, needed=needed)
            schedules = schedules_of_job(what, tz, load, print_note, lambda: connect(config))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if schedules is None:
        (found, failure), where = select_starts((), 0), zone(LOCAL)
    else:
        where = schedules.zone
        after = datetime.now(UTC)
        if start is not None:
            after = options.read_time("--from", start, where, Direction.FUTURE).instants[0]
        found, failure = select_starts(schedules.next_starts(after), count)
    starts = [at.starts_at.astimezone(where).isoformat() for at in found if at.starts_at is not None]
    if failure is not None and not starts:
        raise failure
    if schedules is not None and count and not starts:
        print_note(schedules.explain_absence(found))
    for line in schedules.describe_unknown_starts() if schedules is not None and count else ():
        print_note(line)
    if json_:
        print_json(starts)
    elif on_terminal():
        for line in next_lines(found, where, datetime.now(UTC), is_from_now=start is None):
            click.echo(escape_line(line))
    else:
        for text in starts:
            click.echo(text)
    if failure is not None:
        print_note(f"rae-auto: {failure}")
    return 0 if failure is None else 1


@click.command("schema")
@click.argument("name", type=OneOf(["config", "job"]), default="config")
@click.option("--keys", is_flag=True, help="List the keys instead, with types, defaults and meanings.")
def schema_command(name: str, keys: bool) -> None:
    """Print the JSON Schema of the configuration (with all installed plugins), or of stored jobs and runs.

    Example: rae-auto schema job --keys
    """
    if keys:
        from rae_auto.offline.configuration_keys import list_keys

        rows = [
            [option.name, option.type, option.default or "required", option.help]
            for option in list_keys(jobs_only=name == "job")
        ]
        show_table(["key", "type", "default", "meaning"], rows)
        return
    from rae_auto.config.schema import config_schema, job_schema
    from rae_auto.registry import Registry

    print_json(config_schema(Registry()) if name == "config" else job_schema())


@click.command("completion")
@click.argument("shell", type=OneOf(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script for a shell: commands, options, and the names of jobs, runs, states and plugins.

    \b
    bash:  eval "$(rae-auto completion bash)"    in ~/.bashrc
    zsh:   eval "$(rae-auto completion zsh)"     in ~/.zshrc, below compinit
    fish:  rae-auto completion fish | source     in ~/.config/fish/config.fish

    Example: rae-auto completion bash
    """
    from click.shell_completion import get_completion_class

    from rae_auto.cli.interactive.bash_words import add_bash_words
    from rae_auto.cli.program import program

    add_bash_words()

    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(program, {}, "rae-auto", "_RAE_AUTO_COMPLETE").source())
