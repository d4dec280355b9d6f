"""Queries that the daemon answers, or the store while no daemon is running."""

from typing import TYPE_CHECKING, Any

import click

from rae_auto.cli import options
from rae_auto.control.client import ANSWER_TIMEOUT_SECONDS, Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.zones import zone
from rae_auto.views.tables import on_terminal
from rae_auto.views.times import show_times_in

if TYPE_CHECKING:
    from rae_auto.offline.project import Project


def query(
    command: str, arguments: dict[str, Any], config: str | None, timeout: float | None = ANSWER_TIMEOUT_SECONDS
) -> Any:
    """Return the answer of the control command, or of the function of this name in `rae_auto.offline.queries`."""
    try:
        with Client(timeout=timeout) as client:
            show_zone_of(client)
            return client.call(command, **arguments)
    except DaemonUnreachable:
        from rae_auto.offline import queries  # lazy: start-up

        project = options.load_project(config)
        show_times_in(project.zone)
        answer = getattr(queries, command)(project, arguments)
        print_notices(project)
        return answer


def show_zone_of(client: Client) -> None:
    """Show times on a terminal in the configured time zone of the daemon."""
    if on_terminal():
        # A daemon that is just starting can't say yet.
        name = client.call("ping").get("timezone")
        show_times_in(zone(name) if name else None)


def print_notices(project: "Project") -> None:
    """Print what an offline command found out about the store to the standard error."""
    for notice in project.notices:
        click.echo(f"rae-auto: {escape_line(notice)}", err=True)
