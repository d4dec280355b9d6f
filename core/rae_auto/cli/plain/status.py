"""The command status."""

from __future__ import annotations

from datetime import UTC, datetime

from rae_auto.cli.queries import connect, connect_and_read, shown_zone
from rae_auto.control.client import Client
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.status import (
    OPTIONAL_STATUS_HEADERS,
    STATUS_HEADERS,
    omission_lines,
    problem_lines,
    status_lines,
    status_record,
    status_rows,
)
from rae_auto.views.tables import clear, on_terminal, print_json, print_text, print_wrapped, show_table, style

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo
    from typing import Any

COUNTDOWN_SECONDS = 1.0
"""Time between updates of 'status --watch' while nothing happens."""


def show_status(*, config: str | None = None, json_: bool = False, watch: bool = False) -> None:
    """Print the status of the daemon; `watch` prints it again whenever something happens."""
    client, status = connect_and_read("status", {"local_times": not json_}, config)
    with client:
        _show(status, shown_zone(client), json_)
        if watch:
            _watch(client, status, config, json_)


def _watch(client: Client, status: dict[str, Any], config: str | None, json_: bool) -> None:
    """Show the status again whenever something happens, and count down meanwhile on a terminal."""
    is_redrawn = on_terminal() and not json_
    with connect(config) as listener:
        listener.subscribe()
        while True:
            happened = listener.wait_for_event(COUNTDOWN_SECONDS if is_redrawn else None)
            if happened is None:
                return
            if happened:
                status = client.call("status", local_times=not json_)
                # A reload may have changed the zone.
                client.timezone = client.call("ping").get("timezone", client.timezone)
            if is_redrawn:
                clear()
            _show(status, shown_zone(client), json_)


def _show(status: dict[str, Any], zone: tzinfo | None, json_: bool) -> None:
    if json_:
        print_json(status_record(status, zone, datetime.now(UTC)))
        return
    for line in status_lines(status, zone, datetime.now(UTC)):
        print_wrapped(escape_line(line))
    rows = status_rows(status, zone)
    if rows:
        show_table(STATUS_HEADERS, rows, optional=OPTIONAL_STATUS_HEADERS)
    for line in omission_lines(status):
        print_text(line)
    for line in problem_lines(status):
        print_text(style(escape_line(line), red=True))
