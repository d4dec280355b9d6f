"""The table of jobs: a widget that holds the rows near the visible ones alone, however many jobs there are."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rae_plugins.commands.top.palette import CHOSEN, GROUND, styled_strip
from rae_plugins.commands.top.styled_lines import Line, Part

if TYPE_CHECKING:
    from rae_auto.screens import JobRow

ROWS_AROUND = 40
"""Rows that are read above and below the visible ones, so that scrolling finds them there."""

MAX_HELD_ROWS = 2000


class JobScroller(ScrollView, can_focus=True):
    """Rows of jobs with one that is selected. Rows that aren't known yet are asked for by `RowsNeeded`.

    A job is selected, and not a row: when jobs before it come or go, the cursor moves along with it.
    """

    # Its two rows are drawn again, not all.
    cursor: reactive[int] = reactive(0, repaint=False)

    class RowsNeeded(Message):
        """Rows that are visible and not known."""

    class Selected(Message):
        """Another job is selected."""

    def __init__(self, draw: Callable[["JobRow", int], Line], id: str) -> None:
        super().__init__(id=id)
        self._draw = draw
        self._rows: dict[int, JobRow] = {}
        self._job: str | None = None
        """The selected job; None until a row is known at the cursor."""
        self._total = 0
        self._is_read = False
        """True once it is known how many jobs match."""

    @property
    def total(self) -> int:
        """Return the number of jobs that match."""
        return self._total

    @property
    def selected(self) -> "JobRow | None":
        """Return the selected job, if its row is known."""
        row = self._rows.get(self.cursor)
        return row if row is not None and row.job == self._job else None

    @property
    def lost_job(self) -> str | None:
        """Return the selected job if its row isn't among the known ones, so that it is to be looked for."""
        return self._job if self.selected is None else None

    @property
    def is_job_running(self) -> bool:
        """Return whether a run of the selected job is going on."""
        return self.selected is not None and self.selected.running_since is not None

    def wanted_span(self) -> tuple[int, int]:
        """Return the first row to know, and how many: the visible ones and some around them."""
        first = max(int(self.scroll_offset.y) - ROWS_AROUND, 0)
        return first, max(self.size.height, 1) + 2 * ROWS_AROUND

    def known_rows(self) -> Sequence["JobRow"]:
        """Return the rows that are known."""
        return list(self._rows.values())

    def show_rows(self, offset: int, rows: Sequence["JobRow"], total: int) -> None:
        """Take rows from `offset` on; draw those again that have changed and are visible."""
        before = self.selected
        if not self._is_read:
            self._is_read = True
            self.refresh()
        if total != self._total:
            self._total = total
            self._rows = {number: row for number, row in self._rows.items() if number < total}
            self.virtual_size = Size(self.size.width, total)
            self.refresh()
        if len(self._rows) > MAX_HELD_ROWS:
            self._rows.clear()
        fresh = dict(enumerate(rows, offset))
        if any(number in self._rows and self._rows[number].job != row.job for number, row in fresh.items()):
            # Jobs have come or gone before them, and so all other rows have moved, too.
            self._rows = {number: row for number, row in self._rows.items() if number in fresh}
            self.refresh()
        for number, row in fresh.items():
            if self._rows.get(number) != row:
                self._rows[number] = row
                self._refresh_row(number)
        self._follow_selected()
        after = self.selected
        if (before and before.job) != (after and after.job):
            self.post_message(self.Selected())

    def place_selected(self, number: int, row: "JobRow | None") -> None:
        """Take the row of the job that was lost, and its place; None if it has gone: the next one is selected."""
        if row is None:
            self._job = None
        else:
            self._rows[number] = row
        self._follow_selected()
        self._refresh_row(self.cursor)
        self.post_message(self.Selected())

    def _follow_selected(self) -> None:
        """Move the cursor to where the selected job is, if that is known; without one select that at the cursor."""
        last = max(self._total - 1, 0)
        if self._job is None:
            self.cursor = min(self.cursor, last)
            row = self._rows.get(self.cursor)
            self._job = None if row is None else row.job
        elif self.selected is None:
            rows = (number for number, row in self._rows.items() if row.job == self._job)
            self.cursor = next(rows, min(self.cursor, last))

    def select_job(self, job: str) -> bool:
        """Select a job; return False if its row isn't known, so that it is to be looked for."""
        number = next((number for number, row in self._rows.items() if row.job == job), None)
        if number is None:
            self._job = job
        else:
            self._select(number)
        return number is not None

    def _select(self, number: int) -> None:
        """Select the job of a row."""
        row = self._rows.get(number)
        self._job = None if row is None else row.job
        self.cursor = number

    def redraw_running(self) -> None:
        """Draw the rows of running jobs again, whose elapsed times go on."""
        for number, row in self._rows.items():
            if row.running_since is not None:
                self._refresh_row(number)

    def forget_rows(self) -> None:
        """Forget all rows, because another filter holds."""
        self._rows.clear()
        self._is_read = False
        self._total = 0
        self._select(0)
        self.scroll_to(y=0, animate=False)
        self.refresh()

    def move(self, rows: int) -> None:
        """Move the selection."""
        self._select(min(max(self.cursor + rows, 0), max(self._total - 1, 0)))

    def watch_cursor(self, before: int, after: int) -> None:
        """Draw both rows again, and keep the selected one visible."""
        self._refresh_row(before)
        self._refresh_row(after)
        top, height = int(self.scroll_offset.y), max(self.size.height, 1)
        if after < top:
            self.scroll_to(y=after, animate=False)
        elif after >= top + height:
            self.scroll_to(y=after - height + 1, animate=False)
        if before != after:
            self.post_message(self.Selected())

    def on_resize(self) -> None:
        """Rows are as wide as the widget."""
        self.virtual_size = Size(self.size.width, self._total)

    def on_click(self, event: object) -> None:
        """Select the row that is clicked."""
        y = getattr(event, "y", 0) + int(self.scroll_offset.y)
        if y < self._total:
            self._select(y)

    def watch_scroll_y(self, before: float, after: float) -> None:
        """Ask for rows that come into view."""
        super().watch_scroll_y(before, after)
        first, count = int(after), max(self.size.height, 1)
        if any(number not in self._rows for number in range(first, min(first + count, self._total))):
            self.post_message(self.RowsNeeded())

    def render_line(self, y: int) -> Strip:
        """Return a visible line."""
        number = int(self.scroll_offset.y) + y
        width = self.size.width
        is_chosen = number == self.cursor and self._total and (self._job is None or self.selected is not None)
        ground = CHOSEN if is_chosen else GROUND
        if number >= self._total:
            empty = "   no job matches" if self._is_read else "   …"
            text = empty if not self._total and not y else ""
            return styled_strip((Part(text, "muted"),), width, GROUND)
        row = self._rows.get(number)
        return styled_strip((Part("   …", "muted"),) if row is None else self._draw(row, width), width, ground)

    def _refresh_row(self, number: int) -> None:
        y = number - int(self.scroll_offset.y)
        if 0 <= y < self.size.height:
            self.refresh_line(number)
