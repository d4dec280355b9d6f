"""Reads of the view: rows of jobs, and the lower pane. A read that another one has overtaken shows nothing.

Reads take as long as the store takes, and several go on at once: the selection, the filter and the pane may be others
when one of them ends.
"""

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from rae_plugins.commands.top.frame import PaneRequest
from rae_plugins.commands.top.job_scroller import JobScroller
from rae_plugins.commands.top.styled_lines import Line

if TYPE_CHECKING:
    from rae_auto.screens import JobHistory, JobList, Overview, RecordSource


class ScreenReads:
    """Reads parts of the screen, and knows the histories of jobs to which nothing has happened since."""

    def __init__(self) -> None:
        self._histories: dict[str, JobHistory] = {}
        self._forgotten: dict[str, int] = {}
        """Jobs with the number of the last event that was about them."""
        self._all_forgotten = self._events = 0
        self._started_panes = 0
        self._shown_pane = 0

    def forget(self, job: str | None = None) -> None:
        """Read the history of a job again, or those of all, also where one is being read just now."""
        self._events += 1
        if job is None:
            self._histories.clear()
            self._all_forgotten = self._events
        else:
            self._histories.pop(job, None)
            self._forgotten[job] = self._events

    def forget_led(self, overview: "Overview | None") -> bool:
        """Read all again, and return True, if another machine's daemon leads, because its events don't come here."""
        is_led = overview is not None and overview.daemon.state == "standby"
        if is_led:
            self.forget()
        return is_led

    async def read_rows(self, source: "RecordSource", table: JobScroller, filter_now: Callable[[], str]) -> bool:
        """Have the table show the rows around its visible ones; return False if they are to be read again."""
        text, (first, count) = filter_now(), table.wanted_span()
        jobs = await self._read_jobs(source, text, first, count)
        if text != filter_now():
            return True  # Those of the other filter are being read.
        table.show_rows(first, jobs.rows, jobs.extent.total)
        job = table.lost_job
        if job is None:
            return True
        place = await reading().find_place(source, text, job)
        found = await self._read_jobs(source, text, place, 1)
        if text != filter_now() or job != table.lost_job:
            return True
        row = next((row for row in found.rows if row.job == job), None)
        if row is None and found.extent.total != jobs.extent.total:
            return False  # Jobs came or went while it was looked for.
        table.place_selected(place, row)
        return True

    async def has_job(self, source: "RecordSource", job: str) -> bool:
        """Return whether a job is there."""
        place = await reading().find_place(source, job, job)
        found = await source.jobs(job, offset=place, limit=1)
        return any(one["id"] == job for one in found.jobs)

    async def _read_jobs(self, source: "RecordSource", text: str, offset: int, limit: int) -> "JobList":
        before = self._events
        jobs: JobList = await reading().load_job_list(source, text, offset=offset, limit=limit, known=self._histories)
        if self._all_forgotten <= before:
            fresh = (row for row in jobs.rows if self._forgotten.get(row.job, 0) <= before)
            self._histories |= {row.job: row.history for row in fresh}
        return jobs

    async def read_pane(
        self, name: str, source: "RecordSource", place: PaneRequest, is_wanted: Callable[[], bool]
    ) -> list[Line] | None:
        """Return the lines of a pane; None if by then another one is wanted, or a later read was faster."""
        self._started_panes = number = self._started_panes + 1
        lines: list[Line] = await reading().load_pane(name, source, place)
        if number < self._shown_pane or not is_wanted():
            return None
        self._shown_pane = number
        return lines


def reading() -> ModuleType:
    """Return what the view reads with."""
    from rae_plugins.commands.top import reading  # lazy: start-up

    return reading
