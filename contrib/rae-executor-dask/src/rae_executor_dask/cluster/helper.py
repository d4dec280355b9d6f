"""The helper: attempts submitted, permitted once, followed, found again, and reported to the daemon."""

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distributed import Future

from rae_executor_dask.cluster.claims import NEVER, ClaimFiles, is_never
from rae_executor_dask.cluster.connection import ClusterConnection
from rae_executor_dask.cluster.fitting import Workers, find_problem
from rae_executor_dask.cluster.relay_program import RelayProgram
from rae_executor_dask.cluster.settings import ClusterSettings
from rae_executor_dask.cluster.tracked_attempt import Message, TrackedAttempt
from rae_executor_dask.cluster.worker_line import Callbacks, Unreachable, WorkerLine
from rae_executor_dask.remote.task import PROGRAM

TEND_SECONDS = 0.5
"""Interval at which attempts without reports are looked for."""

HELLO_SECONDS = 3.0
UNFIT_SECONDS = 3.0
"""Time without a worker that could take a queued attempt after which that is given back to the daemon.

With the age of what is known of the workers, and the interval of the looks, less than 5 s: then the run has the reason.
"""

RESUBMIT_SECONDS = 1.0
LEASE_MARGIN_SECONDS = 10.0
"""Time beyond a lease that a keeper may take to end its jobs."""

MAX_OTHERS = 20
"""Number of workers on other addresses that are asked whether they are on a machine that is looked for."""


class Helper:
    """Carries out attempts on one cluster for one daemon."""

    def __init__(self, settings: ClusterSettings, report: Callable[[Message], None]) -> None:
        self._report = report
        self._lease_seconds = settings.lease_seconds
        self._claims = ClaimFiles(Path(settings.claims))
        self._session = uuid.uuid4().hex
        self._topic = f"rae-auto-{self._session}"
        program = RelayProgram(settings.directory, settings.lease_seconds)
        self._operation = program.operation
        self._connection = ClusterConnection(settings, self._topic, program)
        self._attempts: dict[str, TrackedAttempt] = {}
        self._lines: dict[str, WorkerLine] = {}
        self._futures: dict[str, Future] = {}
        self._submitted_at: dict[str, float] = {}
        self._unfit_since: dict[str, float] = {}
        self._busy: set[str] = set()
        """Attempts for which a permission is being given."""
        self._count = 0
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Work until cancelled. Errors: whatever ends a part of the work or a task of `_start`.

        The rest is of no use without that: the daemon reports the cause, and starts another helper.
        """
        await asyncio.to_thread(self._claims.remove_old)
        keeping = asyncio.ensure_future(self._connection.keep(self._handle_event, self._note_connection))
        tending = asyncio.ensure_future(self._keep_tending())
        try:
            parts = {keeping, tending, self._failed}
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            keeping.cancel()
            tending.cancel()

    async def _keep_tending(self) -> None:
        while True:
            self._wake.clear()
            await self._tend()
            pause = TEND_SECONDS if self._attempts else None
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    # Requests of the daemon

    def handle(self, message: Message) -> None:
        """Handle a request of the daemon."""
        do = message["do"]
        if do == "ready":
            self._start(self._answer_ready(message))
            return
        token = message["token"]
        attempt = self._attempts.get(token)
        if do in ("spawn", "follow"):
            if attempt is None:
                self._attempts[token] = attempt = TrackedAttempt(token, message["run"], self._report)
                attempt.work = message.get("request")
                attempt.offset = message.get("offset", 0)
                self._start(self._take(attempt))
        elif attempt is not None and do == "end":
            attempt.grace_end = time.monotonic() + message["grace"]
            self._start(self._end(attempt))
        elif attempt is not None and do == "done":
            # At once: what comes next may be about the same attempt.
            del self._attempts[token]
            self._start(self._forget(attempt))

    async def _answer_ready(self, message: Message) -> None:
        workers = await self._connection.read_workers()
        scheduler = self._connection.scheduler
        if workers is None:
            problem: str | None = f"{scheduler}: not connected"
        else:
            problem = find_problem(workers, scheduler, message["labels"], message["resources"])
        self._report({"id": message["id"], "problem": problem})

    async def _take(self, attempt: TrackedAttempt) -> None:
        """Find out whether an attempt has a claim; one of an earlier daemon that has none never starts."""
        try:
            claim = await asyncio.to_thread(self._claims.read, attempt.token)
            if claim is None and attempt.work is None:
                claim = await asyncio.to_thread(self._claims.write, attempt.token, NEVER)
        except (OSError, ValueError) as error:
            attempt.finish("failed", f"its claim can't be read: {error}")
            return
        attempt.claim = claim
        if is_never(claim):
            attempt.finish("never")
        elif claim is None:
            self._submit(attempt)
        else:
            attempt.note_taken()
        self._wake.set()

    async def _end(self, attempt: TrackedAttempt) -> None:
        if attempt.is_over or attempt.grace_end is None:
            return
        if attempt.claim is None:
            await self._withdraw(attempt, "failed", "no worker had taken it yet, so it was not started")
        elif attempt.line is not None:
            grace = max(0.0, attempt.grace_end - time.monotonic())
            try:
                await self._line(attempt.line).send({"do": "end", "token": attempt.token, "grace": grace})
            except Unreachable:
                self._handle_silence(attempt.line)

    async def _withdraw(self, attempt: TrackedAttempt, outcome: str, value: object = True) -> None:
        """Have a queued attempt never start, unless a worker was first."""
        try:
            claim = await asyncio.to_thread(self._claims.write, attempt.token, NEVER)
        except (OSError, ValueError):
            return
        attempt.claim = claim
        if is_never(claim):
            self._release(attempt.token)
            attempt.finish(outcome, value)

    async def _forget(self, attempt: TrackedAttempt) -> None:
        attempt.is_over = True
        self._unfit_since.pop(attempt.token, None)
        self._release(attempt.token)
        if attempt.line is not None:
            line = self._line(attempt.line)
            line.remove(attempt.token)
            # Otherwise the directory there is removed after some weeks.
            with suppress(Unreachable):
                await line.send({"do": "done", "token": attempt.token})

    # Tasks and claims

    def _submit(self, attempt: TrackedAttempt) -> None:
        client, work = self._connection.client, attempt.work
        if client is None or work is None:
            return
        self._count += 1
        self._submitted_at[attempt.token] = time.monotonic()
        names = {"OPERATION": self._operation, "TOKEN": attempt.token, "TOPIC": self._topic}
        try:
            self._futures[attempt.token] = client.submit(
                exec,
                PROGRAM,
                names,
                key=f"{work['name']}-{attempt.token}-{self._session[:8]}-{self._count}",
                resources={**dict.fromkeys(work["labels"], 0), **work["resources"]} or None,
                priority=work["priority"],
                pure=False,
                retries=0,
            )
        except Exception:
            if client.status not in ("closing", "closed"):
                raise
            # It is submitted again by the next client.

    def _release(self, token: str) -> None:
        """Let Dask forget a task; one that waits in its queue never runs."""
        self._futures.pop(token, None)
        self._submitted_at.pop(token, None)

    def _handle_event(self, event: Message) -> None:
        self._start(self._prepare(event["needed"]) if "needed" in event else self._handle_claim(event))

    async def _prepare(self, address: str) -> None:
        # A worker that was not reached asks again.
        with suppress(Unreachable):
            await self._connection.call(address, {"do": "hello"}, HELLO_SECONDS)

    async def _handle_claim(self, claim: Message) -> None:
        """Permit a start if this is the first claim, or this one again; refuse it otherwise."""
        token = claim["token"]
        attempt = self._attempts.get(token)
        if token in self._busy:
            return
        self._busy.add(token)
        try:
            if attempt is not None and not attempt.is_over and attempt.claim is None and attempt.work is not None:
                try:
                    attempt.claim = await asyncio.to_thread(self._claims.write, token, claim)
                except (OSError, ValueError):
                    return  # it asks again
                attempt.note_taken()
            if attempt is not None and not attempt.is_over and (attempt.claim or {}).get("relay") == claim["relay"]:
                await self._permit(attempt)
                return
        finally:
            self._busy.discard(token)
        # A task that was not reached asks again.
        with suppress(Unreachable):
            await self._line(claim["address"]).send({"do": "refuse", "token": token})

    async def _permit(self, attempt: TrackedAttempt) -> None:
        """Have the worker of the claim start the attempt; as often as it asks, because it starts it once."""
        assert attempt.claim is not None and attempt.work is not None
        address = attempt.claim["address"]
        message = {
            "do": "spawn",
            "token": attempt.token,
            "run": attempt.run,
            "session": self._session,
            "request": attempt.work["request"],
        }
        try:
            relay, answer = await self._line(address).send(message)
        except Unreachable:
            self._wake.set()
            return
        if relay != attempt.claim["relay"]:
            self._wake.set()
        elif answer is None:
            self._follow(attempt, address, is_fresh=True)
        elif "gone" in answer:
            attempt.finish("never")
        else:
            attempt.finish("failed", answer["failed"])

    # Following

    def _line(self, address: str) -> WorkerLine:
        line = self._lines.get(address)
        if line is None:
            callbacks = Callbacks(self._connection.call, self._handle_reports, self._handle_silence, self._start)
            line = self._lines[address] = WorkerLine(address, self._session, callbacks)
        return line

    def _follow(self, attempt: TrackedAttempt, address: str, *, is_fresh: bool = False) -> None:
        """Have a worker report on an attempt."""
        if attempt.is_over:
            return
        attempt.line = address
        self._line(address).add(attempt, is_fresh=is_fresh)
        if attempt.grace_end is not None:
            self._start(self._end(attempt))

    def _handle_reports(self, reports: list[Message]) -> None:
        for report in reports:
            attempt = self._attempts.get(report["token"])
            if attempt is not None:
                attempt.handle_report(report)
                if attempt.is_over and attempt.line is not None:
                    self._line(attempt.line).remove(attempt.token)

    def _handle_silence(self, address: str) -> None:
        """Look for the attempts of a worker that doesn't answer."""
        line = self._lines.pop(address, None)
        if line is not None:
            for attempt in self._attempts.values():
                if attempt.line == address:
                    attempt.line = None
                    attempt.note_silence()
            line.users.clear()
            self._wake.set()

    def _note_connection(self, problem: str | None) -> None:
        self._futures.clear()
        # Workers need a moment to come back.
        self._unfit_since.clear()
        for line in self._lines.values():
            line.close()
        self._lines.clear()
        for attempt in self._attempts.values():
            attempt.line = None
        self._report({"open": problem is None, "problem": problem})
        self._wake.set()

    async def _tend(self) -> None:
        """Look for the attempts without reports, and for those in the queue."""
        open_attempts = [attempt for attempt in self._attempts.values() if not attempt.is_over]
        if not open_attempts:
            return
        workers = await self._connection.read_workers()
        if workers is None:
            return
        lookups = []
        for attempt in open_attempts:
            if attempt.is_over or attempt.token in self._busy:
                continue
            if attempt.claim is not None and attempt.line is None:
                lookups.append(self._find(attempt, workers))
            elif attempt.claim is None and attempt.work is not None:
                lookups.append(self._tend_queued(attempt, workers))
        await asyncio.gather(*lookups)

    async def _tend_queued(self, attempt: TrackedAttempt, workers: Workers) -> None:
        """Submit it where that was lost; give it back to the daemon where no worker can take it any more."""
        token, now = attempt.token, time.monotonic()
        if attempt.grace_end is not None:
            # Its claim could not be written when it was asked to end.
            await self._end(attempt)
            return
        future = self._futures.get(token)
        if (future is None or future.done()) and now - self._submitted_at.get(token, 0.0) > RESUBMIT_SECONDS:
            self._submit(attempt)
        assert attempt.work is not None
        if find_problem(workers, "", attempt.work["labels"], attempt.work["resources"]) is None:
            self._unfit_since.pop(token, None)
        elif now - self._unfit_since.setdefault(token, now) > UNFIT_SECONDS:
            await self._withdraw(attempt, "never")

    async def _find(self, attempt: TrackedAttempt, workers: Workers) -> None:
        """Find a worker on the machine of an attempt, or prove that it is gone."""
        claim = attempt.claim
        assert claim is not None
        own = claim["address"]
        host = urlsplit(own).hostname
        beside = [address for address in workers if address != own and urlsplit(address).hostname == host]
        others = [address for address in workers if urlsplit(address).hostname != host][:MAX_OTHERS]
        for address in [own] * (own in workers) + beside + others:
            try:
                found = await self._connection.call(address, {"do": "hello"}, HELLO_SECONDS)
            except Unreachable:
                continue
            if attempt.is_over or attempt.line is not None:
                return
            if found.get("relay") == claim["relay"] and attempt.work is not None and not attempt.is_reported:
                # Whether the permission has arrived isn't known; it starts it once.
                await self._permit(attempt)
                return
            is_same_boot = found.get("boot") == claim["boot"]
            if found.get("place") == claim["place"] and (not is_same_boot or found.get("pids") == claim["pids"]):
                self._follow(attempt, address)
                return
        attempt.note_silence()
        now = time.monotonic()
        if own in workers:
            attempt.unknown_since = None
        elif attempt.unknown_since is None:
            attempt.unknown_since = now
        elif now - attempt.unknown_since > self._lease_seconds + LEASE_MARGIN_SECONDS:
            attempt.finish("lost")

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task whose failure ends the helper, because an attempt would have no end without it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)
