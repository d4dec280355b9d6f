"""Options, arguments and helpers that several commands share."""

import sys
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import click

from rae_auto.cli.failures import print_once
from rae_auto.cli.plain.configuration import config_path
from rae_auto.cli.usage import WholeNumber
from rae_auto.errors import DaemonUnreachable, SchedulerError
from rae_auto.paths import find_config, last_config, state_directory, unreadable_state_line

if TYPE_CHECKING:
    from rae_auto.model.primitives.local_times import Direction, RequestedTime
    from rae_auto.offline.project import Project

F = TypeVar("F", bound=Callable[..., Any])

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")
config = click.option("--config", metavar="FILE", help="The configuration file; by default the nearest rae.toml.")


def _use_headers(_context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    from rae_auto.views.tables import use_headers  # lazy: start-up

    use_headers(wanted)


headers = click.option(
    "--headers",
    is_flag=True,
    expose_value=False,
    callback=_use_headers,
    help="Print the names of the columns in a pipe, too.",
)


def limit(noun: str) -> "Callable[[F], F]":
    """Return the option for the number of records to show."""
    return click.option(
        "-n",
        "--limit",
        "limit",
        type=WholeNumber(1, 100_000),
        default=20,
        show_default=True,
        help=f"Show so many {noun} at most.",
    )


def find_state_directory(given: str | None) -> Path:
    """Return the state directory of the configuration to use, and say which it is if the file can't tell."""
    path = find_config(given)
    directory = state_directory(path)
    if path is not None and (line := unreadable_state_line(path)) is not None:
        click.echo(f"rae-auto: {path}:{line}: state can't be read; using {directory}", err=True)
    return directory


def read_time(
    option: str, text: str, zone: ZoneInfo, direction: "Direction | None" = None, *, is_given: bool = True
) -> "RequestedTime":
    """Return the time that an option gives, by default one of the past, and say on a terminal how it was understood.

    A default, which the person has not given, needs no such line. `--since` is never one of the future.

    Errors: click.UsageError, which names the option and gives examples.
    """
    # lazy: start-up
    from rae_auto.model.primitives.local_times import Direction, parse_local_time, parse_past_time
    from rae_auto.views.times import describe_instant  # lazy: start-up

    now = datetime.now(UTC)
    try:
        if option == "--since":
            time = parse_past_time(text, zone, now)
        else:
            time = parse_local_time(text, zone, now, direction or Direction.PAST)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None
    if is_given and sys.stderr.isatty():
        remark = f"; {time.remark}" if time.remark else ""
        click.echo(f"{option}: {describe_instant(time.instants[0], zone, now)}{remark}", err=True)
    return time


def read_future_time(option: str, text: str, zone: ZoneInfo) -> datetime:
    """Return the instant that an option gives, as `read_time` does, but never one of the past."""
    from rae_auto.model.primitives.local_times import Direction  # lazy: start-up
    from rae_auto.views.times import describe_instant  # lazy: start-up

    instant, now = read_time(option, text, zone, Direction.FUTURE).instants[0], datetime.now(UTC)
    if instant <= now:
        past = describe_instant(instant, zone, now)
        raise click.UsageError(f'{option}: {past} is in the past; name a time to come, as in "in 10 minutes"')
    return instant


def complete(kind: str) -> "Callable[[click.Context, click.Parameter, str], list[str]]":
    """Return the completion of names of a kind: a key of `completions._KINDS`, such as "jobs" or "events"."""

    def find(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        from rae_auto.cli.interactive.completions import find_names  # lazy: start-up

        return find_names(kind, context, incomplete)

    return find


def load_project(given: str | None, *, for_reading: bool = False, needed: Collection[str] = ()) -> "Project":
    """Load the project of a configuration; `for_reading` puts up with errors in it, but for the keys that are `needed`.

    Errors: ConfigError.
    """
    from rae_auto.offline.project import Project  # lazy: start-up

    path = find_config(given) or last_config(state_directory())
    place = config_path(given) if path is None else path
    project = Project.load_for_reading(place, needed) if for_reading else Project.load(place)
    project.report = print_once
    return project


def for_each(names: Iterable[str], act: Callable[[str], None]) -> None:
    """Do something for each name, also after it failed for another.

    Errors: the error if it failed for one, an ExceptionGroup for several; DaemonUnreachable at once.
    """
    failures: list[Exception] = []
    for name in names:
        try:
            act(name)
        except DaemonUnreachable:
            raise
        except SchedulerError as error:
            failures.append(error)
    if failures:
        raise failures[0] if len(failures) == 1 else ExceptionGroup("several failed", failures)


job = click.argument("job", shell_complete=complete("jobs"))
jobs = click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=complete("jobs"))
optional_job = click.argument("job", required=False, shell_complete=complete("jobs"))
some_notifiers = click.argument("notifiers", nargs=-1, metavar="[NAME]...", shell_complete=complete("notifiers"))
notifiers = click.argument(
    "notifiers", nargs=-1, required=True, metavar="NAME...", shell_complete=complete("notifiers")
)
