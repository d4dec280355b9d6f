"""The answer to `rae-auto` without a command: one screen of status, where a daemon is running for this folder."""

import shutil
from datetime import UTC, datetime

from rae_auto.cli.plain.help_page import show_help
from rae_auto.cli.queries import connect_and_read, shown_zone
from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.status import OPTIONAL_STATUS_HEADERS, STATUS_HEADERS, problem_lines, status_lines, status_rows
from rae_auto.views.tables import print_text, show_table, style

ANSWER_TIMEOUT_SECONDS = 2.0
"""The time to wait for a daemon; a person who typed one word must not wait for one that hangs."""

_RESERVED_LINES = 5
"""The lines of the screen for what happened in an absence, the headers, the last line, and the two of the prompt."""


def show_overview() -> None:
    """Print the status of the daemon of this folder, or the help of the program if there is no such daemon."""
    if not _show_status():
        show_help()


def _show_status() -> bool:
    """Print the status of the daemon of this folder, cut to one screen; return whether there is such a daemon.

    A folder with a configuration of its own that the daemon doesn't use has none.
    """
    try:
        client, status = connect_and_read("status", {"local_times": True}, None, ANSWER_TIMEOUT_SECONDS)
        client.close()
    except (SchedulerError, OSError):
        return False
    zone = shown_zone(client)
    shown = status_lines(status, zone, datetime.now(UTC))
    for line in shown:
        print_text(escape_line(line))
    problems = problem_lines(status)
    rows = status_rows(status, zone)
    room = max(shutil.get_terminal_size().lines - _RESERVED_LINES - len(shown) - len(problems), 1)
    if rows:
        show_table(STATUS_HEADERS, rows[:room], optional=OPTIONAL_STATUS_HEADERS)
    for line in problems:
        print_text(style(escape_line(line), red=True))
    more = f"{len(rows) - room} more lines: 'rae-auto status'; " if len(rows) > room else ""
    print_text(f"{more}all commands: 'rae-auto --help'")
    return True
