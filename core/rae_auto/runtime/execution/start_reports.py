"""Reports of attempts whose starts are held back for some milliseconds.

An attempt that takes a millisecond ends before its start is on record. Reported together, both are one turn and one
commit, in which the record of the running attempt is spared. An end never comes before its start.

Functions in the daemon that started together also wait for each other's ends, so that they share a commit, until
`HOLD_SECONDS` after the first start. Commands don't: the next one waits for the place of each.

What ends during a turn is handled in the next one at the soonest. So it waits for the functions that this turn starts:
otherwise two groups, once they are apart, would take turns for as long as there are runs, with twice as many commits.
"""

import asyncio
from collections.abc import Callable

from rae_auto.engine.events import AttemptEnded, AttemptFound, AttemptStarted

HOLD_SECONDS = 0.005
"""Time for which the start of an attempt that goes on is held back."""

Key = tuple[str, int]

Report = AttemptStarted | AttemptEnded | AttemptFound


class StartReports:
    """Starts that are not reported yet, and ends that wait for others. They belong to one event loop."""

    def __init__(self, report: Callable[[Report], None]) -> None:
        self._report = report
        self._starts: dict[Key, tuple[int, AttemptStarted]] = {}
        """Starts in the daemon, each with the number of the turn that it is of."""
        self._ends: dict[Key, AttemptEnded | AttemptFound] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._turn = 0
        self._is_in_turn = False
        self._with_handle: dict[Key, tuple[float, AttemptStarted]] = {}
        """Starts of attempts outside of the daemon, by when they are reported at the latest, the first first."""
        self._is_due_set = False
        """`_report_due` will be called."""

    def note_turn(self, is_under_way: bool) -> None:
        """Take note that a turn of the engine begins, or that it is over, its effects included."""
        self._is_in_turn = is_under_way
        if is_under_way:
            self._turn += 1
            return
        for key, (turn, _) in tuple(self._starts.items()):
            if turn < self._turn - (key in self._ends):
                self._report_one(key)
        self._wait_for_ends()

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
        self._starts[started.run, started.attempt] = self._turn, started
        if not self._is_in_turn and self._timer is None:
            self._wait_for_ends()

    def end(self, ended: AttemptEnded | AttemptFound) -> None:
        """Report the end of an attempt, after its start."""
        key = ended.run, ended.attempt
        if (held := self._with_handle.pop(key, None)) is not None:
            self._report(held[1])
        if key not in self._starts:
            self._report(ended)
            return
        self._ends[key] = ended
        if len(self._ends) == len(self._starts) and not self._is_in_turn:
            self._report_all()

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

    def _wait_for_ends(self) -> None:
        """Report all if there is nothing to wait for, or after a time unless a turn is under way then."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if len(self._ends) == len(self._starts):
            self._report_all()
        else:
            self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._report_all)

    def _report_all(self) -> None:
        if self._is_in_turn:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for key in tuple(self._starts):
            self._report_one(key)

    def _report_one(self, key: Key) -> None:
        self._report(self._starts.pop(key)[1])
        if (ended := self._ends.pop(key, None)) is not None:
            self._report(ended)
