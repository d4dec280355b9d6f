"""The executors that are in use: each is opened once for its options, when the first attempt needs it."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from loguru import logger

from rae_auto.api.executor import Executor
from rae_auto.api.plugin import Kind
from rae_auto.errors import PluginBroken
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.formatting import with_place
from rae_auto.model.primitives.names import RunId
from rae_auto.registry.containment import is_foreign
from rae_auto.registry.quarantine import HEALTHY_SECONDS, Quarantine
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks, wait_for_tasks
from rae_auto.runtime.execution.output_files import find_missing_folders
from rae_auto.toolkit.files import create_private_directory

SLOW_OPEN_SECONDS = 10.0
"""Time after which an executor that has not opened is reported."""


class OpenExecutors:
    """Executors by type and options."""

    def __init__(self, directory: Path, executor_for: Callable[[PluginRef], Executor], quarantine: Quarantine) -> None:
        """`directory` is the state directory, in which each type of executor has a folder."""
        self._directory = directory
        self._executor_for = executor_for
        self._quarantine = quarantine
        self._opening: dict[str, asyncio.Task[Executor]] = {}
        self._hanging: dict[str, str] = {}
        """The types of the executors that are reported because they hang, by type and options."""
        self._warm: set[str] = set()
        """The executors that have been asked to get ready."""
        self._warming = BackgroundTasks("the preparation of an executor")
        self.companions: list[OpenExecutors] = []
        """Executors of other directories, whose attempts this daemon looks after: which learn of durable ends, too."""

    async def open(self, ref: PluginRef) -> Executor:
        """Return an executor once it is open. Raises what keeps it from being opened."""
        key = _key_of(ref)
        if key not in self._opening:
            self._opening[key] = asyncio.get_running_loop().create_task(self._open(ref), name=ref.type)
        opening = self._opening[key]
        try:
            if opening.done():
                return opening.result()
            return await asyncio.shield(opening)
        except Exception:
            # The next attempt may find what was missing for this one.
            self._opening.pop(key, None)
            raise

    def find(self, ref: PluginRef) -> Executor | None:
        """Return an executor if it is open by now, else None."""
        opening = self._opening.get(_key_of(ref))
        return opening.result() if opening is not None and _is_open(opening) else None

    def all(self) -> list[Executor]:
        """Return all that are open."""
        return [opening.result() for opening in self._opening.values() if _is_open(opening)]

    def warm_up(self, expected: Iterable[tuple[PluginRef, str]]) -> None:
        """Have executors open, start what attempts need, and get ready for the starts of these jobs.

        An executor is told how many starts it gets, and some of the folders for their output that don't exist.
        """
        refs: dict[str, PluginRef] = {}
        jobs: dict[str, list[str]] = {}
        for ref, job in expected:
            key = _key_of(ref)
            refs[key] = ref
            jobs.setdefault(key, []).append(job)
        for key, ref in refs.items():
            if (opening := self._opening.get(key)) is not None and not opening.done():
                # It is being opened for an earlier call. One that hangs must not get a task at each check.
                continue
            self._warming.start(self._warm_up(key, ref, jobs[key]), owner=f"executor {ref.type}")

    async def _warm_up(self, key: str, ref: PluginRef, jobs: Sequence[str]) -> None:
        try:
            executor = await self.open(ref)
            if key not in self._warm:
                self._warm.add(key)
                await executor.warm_up()
            if executor.makes_output_folder:
                output = self._directory / "output"
                folders = await asyncio.to_thread(find_missing_folders, output, jobs)
                executor.expect_starts(len(jobs), folders)
        except BaseException as error:
            if is_foreign(error) or isinstance(error, asyncio.CancelledError):
                raise
            # The next start reports it.
            logger.debug('executor "{}" could not get ready: {!r}', ref.type, error)

    def confirm_ends(self, attempts: Collection[tuple[RunId, int]]) -> None:
        """Have all forget attempts, by run and number, whose ends are durable."""
        for executor in (*self.all(), *(one for companion in self.companions for one in companion.all())):
            try:
                executor.confirm_ends(attempts)
            except BaseException as error:
                if is_foreign(error):
                    raise
                self._quarantine.failed(Kind.EXECUTOR, executor.type, "confirm_ends", error)

    async def close(self, limit_seconds: float) -> None:
        """Close all, and wait at most this many seconds for that."""
        await self._warming.close(limit_seconds)
        hanging = [opening for opening in self._opening.values() if not opening.done()]
        for opening in hanging:
            opening.cancel()
        await wait_for_tasks(hanging, "the opening of an executor", limit_seconds)
        closing = BackgroundTasks("an executor")
        for executor in self.all():
            closing.start(_closed(executor), name=executor.type, owner=f"executor {executor.type}")
        await closing.wait(limit_seconds)

    async def _open(self, ref: PluginRef) -> Executor:
        key, executor = _key_of(ref), self._executor_for(ref)
        directory = create_private_directory(self._directory / "executors" / ref.type)
        reports = asyncio.get_running_loop().create_task(self._report_slow_open(executor, ref))
        try:
            await executor.open(directory)
            hanging_still = [type_ for other, type_ in self._hanging.items() if other != key]
            if ref.type not in hanging_still:
                self._quarantine.succeeded(Kind.EXECUTOR, ref.type, "open")
        except (Exception, asyncio.CancelledError, GeneratorExit) as error:
            if key in self._hanging and isinstance(error, Exception):
                # It hangs no longer: this is the problem now, until it opens.
                self._quarantine.failed(Kind.EXECUTOR, ref.type, "open", error)
            raise
        except BaseException as error:  # as the end of a task, SystemExit would end the daemon
            raise PluginBroken(self._quarantine.describe_failure(Kind.EXECUTOR, ref.type, error)) from error
        finally:
            self._hanging.pop(key, None)
            reports.cancel()
        return executor

    async def _report_slow_open(self, executor: Executor, ref: PluginRef) -> None:
        """Record that an executor hangs, which is logged once and stays a problem for as long as it does."""
        while True:
            await asyncio.sleep(SLOW_OPEN_SECONDS)
            self._hanging[_key_of(ref)] = ref.type
            what = f"open has not returned within {SLOW_OPEN_SECONDS:g} s; the runs of its jobs wait for it"
            self._quarantine.failed(Kind.EXECUTOR, ref.type, "open", with_place(what, executor.open))
            await asyncio.sleep(HEALTHY_SECONDS / 2)


def _key_of(ref: PluginRef) -> str:
    return repr(ref) if ref.options else ref.type


def _is_open(opening: "asyncio.Task[Executor]") -> bool:
    return opening.done() and not opening.cancelled() and opening.exception() is None


async def _closed(executor: Executor) -> None:
    try:
        await executor.close()
    except BaseException as error:
        if is_foreign(error):
            raise
        logger.error('executor "{}" failed to close: {!r}', executor.type, error)
