"""Keeps history and output within their bounds: as runs end, in small steps, and as a whole at start and once an hour.

- *When an attempt has ended* and its end is durable, the records of the keeper are removed, and its output counts.
  Where the output of its job is too large, the oldest goes.
- *When a job has ended a twentieth of the runs that may stay*, its surplus is pruned. That may take a fiftieth of the
  store's time, and a thousandth if it is slow, because commits wait for it.
- *Once an hour* whatever has become too old goes, and at start the files of unknown runs.

After an unclean stop a store may check a long history for minutes. Removals from it wait for that, the rest doesn't.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from datetime import datetime, timedelta
from pathlib import Path

from attrs import evolve, frozen
from loguru import logger

from rae_auto.api.store import StoreReader
from rae_auto.engine.effects import Change as EngineChange
from rae_auto.engine.effects import Record, Save
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.policies import Retention
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Run, RunState
from rae_auto.records.age_clock import AgeClock
from rae_auto.records.retention_rules import expired_output, rules
from rae_auto.runtime.execution.output_files import OutputFiles, RunFiles, remove_runs
from rae_auto.runtime.repository import Repository
from rae_auto.toolkit.threads.duties import keep_going

RETENTION_PERIOD_SECONDS = 3600.0
"""Time from one round to the next."""

GATHER_SECONDS = 0.2
"""Time for which ends are gathered, so that many at once are dealt with together."""

PRUNE_SHARE = 20
"""A job is pruned when it has ended this part of the runs that may stay."""

SLOW_PRUNE_SECONDS = 0.05
"""Time from which on pruning a job counts as slow: commits wait meanwhile."""

PRUNE_PAUSE_FACTOR = 50
"""The pause after pruning a job, in terms of the time that it took."""

SLOW_PRUNE_PAUSE_SECONDS = 60.0
"""The pause after pruning a job that was slow: not longer the slower it was, because the history grows meanwhile."""


@frozen
class EndedAttempt:
    """An attempt whose end is durable; the last one of its run if `is_last`."""

    job: str
    run: RunId
    attempt: int
    is_last: bool


def shorten(retention: Retention, keep: timedelta | None) -> Retention:
    """Return the retention that also removes what is older than `keep`."""
    if keep is None:
        return retention
    return evolve(retention, keep=min(keep, retention.keep), keep_failures=min(keep, retention.keep_failures))


def pause_after(seconds: float) -> float:
    """Return for how many seconds no job is pruned after one that took so many."""
    return SLOW_PRUNE_PAUSE_SECONDS if seconds > SLOW_PRUNE_SECONDS else seconds * PRUNE_PAUSE_FACTOR


class HistoryBounds:
    """The bounds of `[history]`, applied to a store and to the files of attempts."""

    def __init__(
        self,
        archive: Repository,
        directory: Path,
        retention: Callable[[], Retention],
        now: Callable[[], datetime],
        open_runs: Callable[[str], Set[str]] = lambda _: frozenset(),
        clock: Callable[[], Moment] | None = None,
    ) -> None:
        """`directory` is the state directory; `open_runs` returns the open runs of a job, whose files stay.

        With a `clock` age counts by the time that is believed (`records.age_clock`), except in a removal on request.
        """
        self._archive = archive
        self._files = OutputFiles(directory / "output")
        self._retention = retention
        self._now = now
        self._clock = clock
        self._age_clock = AgeClock(directory)
        self._open_runs = open_runs
        self.on_ends: Callable[[Collection[tuple[RunId, int]]], None] = lambda _: None
        """Called with attempts, by run and number, whose ends are durable."""
        self._ended: list[EndedAttempt] = []
        self._added: Counter[str] = Counter()
        """Number of log entries since the last pruning, by job or by name of an event."""
        self._sizes: dict[str, int] = {}
        """Bytes of output by job, of the jobs that have been looked at."""
        self._prune_not_before = float("-inf")
        self._found_at_start: Set[str] | None = None
        """The runs with output that there were at the start, until those that no record knows are removed."""
        self._woken = asyncio.Event()
        self._applying = asyncio.Lock()

    def note(self, changes: Iterable[EngineChange]) -> None:
        """Take note of what a step has added to the history. Its changes are durable."""
        for change in changes:
            value, is_last = change.value, type(change) is Record
            if type(value) is Run:
                if is_last or (type(change) is Save and value.state is RunState.RETRYING):
                    self._ended.append(EndedAttempt(value.job, value.id, value.attempt, is_last))
                    self._count(value.job, is_last)
            elif type(value) is Decision and is_last:
                self._count(value.job, True)

    def note_event(self, name: str) -> None:
        """Take note of an event that was recorded."""
        self._count(name, True)

    def _count(self, name: str, is_entry: bool) -> None:
        self._added[name] += is_entry
        self._woken.set()

    def start(self) -> asyncio.Task[None]:
        """Start a task that keeps the bounds until it is cancelled."""
        return asyncio.get_running_loop().create_task(keep_going("keep the bounds of the history", self.run))

    async def run(self) -> None:
        """Keep the bounds until cancelled."""
        loop = asyncio.get_running_loop()
        next_round, is_first = loop.time(), True
        checking = self._archive.begin_check()
        checking.add_done_callback(lambda _: self._woken.set())
        # Of these alone it can be said that no record knows them: a store that goes back in use forgets newer ones.
        try:
            self._found_at_start = await asyncio.to_thread(self._list_runs)
        except OSError as error:
            logger.warning("the output of earlier runs can't be listed, so that of unknown ones stays: {}", error)
            self._found_at_start = frozenset()
        while True:
            try:
                await self._tidy_ended()
                if checking.done() and loop.time() >= next_round:
                    next_round = loop.time() + RETENTION_PERIOD_SECONDS
                    await self.apply(for_orphans=is_first)
                    is_first = False
                if checking.done():
                    await self._prune_full_jobs()
            except Exception as error:  # the surplus may stay for another hour
                logger.warning("old history could not be removed: {}", error)
            # After a pause too, or a job that has ended its last run for now would keep its surplus.
            has_surplus = self._is_full(max(self._added.values(), default=0))
            next_prune = self._prune_not_before if has_surplus else next_round
            seconds = min(next_round, next_prune) - loop.time() if checking.done() else RETENTION_PERIOD_SECONDS
            await self._wait(seconds)

    async def _wait(self, seconds: float) -> None:
        """Wait until something has ended, and a little longer, or for this many seconds."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._woken.wait()
                await asyncio.sleep(GATHER_SECONDS)
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    async def finish(self, limit_seconds: float) -> None:
        """Remove the files of the latest ends, once `run` is cancelled; the next start does the rest."""
        try:
            async with asyncio.timeout(limit_seconds):
                await self._tidy_ended()
        except Exception as error:
            logger.warning("files of runs that have ended could not be removed: {!r}", error)

    # As runs end

    async def _tidy_ended(self) -> None:
        ended, self._ended = self._ended, []
        if ended:
            self.on_ends([(one.run, one.attempt) for one in ended])
            open_runs = {job: self._open_runs(job) for job in {one.job for one in ended}}
            await asyncio.to_thread(self._tidy_files, ended, open_runs, self._retention().output)

    def _tidy_files(self, ended: Iterable[EndedAttempt], open_runs: Mapping[str, Set[str]], max_bytes: int) -> None:
        # Most functions that threads call print nothing, so their jobs have no folder.
        open_runs = {job: runs for job, runs in open_runs.items() if self._files.has_job(job)}
        for one in ended:
            if one.job not in open_runs:
                continue
            self._files.remove_records(one.job, one.run, one.attempt)
            if one.is_last and one.job in self._sizes:
                self._sizes[one.job] += self._files.size_of_run(one.job, one.run, one.attempt)
        for job, runs in open_runs.items():
            if self._sizes.get(job, max_bytes + 1) > max_bytes:
                self._bound_output(job, self._files.of_job(job), runs, max_bytes)

    def _bound_output(self, job: str, files: dict[str, RunFiles], open_runs: Set[str], max_bytes: int) -> None:
        sizes = {run: found.size for run, found in files.items()}
        if sum(sizes.values()) > max_bytes:
            remove_runs(files, expired_output(sizes, dict.fromkeys(sizes, job), open_runs, max_bytes))
        # Those of open runs count when they end.
        self._sizes[job] = sum(found.size for run, found in files.items() if run not in open_runs)

    async def _prune_full_jobs(self) -> None:
        retention, loop = self._retention(), asyncio.get_running_loop()
        if not self._is_full(max(self._added.values(), default=0)):
            return
        for name, count in list(self._added.items()):
            began = loop.time()
            if not self._is_full(count) or began < self._prune_not_before:
                continue
            del self._added[name]
            await self._prune(retention, name)
            self._prune_not_before = loop.time() + pause_after(loop.time() - began)

    def _is_full(self, count: int) -> bool:
        retention = self._retention()
        return count * PRUNE_SHARE >= min(retention.runs, retention.events)

    async def _prune(self, retention: Retention, job: str) -> None:
        for log, rule in rules(retention, await self._read_age_clock(), job):
            while keys := await self._archive.prune(log, rule):
                if log == documents.RUNS:
                    await asyncio.to_thread(self._remove_files, job, keys)

    def _remove_files(self, job: str, runs: Iterable[str]) -> None:
        files = self._files.of_job(job)
        remove_runs(files, runs)
        self._sizes.pop(job, None)

    # Once an hour

    async def apply(self, *, for_orphans: bool, retention: Retention | None = None) -> int:
        """Remove runs and decisions that need not stay, and output that is too much or has no run.

        `retention` is that of the settings if it is None. Returns the number of removed records.
        """
        await self._archive.check_rest()
        async with self._applying:
            if retention is not None:
                return await self._apply(retention, for_orphans, self._now())
            removed = await self._apply(self._retention(), for_orphans, await self._read_age_clock())
            if self._clock is not None:
                await self._age_clock.save()
            return removed

    async def _read_age_clock(self) -> datetime:
        return self._now() if self._clock is None else await self._age_clock.read(self._clock())

    async def _apply(self, retention: Retention, for_orphans: bool, now: datetime) -> int:
        # Before the store is asked: what is there now belongs to runs that it knows.
        files = await asyncio.to_thread(lambda: dict(self._files.all()))
        removed = 0
        for log, rule in rules(retention, now):
            while keys := await self._archive.prune(log, rule):
                removed += len(keys)
                logger.debug("removed {} old entries of the log {}", len(keys), log)
                if log == documents.RUNS:
                    await asyncio.to_thread(_remove_everywhere, files.values(), keys)
        self._added.clear()
        if files and for_orphans:
            runs = {run for of_job in files.values() for run in of_job}
            closed, opened = await self._archive.read(lambda reader: _find_known(reader, runs))
            unknown = (runs if self._found_at_start is None else runs & self._found_at_start) - closed - opened
            await asyncio.to_thread(self._remove_orphans, files, unknown, opened)
            self._found_at_start = None
        open_runs = {job: self._open_runs(job) for job in files}
        await asyncio.to_thread(self._bound_all, files, open_runs, retention.output)
        return removed

    def _list_runs(self) -> set[str]:
        return {run for _, of_job in self._files.all() for run in of_job}

    def _remove_orphans(
        self, files: Mapping[str, dict[str, RunFiles]], unknown: Collection[str], opened: Collection[str]
    ) -> None:
        """Remove the files of unknown runs, and what is left of the work of runs that are over."""
        for job, of_job in files.items():
            remove_runs(of_job, [run for run in of_job if run in unknown])
            self._files.remove_leftovers(found for run, found in of_job.items() if run not in opened)
            if not of_job:
                self._files.remove_unused_directory(job)

    def _bound_all(
        self, files: Mapping[str, dict[str, RunFiles]], open_runs: Mapping[str, Set[str]], max_bytes: int
    ) -> None:
        for job, of_job in files.items():
            self._bound_output(job, of_job, open_runs[job], max_bytes)


def _remove_everywhere(files: Iterable[dict[str, RunFiles]], runs: Iterable[str]) -> None:
    wanted = set(runs)
    for of_job in files:
        remove_runs(of_job, [run for run in of_job if run in wanted])


def _find_known(reader: StoreReader, runs: Collection[str]) -> tuple[set[str], set[str]]:
    """Return which of these runs are over, and which are open, by their keys: a history may be long."""
    # First, because a run that ends meanwhile is then in both, and nothing of it is removed.
    opened = {key for key, _ in reader.load(documents.RUN) if key in runs}
    return reader.find_keys(documents.RUNS, runs), opened
