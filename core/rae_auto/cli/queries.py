"""The connection to the daemon of a configuration, and queries that the store answers while none is running."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from rae_auto.cli.failures import print_once
from rae_auto.control.client import ANSWER_TIMEOUT_SECONDS, Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.zones import LOCAL, zone
from rae_auto.paths import find_config, is_same_config, state_directory
from rae_auto.views.tables import print_text

if TYPE_CHECKING:
    from rae_auto.offline.project import Project

T = TypeVar("T")


class OtherDaemonRuns(DaemonUnreachable):
    """The daemon with this state directory runs another configuration."""


def connect(config: str | None, timeout: float | None = ANSWER_TIMEOUT_SECONDS) -> Client:
    """Return a connection to the daemon of a configuration: that of `--config`, or the nearest `rae.toml`.

    Errors: DaemonUnreachable if none is running, or if the one with this state directory runs another configuration.
    """
    path = find_config(config)
    client = Client(state_directory(path), timeout)
    try:
        daemon = client.call("ping")
        _check_config(path, daemon.get("config"), state_directory(path))
    except BaseException:
        client.close()
        raise
    client.timezone = daemon.get("timezone")
    return client


def _check_config(wanted: Path | None, running: str | None, directory: Path) -> None:
    # A program that embeds a scheduler has no configuration.
    if wanted is None or running is None or is_same_config(wanted, Path(running)):
        return
    raise OtherDaemonRuns(
        f"no daemon is running for {wanted.absolute()}: the one in {directory} runs {running}; "
        f"use '--config {running}' for that, or give this file a directory of its own with the key state"
    )


class Answer(NamedTuple, Generic[T]):
    """An answer, and the time zone in which people read it."""

    value: T
    zone: ZoneInfo


def query(
    command: str, arguments: dict[str, Any], config: str | None, timeout: float | None = ANSWER_TIMEOUT_SECONDS
) -> Answer[Any]:
    """Return the answer of the control command, or of the function of this name in `rae_auto.offline.queries`.

    Times of the past among the arguments, as people write them, are by the clock of the configured zone.
    """
    try:
        with connect(config, timeout) as client:
            where = zone_of(client)
            return Answer(client.call(command, **_with_instants(arguments, where)), where)
    except DaemonUnreachable:
        from rae_auto.cli import options  # lazy: start-up
        from rae_auto.offline import queries  # lazy: start-up

        project = options.load_project(config, for_reading=True)
        answer = getattr(queries, command)(project, _with_instants(arguments, project.zone))
        print_notices(project)
        return Answer(answer, project.zone)


def ask_project(config: str | None, answer: "Callable[[Project], T]", problem: DaemonUnreachable) -> Answer[T]:
    """Return an answer from a configuration and its store, and say that it is not the daemon's.

    Errors: the problem itself, if there is no configuration to ask.
    """
    from rae_auto.cli import options  # lazy: start-up

    if find_config(config) is None:
        raise problem
    project = options.load_project(config, for_reading=True)
    found = answer(project)
    print_notices(project)
    others = isinstance(problem, OtherDaemonRuns)
    text = f"{problem}; added jobs are those of both" if others else "no daemon is running; 'rae-auto run' starts one"
    print_text(f"rae-auto: {text}", err=True)
    return Answer(found, project.zone)


_TIMES = ("since", "until", "before", "at")


def _with_instants(arguments: dict[str, Any], where: ZoneInfo) -> dict[str, Any]:
    """Return the arguments with instants in the place of times, so that all understand the same by them."""
    given = {name: arguments[name] for name in _TIMES if isinstance(arguments.get(name), str)}
    if not given:
        return arguments
    from rae_auto.cli import options  # lazy: start-up

    times = {name: options.read_time(f"--{name}", text, where) for name, text in given.items()}
    # If a question is about one time, the records decide which of several instants is meant.
    exact = {name: time.instants[0].isoformat() for name, time in times.items() if name != "at" or not time.remark}
    return {**arguments, **exact}


def zone_of(client: Client) -> ZoneInfo:
    """Return the configured time zone of the daemon; the machine's while it is starting."""
    return zone(client.timezone or LOCAL)


def print_notices(project: "Project") -> None:
    """Print to standard error what an offline command found out about the file and the store, each once."""
    for notice in project.notices:
        print_once(escape_line(notice))
