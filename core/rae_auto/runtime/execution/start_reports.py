"""Reports of attempts in the daemon itself, whose starts are held back for some milliseconds.

A function that takes a millisecond ends before its start is on record. Reported together, both are one turn and one
commit, in which the record of the running attempt is spared. The ends of attempts that started together wait for each
other, so that they share a commit, until `HOLD_SECONDS` after the first start. An end never comes before its start.
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
        self._timer: asyncio.TimerHandle | None = None

    def start(self, started: AttemptStarted, *, is_in_daemon: bool) -> None:
        """Report a start: in the daemon with the end of its attempt, or after `HOLD_SECONDS`; otherwise now.

        A handle is always reported now: on record it finds the attempt after a crash.
        """
        if not is_in_daemon or started.handle or started.queue is not None:
            self._report(started)
            return
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._report_all)
        self._starts[started.run, started.attempt] = started

    def end(self, ended: AttemptEnded | AttemptFound) -> None:
        """Report the end of an attempt, after its start."""
        key = ended.run, ended.attempt
        if key not in self._starts:
            self._report(ended)
            return
        self._ends[key] = ended
        if len(self._ends) == len(self._starts):
            self._report_all()

    def _report_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        starts, ends, self._starts, self._ends = self._starts, self._ends, {}, {}
        for key, started in starts.items():
            self._report(started)
            if key in ends:
                self._report(ends[key])
