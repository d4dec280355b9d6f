"""The panes by name, and what each is made for."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rae_auto.screens import JobRow

PANE_NAMES = ("output", "why", "next", "history", "run", "timeline", "month", "health", "help")
LARGE_PANES = ("timeline", "month", "health", "help")


class PaneRequest(NamedTuple):
    """A request for a pane: about the selected job, if there is one, in some size."""

    row: "JobRow | None"
    width: int
    height: int
