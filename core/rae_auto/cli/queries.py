"""The connection to the daemon of a configuration, and queries that the store answers while none is running."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from rae_auto.cli.failures import print_once
from rae_auto.cli.plain.machine_zone import NAMES_OF_UTC, is_machine_zone
from rae_auto.control.client import ANSWER_TIMEOUT_SECONDS, Client, required_zone
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.paths import find_config, is_same_config, state_directory
from rae_auto.views.tables import print_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo
    from typing import Any, TypeVar
    from zoneinfo import ZoneInfo

    from rae_auto.offline.project import Project

    T = TypeVar("T")


LOG_QUERIES = frozenset({"history", "decisions", "stats", "why", "list_events", "list_notices"})
"""Commands that read what is on record, which the store answers too."""


class OtherDaemonRuns(DaemonUnreachable):
    """The daemon with this state directory runs another configuration."""


def connect(config: str | None, timeout: float | None = ANSWER_TIMEOUT_SECONDS) -> Client:
    """Return a connection to the daemon of a configuration: that of `--config`, or the nearest `rae.toml`.

    Errors: DaemonUnreachable if none is running, or if the one with this state directory runs another configuration.
    """
    return _connect(config, timeout)[0]


def report_check(config: str | None) -> None:
    """Say on standard error that a removal waits, if a daemon is still checking its store."""
    try:
        with connect(config) as client:
            if client.call("health").get("store", {}).get("is_checking"):
                from rae_auto.offline.history_check import REMOVAL_WAITS  # lazy: start-up

                print_once(REMOVAL_WAITS)
    except DaemonUnreachable:
        pass  # Then the removal says it itself.


def connect_and_read(
    command: str,
    arguments: dict[str, Any],
    config: str | None,
    timeout: float | None = ANSWER_TIMEOUT_SECONDS,
) -> tuple[Client, Any]:
    """Return a connection as `connect` does, and the answer to a command that changes nothing.

    Both are asked for in one message, so that the daemon has to wake up once only.
    """
    client, (answer,) = _connect(config, timeout, (command, arguments))
    return client, answer


def _connect(
    config: str | None, timeout: float | None, *requests: tuple[str, dict[str, Any]]
) -> tuple[Client, list[Any]]:
    path = find_config(config)
    client = Client(state_directory(path), timeout)
    try:
        answers = client.call_each(("ping", {}), *requests)
        daemon = next(answers)
        _check_config(path, daemon.get("config"), state_directory(path))
        client.timezone = daemon.get("timezone")
        return client, list(answers)
    except BaseException:
        client.close()
        raise


def _check_config(wanted: Path | None, running: str | None, directory: Path) -> None:
    # A program that embeds a scheduler has no configuration.
    if wanted is None or running is None or is_same_config(wanted, Path(running)):
        return
    raise OtherDaemonRuns(
        f"no daemon is running for {wanted.absolute()}: the one in {directory} runs {running}; "
        f"use '--config {running}' for that, or give this file a directory of its own with the key state"
    )


def query(
    command: str, arguments: dict[str, Any], config: str | None, timeout: float | None = ANSWER_TIMEOUT_SECONDS
) -> Any:
    """Return the answer as `query_with_zone` does, alone."""
    return query_with_zone(command, arguments, config, timeout)[0]


def query_with_zone(
    command: str, arguments: dict[str, Any], config: str | None, timeout: float | None = ANSWER_TIMEOUT_SECONDS
) -> tuple[Any, tzinfo | None]:
    """Return the answer of the control command, or of the function of this name in `rae_auto.offline.queries`.

    With it comes the time zone in which people read it; None stands for the machine's. Times of the past among the
    arguments, as people write them, are by the clock of the configured zone.
    """
    try:
        # A time is read by the clock of the daemon's zone, which has to be known first.
        can_be_sent_at_once = command in LOG_QUERIES and not _times_in(arguments)
        client, answers = _connect(config, timeout, *([(command, arguments)] if can_be_sent_at_once else []))
        with client:
            if not can_be_sent_at_once:
                answers = [client.call(command, **_with_instants(arguments, zone_of(client)))]
            return answers[0], shown_zone(client)
    except DaemonUnreachable:
        from rae_auto.cli import options  # lazy: start-up
        from rae_auto.offline import queries  # lazy: start-up

        project = options.load_project(config, for_reading=True)
        answer = getattr(queries, command)(project, _with_instants(arguments, project.zone))
        print_notices(project)
        return answer, project.zone


def ask_project(
    config: str | None, answer: Callable[[Project], T], problem: DaemonUnreachable
) -> tuple[T, tzinfo | None]:
    """Return an answer from a configuration and its store, and say that it is not the daemon's.

    Errors: the problem itself, if there is no configuration to ask.
    """
    # lazy: start-up
    from rae_auto.cli import options
    from rae_auto.offline.leadership import describe_lead

    if find_config(config) is None:
        raise problem
    project = options.load_project(config, for_reading=True)
    found = answer(project)
    print_notices(project)
    others = isinstance(problem, OtherDaemonRuns)
    text = f"{problem}; added jobs are those of both" if others else describe_lead(project.lead)
    print_text(f"rae-auto: {text}", err=True)
    return found, project.zone


_TIMES = ("since", "until", "before", "at")


def _times_in(arguments: dict[str, Any]) -> dict[str, str]:
    return {name: arguments[name] for name in _TIMES if isinstance(arguments.get(name), str)}


def _with_instants(arguments: dict[str, Any], where: ZoneInfo) -> dict[str, Any]:
    """Return the arguments with instants in the place of times, so that all understand the same by them."""
    given = _times_in(arguments)
    if not given:
        return arguments
    from rae_auto.cli import options  # lazy: start-up

    times = {name: options.read_time(f"--{name}", text, where) for name, text in given.items()}
    # If a question is about one time, the records decide which of several instants is meant.
    exact = {name: time.instants[0].isoformat() for name, time in times.items() if name != "at" or not time.remark}
    return {**arguments, **exact}


def shown_zone(client: Client) -> tzinfo | None:
    """Return the zone in which times are shown: that of `zone_of`, or None if that is the machine's."""
    if client.timezone is None or is_machine_zone(client.timezone):
        return None
    return UTC if client.timezone in NAMES_OF_UTC else zone_of(client)


def zone_of(client: Client) -> ZoneInfo:
    """Return the configured time zone of the daemon. Errors: DaemonUnreachable while it does not say that."""
    from rae_auto.model.primitives.zones import zone  # lazy: start-up

    return zone(required_zone(client.timezone))


def print_notices(project: Project) -> None:
    """Print to standard error what an offline command found out about the file and the store, each once."""
    for notice in project.notices:
        print_once(escape_line(notice))
