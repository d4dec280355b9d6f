"""Reports of attempts whose starts are held back for some milliseconds.

An attempt that takes a millisecond ends before its start is on record. Reported together, both are one turn and one
commit, in which the record of the running attempt is spared. An end never comes before its start.

Functions in the daemon that started together also wait for each other's ends, so that they share a commit, until
`HOLD_SECONDS` after the first start. Commands don't: the next one waits for the place of each.
"""

import asyncio
from collections.abc import Callable

from rae_auto.engine.events import AttemptEnded, AttemptFound, AttemptStarted

HOLD_SECONDS = 0.005
"""Time for which the start of an attempt that goes on is held back."""

Report = AttemptStarted | AttemptEnded | AttemptFound


class StartReports:
    """Starts that are not reported yet, and ends that wait for others. They belong to one event loop."""

    def __init__(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._starts: dict[tuple[str, int], AttemptStarted] = {}
        self._ends: dict[tuple[str, int], AttemptEnded | AttemptFound] = {}
        self._timer: asyncio.Handle | None = None
        self._with_handle: dict[tuple[str, int], tuple[float, AttemptStarted]] = {}
        """Starts of attempts outside of the daemon, by when they are reported at the latest, the first first."""
        self._is_due_set = False
        """`_report_due` will be called."""

    def start(self, started: AttemptStarted, *, can_wait: bool) -> None:
        """Report a start: if it can wait, with the end of its attempt, or after `HOLD_SECONDS`; otherwise now.

        That of an attempt in a queue never waits.
        """
        if not can_wait or started.queue is not None:
            self._report(started)
            return
        if started.handle:
            due = asyncio.get_running_loop().time() + HOLD_SECONDS
            if not self._is_due_set:
                self._set_due(due)
            self._with_handle[started.run, started.attempt] = due, started
            return
        if self._timer is None:
            # Not from now on: no end comes before the turn is over that starts them, which may take as long.
            self._timer = asyncio.get_running_loop().call_soon(self._set_timer)
        self._starts[started.run, started.attempt] = started

    def end(self, ended: AttemptEnded | AttemptFound) -> None:
        """Report the end of an attempt, after its start."""
        key = ended.run, ended.attempt
        if (held := self._with_handle.pop(key, None)) is not None:
            self._report(held[1])
        if key not in self._starts:
            self._report(ended)
            return
        self._ends[key] = ended
        if len(self._ends) == len(self._starts):
            self._report_all()

    def _set_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._report_all)

    def _set_due(self, due: float) -> None:
        self._is_due_set = True
        asyncio.get_running_loop().call_at(due, self._report_due)

    def _report_due(self) -> None:
        self._is_due_set, now = False, asyncio.get_running_loop().time()
        while self._with_handle:
            key, (due, started) = next(iter(self._with_handle.items()))
            if due > now:
                self._set_due(due)
                return
            del self._with_handle[key]
            self._report(started)

    def _report_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        starts, ends, self._starts, self._ends = self._starts, self._ends, {}, {}
        for key, started in starts.items():
            self._report(started)
            if key in ends:
                self._report(ends[key])
