"""Files that plugins have read: when one changes, the plugins of its jobs are made again.

A plugin that reads a file does so once, when it is made, so that its answers stay a pure function of the time. By its
contract it names these files and the versions that it read (`Plugin.read_files`). They are checked every
`CHECK_SECONDS`, if there are any. A file that can't be used any more changes nothing: what was read before stays in
force, and the problem is logged once for each version of the file.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from rae_auto.engine.commands import Ask, RefreshPlans
from rae_auto.engine.events import Event
from rae_auto.engine.plan import Plan
from rae_auto.errors import InvalidJob, JobNotFound, StoreError
from rae_auto.model.primitives.names import JobId
from rae_auto.registry.factory import Planned, PluginFactory
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks
from rae_auto.runtime.concurrency.limited_calls import call_in_thread, call_within
from rae_auto.toolkit.files import FileIdentity, identify_file
from rae_auto.toolkit.threads.duties import keep_going

CHECK_SECONDS = 30.0
"""Time between two looks at the files."""

MAX_READ_SECONDS = 30.0
"""Time that reading a file again may take."""

Request = Callable[[Callable[[Ask], Event | RefreshPlans]], Awaitable[Mapping[str, Any]]]


class PluginFiles:
    """The files that the plugins of each job have read."""

    def __init__(
        self, request: Request, find_plan: Callable[[JobId], Plan], get_factory: Callable[[], PluginFactory]
    ) -> None:
        """`request` hands the engine an input; `find_plan` returns the plan of a job, or raises JobNotFound."""
        self._request = request
        self._find_plan = find_plan
        self._get_factory = get_factory
        self._files: dict[JobId, Mapping[str, FileIdentity]] = {}
        self._warnings: dict[JobId, tuple[str, ...]] = {}
        self._refused: dict[str, FileIdentity] = {}
        self._tasks = BackgroundTasks("looking at the files of plugins")
        self._is_following = False

    def set(self, planned: Planned) -> None:
        """Follow the files of a job from now on.

        Warnings of its plugins about them are logged after a change; before that, a check of the job shows them.
        """
        job = planned.plan.job.id
        if not planned.files:
            self.remove(job)
            return
        self._files[job] = planned.files
        before, self._warnings[job] = self._warnings.get(job), planned.file_warnings
        if before is not None:
            for line in planned.file_warnings:
                if line not in before:
                    logger.bind(job=job).warning("{}", line)
        if not self._is_following:
            self._is_following = True
            self._tasks.start(keep_going("look at the files of plugins", self._follow))

    def remove(self, job: JobId) -> None:
        """Follow no files of a job any more."""
        self._files.pop(job, None)
        self._warnings.pop(job, None)

    async def close(self, limit_seconds: float) -> None:
        """Stop following."""
        await self._tasks.close(limit_seconds)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            paths = {path for files in self._files.values() for path in files}
            # A file system that hangs is waited for: asking it again would leave one more thread behind each time.
            current = await call_in_thread("plugin files", _identify, paths)
            for job, files in list(self._files.items()):
                changed = {path for path in files if current.get(path, files[path]) != files[path]}
                if any(self._refused.get(path, files[path]) != current[path] for path in changed):
                    try:
                        await self._renew(job, {path: current[path] for path in changed})
                    except Exception as error:  # the files of other jobs are to be followed nevertheless
                        logger.bind(job=job).error("the files of its plugins could not be read again: {!r}", error)

    async def _renew(self, job: JobId, changed: Mapping[str, FileIdentity]) -> None:
        """Make the plugins of a job again, because these files have changed."""
        names, factory = ", ".join(sorted(Path(path).name for path in changed)), self._get_factory()
        # Other jobs that name the same file must not get what was read before.
        factory.forget_plugins()
        try:
            plan = self._find_plan(job)
            planned = await call_within(MAX_READ_SECONDS, "plugin files", factory.plan, plan.job, plan.origin)
            if factory is not self._get_factory():
                return  # a configuration that was read meanwhile has made all plugins, perhaps for another time zone
            await self._request(lambda ask: RefreshPlans((planned.plan,), ask))
        except JobNotFound:
            self.remove(job)
        except (StoreError, TimeoutError) as error:
            why = str(error) or f"reading took longer than {MAX_READ_SECONDS:g} s"
            logger.bind(job=job).warning("{} changed, and is read again later: {}", names, why)
        except InvalidJob as error:
            self._refused.update(changed)
            logger.bind(job=job).warning("{} changed, but what was read before stays in force: {}", names, error)
        else:
            logger.bind(job=job).info("{} changed and was read again", names)
            self.set(planned)


def _identify(paths: set[str]) -> dict[str, FileIdentity]:
    return {path: identify_file(Path(path)) for path in paths}
