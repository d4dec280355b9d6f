"""Attempts that other nodes have started, seen from the node that leads.

Each run has the node that started its current attempt. Three things end the uncertainty about one of another node:

1. *Its own report.* The daemon of that node stands by, and reports the progress of the attempt.
2. *Proof on this machine.* The node's directory is here, and its lock says that no daemon has it (see `nodes`). Then
   its executors' records are read in that directory, and the attempt is adopted, with its true exit status.
3. *A declaration.* A person, or a time limit that was configured, has declared the node dead. That says nothing of
   an attempt that runs on a third machine: an executor that finds attempts from anywhere is asked here, and the
   attempt is adopted. Any other counts as lost, and `on_crash` decides.

Until then the run stays as it is, nothing is started in its place, and `describe` says what it waits for.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import field, frozen
from loguru import logger

from rae_auto.api.executor import Executor
from rae_auto.api.shared_store import LEADER, SILENT_SECONDS, KnownNode, Node, NodeMessage, SharedStore
from rae_auto.engine.events import AttemptEnded, AttemptFound, Event
from rae_auto.errors import StoreError
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Run
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks
from rae_auto.runtime.execution.executions import Executions
from rae_auto.runtime.sharing.messages import (
    AttemptReport,
    CancelRequest,
    ConfirmedEnd,
    decode_event,
    encode_cancel,
    encode_confirmed_end,
    read_message,
)
from rae_auto.runtime.sharing.nodes import is_gone
from rae_auto.runtime.sharing.notices import wait_for_notice
from rae_auto.toolkit.threads.duties import keep_going

LOOK_SECONDS = 2.0
"""Time limit for looking at all nodes when a client asks for them."""

FORGOTTEN_SECONDS = 86_400.0
"""Time without a word after which a node that nothing waits for is no longer listed."""

CHECK_SECONDS = 1.0
"""Time between two looks for proof, while there are attempts without."""


Adopt = Callable[[Sequence[tuple[Run, Job]]], Awaitable[None]]
"""Has this daemon's own executors look for attempts, and adopts those that are alive."""


@frozen(kw_only=True)
class LeaderParts:
    """Parts of the runtime that settling the attempts of other nodes needs."""

    store: SharedStore
    node: Node
    executor_for: Callable[[PluginRef], Executor]
    environment: Mapping[str, str]
    adopt: Adopt
    submit: Callable[[Event], None]
    drain: Callable[[], Awaitable[bool]]
    """Returns an awaitable of whether all that was submitted is durable; it waits for that, but not for ever."""
    find_run: Callable[[RunId], Run | None]
    call: Callable[..., Any]
    """Calls a function in the store's thread; returns an awaitable."""
    max_output_bytes: Callable[[], int] | None = field(default=None)
    note_adopted: Callable[[Executions], None] = field(default=lambda _: None)
    """Called with what looks after attempts in the directory of a node of this machine."""


@frozen
class NodeState:
    """A node, and what it does: "leads", "stands by", "silent" or "declared dead"."""

    known: KnownNode
    role: str


class Elsewhere:
    """Settles the attempts of other nodes, one by one."""

    def __init__(self, parts: LeaderParts) -> None:
        self._parts = parts
        self._waiting: dict[str, list[tuple[Run, Job]]] = defaultdict(list)
        self._known: dict[str, KnownNode] = {}
        self._adopted: dict[str, Executions] = {}
        self._taken_over: set[tuple[RunId, int]] = set()
        """Attempts of nodes that were declared dead, which this daemon's own executors have."""
        self._submitted = set[int]()
        """Messages whose events the engine has, which aren't durable yet, or whose messages can't be discarded."""
        self._ends: dict[int, AttemptReport] = {}
        """The ends that such messages report, until their senders know that they are durable."""
        self._tasks = BackgroundTasks("a look at other nodes")
        self._woken = asyncio.Event()

    def start(self, active: Sequence[tuple[Run, Job]]) -> None:
        """Begin with these attempts of other nodes, and listen to what nodes send."""
        for run, job in active:
            self._waiting[run.node].append((run, job))
        self._tasks.start(keep_going("look at other nodes", self._settle), name="nodes")
        self._tasks.start(keep_going("receive messages", self._receive), name="messages")

    def wake(self) -> None:
        """Look at messages now."""
        self._woken.set()

    def cancel(self, run: Run, grace: timedelta) -> bool:
        """Have the node that has the attempt end it; `AttemptEnded` follows. False: this daemon's executors have it."""
        if (run.id, run.attempt) in self._taken_over:
            return False
        adopted = self._adopted.get(run.node)
        if adopted is not None:
            adopted.cancel(run.id, run.attempt, grace)
        else:
            request = encode_cancel(CancelRequest(run.id, run.attempt, grace))
            self._tasks.start(self._send(run.node, request), name="cancel")
        return True

    def describe(self, run: Run) -> str | None:
        """Return why the state of an active run is unknown, as a clause; None if a daemon looks after it."""
        known = self._known.get(run.node)
        if not any(one.id == run.id for one, _ in self._waiting.get(run.node, ())) or known is None:
            return None
        if known.silent_seconds < SILENT_SECONDS:
            return None
        return (
            f"nothing has been heard of that node for {known.silent_seconds:.0f} s, and nothing takes the place of "
            f"attempt {run.attempt} until the node is back or proven dead"
        )

    def problems(self) -> list[str]:
        """Return a line for each node that is waited for."""
        return [
            f'node "{node}" has been silent for {known.silent_seconds:.0f} s, and nothing is known of '
            f"{format_count(len(runs), 'attempt')} there; start its daemon, or declare it dead if the machine is off"
            for node, runs in self._waiting.items()
            if runs and (known := self._known.get(node)) is not None and known.silent_seconds >= SILENT_SECONDS
        ]

    async def list_nodes(self) -> list[NodeState]:
        """Return all nodes that reported within a day, or that are waited for, as of now if possible."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._look()
        return [
            NodeState(one, self._name_role(one))
            for one in self._known.values()
            if one.silent_seconds < FORGOTTEN_SECONDS or self._waiting.get(one.node.name)
        ]

    def _name_role(self, known: KnownNode) -> str:
        if known.node.name == self._parts.node.name:
            return "leads"
        if known.fenced_at is not None:
            return "declared dead"
        return "stands by" if known.silent_seconds < SILENT_SECONDS else "silent"

    async def close(self) -> None:
        """Release adopted attempts, which run on."""
        await self._tasks.close(CHECK_SECONDS)
        for executions in self._adopted.values():
            await executions.close()

    async def _send(self, node: str, body: Mapping[str, Any]) -> None:
        while True:
            try:
                await self._parts.call(self._parts.store.send, self._parts.node.name, node, [body])
                return
            except StoreError:
                await asyncio.sleep(CHECK_SECONDS)

    async def _settle(self) -> None:
        while any(self._waiting.values()):
            await self._look()
            failure: Exception | None = None
            for name in [name for name, runs in self._waiting.items() if runs]:
                one = self._known.get(name)
                if one is None:
                    continue
                try:
                    if await asyncio.to_thread(is_gone, one.node, self._parts.node):
                        await self._adopt(one.node)
                    elif one.fenced_at is not None:
                        await self._give_up(name)
                except Exception as error:  # of whatever kind: the attempts of the other nodes don't wait for it
                    failure = error
            if failure is not None:
                raise failure
            await asyncio.sleep(CHECK_SECONDS)

    async def _look(self) -> None:
        try:
            known = await self._parts.call(self._parts.store.nodes)
        except StoreError:
            return
        self._known = {one.node.name: one for one in known} or self._known

    async def _adopt(self, node: Node) -> None:
        """Look for the attempts of a node of this machine whose daemon is gone, in its directory."""
        runs = list(self._waiting[node.name])
        count = format_count(len(runs), "attempt")
        logger.info('the daemon of node "{}" is gone; this one takes over {}', node.name, count)
        executions = self._adopted.get(node.name)
        if executions is None:
            parts = self._parts
            executions = self._adopted[node.name] = Executions(
                Path(node.directory), parts.executor_for, parts.submit, parts.environment, None, parts.max_output_bytes
            )
            parts.note_adopted(executions)
        await executions.find(runs)
        self._wait_no_more(node.name, [run for run, _ in runs])

    async def _give_up(self, name: str) -> None:
        """Take over the attempts of a node that was declared dead where an executor can, and give up the others."""
        asked, silent = list[tuple[Run, Job]](), timedelta(seconds=self._known[name].silent_seconds)
        for run, job in list(self._waiting[name]):
            log = logger.bind(job=run.job, run=run.id)
            if self._can_find(job):
                log.warning('its node "{}" was declared dead; its executor is asked whether it goes on elsewhere', name)
                asked.append((run, job))
            else:
                log.warning('its node "{}" was declared dead, so it counts as lost', name)
                self._parts.submit(AttemptFound(run.id, run.attempt, silent=silent))
                self._wait_no_more(name, [run])
        self._taken_over |= {(run.id, run.attempt) for run, _ in asked}
        await self._parts.adopt(asked)
        self._wait_no_more(name, [run for run, _ in asked])

    def _wait_no_more(self, name: str, runs: Sequence[Run]) -> None:
        """Forget runs of a node, once nothing is left to do for them that could fail."""
        ids = {run.id for run in runs}
        self._waiting[name] = [(run, job) for run, job in self._waiting[name] if run.id not in ids]

    def _can_find(self, job: Job) -> bool:
        try:
            return self._parts.executor_for(job.executor_ref).finds_from_anywhere
        except Exception as error:  # as where its package isn't installed here, or is broken
            logger.bind(job=job.id).warning("its executor can't be asked: {}", error)
            return False

    async def _receive(self) -> None:
        while True:
            try:
                messages: Sequence[NodeMessage] = await self._parts.call(self._parts.store.receive, LEADER)
            except StoreError:
                await asyncio.sleep(CHECK_SECONDS)
                continue
            self._submitted &= {message.id for message in messages}
            for message in messages:
                if message.id not in self._submitted:
                    self._take(message)
                    self._submitted.add(message.id)
            if messages:
                # They are discarded only when what follows from them is durable; until then they are read again.
                if not await self._parts.drain():
                    continue
                try:
                    await self._confirm_ends(messages)
                    await self._parts.call(self._parts.store.discard, [message.id for message in messages])
                except StoreError:
                    await asyncio.sleep(CHECK_SECONDS)
                    continue
            await wait_for_notice(self._woken)

    async def _confirm_ends(self, messages: Sequence[NodeMessage]) -> None:
        """Tell nodes which of the ends that they reported are durable, so that their executors forget these attempts.

        One that this daemon's own executors follow is not: they have yet to read its output. Errors: StoreError.
        """
        confirmed = defaultdict[str, list[Mapping[str, Any]]](list)
        for message in messages:
            event = self._ends.get(message.id)
            if event is None or (event.run, event.attempt) in self._taken_over:
                continue
            run = self._parts.find_run(event.run)
            if run is None or not run.state.active or run.attempt != event.attempt:
                confirmed[message.sender].append(encode_confirmed_end(ConfirmedEnd(event.run, event.attempt)))
        for node, bodies in confirmed.items():
            await self._parts.call(self._parts.store.send, self._parts.node.name, node, bodies)
        self._ends.clear()

    def _take(self, message: NodeMessage) -> None:
        event = read_message(message, decode_event)
        if event is None:
            return
        if _is_end(event):
            self._ends[message.id] = event
        run = self._parts.find_run(event.run)
        # An attempt that has started elsewhere meanwhile doesn't concern the sender.
        if run is None or run.node != message.sender or run.attempt != event.attempt:
            return
        if _is_end(event):
            self._wait_no_more(run.node, [run])
        self._parts.submit(event)


def _is_end(event: AttemptReport) -> bool:
    return isinstance(event, AttemptEnded) or (isinstance(event, AttemptFound) and event.handle is None)
