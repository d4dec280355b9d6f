"""A daemon that stands by: it waits for its turn, and looks after the attempts that it started when it led.

It asks its executors for them as after a restart, reports the progress of each, and ends those that the leader
asks it to end. It starts nothing. When its turn comes it lets go of them, and takes them over like any daemon that has
just started.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from loguru import logger

from rae_auto.api.executor import Executor
from rae_auto.api.shared_store import LEADER, Node, SharedStore, Standby
from rae_auto.api.store import CorruptDocument, Document
from rae_auto.engine.events import Event
from rae_auto.engine.lifecycle import job_of_terms
from rae_auto.errors import StoreError
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.run import Run
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks
from rae_auto.runtime.concurrency.worker import Worker
from rae_auto.runtime.execution.executions import Executions
from rae_auto.runtime.sharing.messages import ConfirmedEnd, decode_request, encode_event, read_message
from rae_auto.runtime.sharing.notices import wait_for_notice
from rae_auto.toolkit.threads.duties import keep_going

RETRY_SECONDS = 1.0
"""Pause before a store that can't be reached is tried again."""


class StandbyDuty:
    """The work of a node while another one leads."""

    def __init__(
        self,
        store: SharedStore,
        node: Node,
        executor_for: Callable[[PluginRef], Executor],
        environment: Mapping[str, str],
        jobs: Mapping[str, Job],
    ) -> None:
        """`jobs` are those of the configuration, by name."""
        self._store, self._node, self._jobs = store, node, jobs
        self._loop = asyncio.get_running_loop()
        self._worker = Worker("standby")
        self._executions = Executions(Path(node.directory), executor_for, self._report, environment)
        self._unsent: list[Mapping[str, Any]] = []
        self._tasks = BackgroundTasks("a task of the stand-by")
        self._wake_sender, self._wake_receiver = asyncio.Event(), asyncio.Event()
        self._has_looked = asyncio.Event()
        """Set once requests find the attempts that they are about."""
        self._is_at_work = False

    def note(self, standby: Standby) -> None:
        """Take note of why this daemon waits; the duty begins once the store can be read."""
        if not self._is_at_work and standby.leader is not None:
            self._is_at_work = True
            self._store.watch(lambda _: None, lambda: self._call_soon(self._wake_receiver.set))
            self._tasks.start(keep_going("look after attempts", self._look_after_attempts), name="attempts")
            self._tasks.start(keep_going("send reports", self._send), name="sending")
            self._tasks.start(keep_going("receive requests", self._receive), name="receiving")

    async def close(self) -> None:
        """Release the attempts, which run on."""
        await self._tasks.close(RETRY_SECONDS)
        await self._executions.close()
        self._worker.end()

    def _call_soon(self, function: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(function)

    async def _look_after_attempts(self) -> None:
        found = await self._retry(lambda: list(self._store.load(documents.RUN)))
        runs = [run for key, body in found if (run := _load_run(key, body)) is not None]
        own = [run for run in runs if run.state.active and run.node == self._node.name]
        if own:
            count = format_count(len(own), "attempt")
            logger.info("looks after {} that this node started when it led", count)
        await self._executions.find([(run, self._job_of(run)) for run in own])
        self._has_looked.set()

    def _job_of(self, run: Run) -> Job:
        job = self._jobs.get(run.job)
        return job if job is not None and job.executor_ref == run.terms.executor else job_of_terms(run)

    def _report(self, event: Event) -> None:
        body = encode_event(event)
        if body is not None:
            self._unsent.append(body)
            self._wake_sender.set()

    async def _send(self) -> None:
        while True:
            # Also what was left when this failed, which no report announces again.
            while self._unsent:
                bodies = list(self._unsent)
                await self._retry(partial(self._store.send, self._node.name, LEADER, bodies))
                del self._unsent[: len(bodies)]
            await self._wake_sender.wait()
            self._wake_sender.clear()

    async def _receive(self) -> None:
        await self._has_looked.wait()
        while True:
            for message in await self._retry(lambda: self._store.receive(self._node.name)):
                request = read_message(message, decode_request)
                if isinstance(request, ConfirmedEnd):
                    self._executions.executors.confirm_ends([(request.run, request.attempt)])
                elif request is not None:
                    self._executions.cancel(request.run, request.attempt, request.grace)
                await self._retry(partial(self._store.discard, [message.id]))
            await wait_for_notice(self._wake_receiver)

    async def _retry(self, call: Callable[[], Any]) -> Any:
        """Return what a call to the store returns; repeat it while the store can't be reached."""
        while True:
            try:
                return await self._worker.call(call)
            except StoreError:
                await asyncio.sleep(RETRY_SECONDS)


def _load_run(key: str, body: Document | CorruptDocument) -> Run | None:
    """Return a run; None, with a line in the log, for one that can't be read, which the leader deals with."""
    if isinstance(body, CorruptDocument):
        problem = body.problem
    else:
        try:
            return documents.load(Run, body)
        except Exception as error:  # whatever a daemon of another version has written
            problem = " ".join(str(error).split()) or type(error).__name__
    logger.error("run {} in the store can't be read, so this node can't look after it: {}", key, problem)
    return None
