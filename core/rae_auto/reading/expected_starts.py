"""The numbers of starts to come of all jobs: computed in a process of its own, and renewed when jobs change.

Callers wait for the computation only for a moment.
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from attrs import define, field

from rae_auto.reading.due_counts import DueCounts, minute_of
from rae_auto.views.screens.parts.record_source import ExpectedCounts

DAY = timedelta(days=1)

HORIZON = timedelta(days=42)
"""Time ahead that is computed: a calendar month of whole weeks."""

ANSWER_WAIT_SECONDS = 0.02
"""Time for which a call waits for the computation; after that its answer is "pending"."""

MAX_AGE = timedelta(minutes=15)
"""Age at which the numbers are computed again: jobs may have changed while nothing listened to the daemon."""

FIRST_HORIZON = timedelta(hours=25)
"""Time ahead that is computed first, for the strip."""

RETRY_AFTER = timedelta(seconds=2)
"""Time after which a computation that has failed is tried again."""

PROGRAM = (sys.executable, "-P", "-m", "rae_auto.reading.due_process")


@define(eq=False)
class ExpectedStarts:
    """The starts to come of all jobs, in a zone. `place` has the "directory" of a daemon, or a "config" without one."""

    zone: str
    now: Callable[[], datetime]
    place: Mapping[str, str]
    _found: DueCounts | None = field(init=False, default=None)
    _task: "asyncio.Task[None] | None" = field(init=False, default=None)
    _is_whole: bool = field(init=False, default=False)
    _is_fresh: bool = field(init=False, default=False)
    """True if what was found is of the jobs as they are, though of a part of the time only."""
    _failed_at: datetime | None = field(init=False, default=None)
    _notes: Mapping[date, Sequence[str]] = field(init=False, factory=dict)
    _note_found: Callable[[], None] | None = field(init=False, default=None)
    _is_awaited: bool = field(init=False, default=False)
    """True after an answer that was "pending"."""

    def watch(self, note_found: Callable[[], None]) -> None:
        """Call a function when there is more to find than at a call whose answer was "pending"."""
        self._note_found = note_found

    def forget(self) -> None:
        """Compute again at the next call, because jobs have changed; until then the old numbers are shown."""
        self._is_whole = self._is_fresh = False

    async def count(self, since: datetime, until: datetime, step: timedelta) -> ExpectedCounts:
        """Return how many starts are due in each step, as far as that is known by now."""
        now = self.now()
        is_old = self._found is not None and now - self._found.since > MAX_AGE
        has_just_failed = self._failed_at is not None and now - self._failed_at < RETRY_AFTER
        if (is_old or not self._is_whole) and self._task is None and not has_just_failed:
            self._task = asyncio.create_task(self._compute())
        if self._task is not None and (self._found is None or self._found.until < until):
            await asyncio.wait({self._task}, timeout=ANSWER_WAIT_SECONDS)
        found = self._found
        if found is None:
            self._is_awaited = True
            return ExpectedCounts({}, since, is_pending=True)
        counted = found.count(since, min(until, found.until), step, now)
        is_pending = self._task is not None and not (self._is_fresh and found.until >= until)
        self._is_awaited |= is_pending
        return ExpectedCounts(counted, min(until, found.until), is_pending=is_pending)

    def due_jobs(self, minutes: Sequence[datetime]) -> dict[datetime, Sequence[str]]:
        """Return some jobs that are due in each minute, of those that are among the busiest of their day."""
        known = {} if self._found is None else self._found.jobs
        return {at: known[minute] for at in minutes if (minute := minute_of(at)) in known}

    def day_notes(self, since: datetime, until: datetime) -> dict[date, Sequence[str]]:
        """Return what guards forbid on days of a span, as far as that is known by now."""
        first, last = since.date() - DAY, until.date() + DAY
        return {day: notes for day, notes in self._notes.items() if first <= day <= last}

    async def close(self) -> None:
        """Stop computing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _compute(self) -> None:
        self._is_whole, self._failed_at = True, self.now()
        horizons = [horizon.total_seconds() for horizon in (FIRST_HORIZON, HORIZON)]
        question = {**self.place, "zone": self.zone, "since": self.now().isoformat(), "horizons": horizons}
        process, loop = DueProcess(), asyncio.get_running_loop()

        def read() -> None:
            with suppress(OSError, ValueError):
                for answer in process.answers(question):
                    with suppress(RuntimeError):  # The loop has been closed.
                        loop.call_soon_threadsafe(self._take, answer)

        try:
            await asyncio.to_thread(read)
        finally:
            process.stop()
            self._task = None
            if self._failed_at is not None:
                # The next question tries again; a daemon that has gone shows elsewhere.
                self._is_whole = False
                self._is_awaited = True
                loop.call_later(RETRY_AFTER.total_seconds(), self._notify)
            else:
                self._notify()

    def _take(self, answer: Mapping[str, Any]) -> None:
        self._failed_at, self._is_fresh = None, self._is_whole
        self._notes = {date.fromisoformat(day): texts for day, texts in answer["notes"].items()}
        self._found = DueCounts.from_json(answer["counts"])
        self._notify()

    def _notify(self) -> None:
        if self._is_awaited and self._note_found is not None:
            self._is_awaited = False
            self._note_found()


class DueProcess:
    """The process that computes: read in one thread, and stopped by another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    def answers(self, question: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield its answers, until it ends or is stopped. Errors: OSError, ValueError."""
        with self._lock:
            if self._is_stopped:
                return
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(PROGRAM, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        with self._process as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(question).encode())
            process.stdin.close()
            for line in process.stdout:
                yield json.loads(line)

    def stop(self) -> None:
        """End it; its answers come to an end."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()
