"""The daemon's side of the keeper's protocol, and the attempts that its own keeper holds.

A keeper that is killed has requests that it has yet to carry out. Each goes to the next keeper, as if it were sent only
now, if two facts prove that the attempt was not spawned and never will be:

- The daemon has reaped the killed keeper, so it reads no request any more.
- The daemon has created the output file, which is the first act of a keeper and can be done by one alone; and there is
  no record, which a quiet attempt leaves whose file was removed.

Then the daemon removes the file again, which is its own. If it dies in between, the next daemon finds its claim, or
nothing and claims the attempt itself. Anything else may have been spawned: it is ended, and fails.
"""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.api import Execution
from rae_auto.model.run import Result
from rae_plugins.executors.process.adopted_attempt import AdoptedAttempt, end_tree
from rae_plugins.executors.process.attempt_files import (
    claim_attempt,
    has_record,
    read_record,
    to_past_result,
    to_result,
    to_tree_end,
)
from rae_plugins.executors.process.identity import ProcessTree
from rae_plugins.executors.process.keeper.termination import KILL_TIMEOUT_SECONDS, describe_survivors
from rae_plugins.executors.process.keeper_start import open_channel, start_keeper

READ_BYTES = 1 << 16

MAX_REQUESTS_AT_ONCE = 16
"""Requests that are written together: few enough that the keeper begins while others are being prepared."""

MAX_UNANSWERED = 16
"""Requests to start that may be open before reports are held back."""

MAX_HOLD_SECONDS = 1.0
"""Time for which reports are held back at most."""

MAX_KEY_BYTES = 100
"""Bytes at the begin of a report that have the key of its attempt."""

MIN_EXPECTED = 10
"""Number of starts at once for which files are made before; a few don't have to wait for each other."""

KEEPER_EXIT_SECONDS = 0.2
"""Time in which a keeper without jobs exits once the daemon has disconnected."""

MAX_KEEPERS = 3
"""Number of keepers that get a request, because it may be what ends them."""

KEEPER_ANSWER_SECONDS = 2.0
"""Time that a keeper may take to report an end, on top of what ending it may take."""


@define(eq=False)
class KeeperClient:
    """Starts a keeper before the first job starts, and another one after it was killed."""

    directory: Path | None = None
    """Directory for notes on the keeper and for the traceback of one that fails."""
    _requests: "RequestWriter | None" = field(init=False, default=None)
    _reports: "ReportHold" = field(init=False, factory=lambda: ReportHold())
    _connecting: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _process: "subprocess.Popen[bytes] | None" = field(init=False, default=None)
    _reading: "asyncio.Task[None] | None" = field(init=False, default=None)
    _attempts: "dict[str, KeeperAttempt]" = field(init=False, factory=dict)
    _unconfirmed: set[str] = field(init=False, factory=set)
    """Attempts that have ended, until the daemon has made that durable."""

    async def spawn(self, request: Mapping[str, Any], output: Path, *, can_wait: bool = True) -> Execution:
        """Have a job spawned that writes to `output`. Errors: RuntimeError with the keeper's explanation.

        Its reports `can_wait` if nothing counts the time that it takes: one with a timeout has to be known to be over.
        """
        for _ in range(MAX_KEEPERS - 1):
            with suppress(NotSpawned):
                return await self._spawn_once(request, output, can_wait)
        return await self._spawn_once(request, output, can_wait)

    async def _spawn_once(self, request: Mapping[str, Any], output: Path, can_wait: bool) -> Execution:
        requests = self._requests or await self.connect()
        key = request["key"]
        attempt = self._attempts[key] = KeeperAttempt(requests, key, request["run"], output)
        requests.send(request)
        if can_wait:
            self._reports.expect_answer(key)
        try:
            await attempt.started
        except asyncio.CancelledError:
            # It was given up, so it must never start, or must end at once: another attempt may follow.
            if not _could_claim(output):
                requests.send({"end": key, "grace": 0})
            raise
        return attempt

    def confirm_ends(self, keys: Iterable[str]) -> None:
        """Say which attempts have ended durably; those of other keepers are passed over."""
        ours = self._unconfirmed.intersection(keys)
        self._unconfirmed -= ours
        if ours and self._requests is not None:
            self._requests.send({"stored": sorted(ours)})

    def expect_starts(self, number: int, folders: Iterable[Path]) -> None:
        """Have output files ready for so many starts, and these folders."""
        new = [str(folder) for folder in folders]
        if self._requests is not None and (new or number >= MIN_EXPECTED):
            self._requests.send({"expect": number, "folders": new})

    async def close(self) -> None:
        """Disconnect; the keeper exits once its last job has ended."""
        if self._requests is not None:
            self._requests.close()
        if self._reading is not None:
            self._reading.cancel()
        if self._process is not None:
            await asyncio.to_thread(_reap, self._process, KEEPER_EXIT_SECONDS)

    async def connect(self) -> "RequestWriter":
        """Start a keeper if there is none."""
        # Several first starts come together: one of them starts the keeper for all.
        async with self._connecting:
            if self._requests is None:
                ours, theirs = open_channel()
                with theirs:
                    self._process = start_keeper(theirs, self.directory)
                    await _wait_until_ready(self._process)
                try:
                    reader, writer = await asyncio.open_connection(sock=ours)
                except BaseException:
                    ours.close()
                    raise
                self._requests, self._reports = RequestWriter(writer), ReportHold()
                self._reading = asyncio.get_running_loop().create_task(self._read_reports(reader))
            return self._requests

    async def _read_reports(self, reader: asyncio.StreamReader) -> None:
        """Handle reports until the keeper is gone, or sends something that isn't a report."""
        incoming, reports = b"", self._reports
        # Whatever ends this: attempts would wait for ever for a keeper whose reports are read no more.
        with suppress(Exception):
            # A last line without its end is that of a keeper which was killed while it wrote.
            while (data := await _read(reader, reports.held_until)) != b"":
                *lines, incoming = (incoming + (data or b"")).split(b"\n")
                for line in reports.take(lines):
                    self._handle_report(json.loads(line))
        # Also where the connection was broken: a killed keeper leaves requests that it has not read.
        with suppress(Exception):
            for line in reports.take_all():
                self._handle_report(json.loads(line))
        attempts, self._attempts = self._attempts, {}
        self._unconfirmed.clear()
        # Forgotten at once: the next start may come at any time, and gets a keeper of its own.
        requests, self._requests = self._requests, None
        process, self._process = self._process, None
        if requests is not None:
            requests.close()
        is_dead = process is not None and await asyncio.to_thread(_reap, process, KEEPER_ANSWER_SECONDS)
        await asyncio.gather(*(attempt.handle_lost_keeper(is_dead=is_dead) for attempt in attempts.values()))

    def _handle_report(self, report: Mapping[str, Any]) -> None:
        # Attempts that the daemon has ended by itself are no longer known.
        match report:
            case {"started": key} if key in self._attempts:
                record = {name: report[name] for name in report if name != "started"}
                _set_result(self._attempts[key].started, record)
            case {"failed": key, "error": error} if key in self._attempts:
                _set_error(self._attempts.pop(key).started, error)
            case {"ended": key, "exit": record} if key in self._attempts:
                # With the time of the end, because the report may have been held back.
                result = to_past_result(record)
                self._unconfirmed.add(key)
                _set_result(self._attempts.pop(key).ended, result)


class RequestWriter:
    """Writes requests to a keeper, several at once where many come together."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._outgoing: list[bytes] = []

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request once the tasks that are ready now have had their turn, or with some others."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(json.dumps(request).encode() + b"\n")
        if len(self._outgoing) >= MAX_REQUESTS_AT_ONCE:
            self._flush()

    def close(self) -> None:
        """Disconnect, after what has been sent."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        # Without drain: what the keeper has yet to read is little, and bounded by the number of jobs that may run.
        if self._outgoing:
            self._writer.write(b"".join(self._outgoing))
            self._outgoing.clear()


class ReportHold:
    """Reports that are held back while a keeper starts many attempts: of their starts, and of ends that follow soon.

    To handle them takes as long as to start what they are about, and a processor from the keeper and its commands. The
    keeper sends each at once, so its death loses none of them.
    """

    def __init__(self) -> None:
        self.held_until: float | None = None
        """The time of the event loop at which the reports are handled at the latest; None while none are held."""
        self._unanswered: set[bytes] = set()
        """Requested starts without a report that has come, by their keys."""
        self._answered: set[bytes] = set()
        """Requested starts whose report is held."""
        self._held: list[bytes] = []

    def expect_answer(self, key: str) -> None:
        """Note that a start was requested whose reports can wait; those of others are never held."""
        self._unanswered.add(key.encode())

    def take(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Return the reports to handle now that these have come; for a while those that can't wait, and then all."""
        now = asyncio.get_running_loop().time()
        if self.held_until is None and len(self._unanswered) > MAX_UNANSWERED:
            self.held_until = now + MAX_HOLD_SECONDS
        handed_on: list[bytes] = []
        for line in lines:
            key = _key_of(line)
            if key in self._unanswered:
                self._unanswered.remove(key)
                self._answered.add(key)
            (self._held if key in self._answered else handed_on).append(line)
        if self.held_until is None or not self._unanswered or now >= self.held_until:
            handed_on += self.take_all()
        return handed_on

    def take_all(self) -> Sequence[bytes]:
        """Return all reports that are held."""
        held, self._held, self.held_until = self._held, [], None
        self._answered.clear()
        return held


def _key_of(report: bytes) -> bytes:
    """Return the key of the attempt that a report is about, which is its first value; b"" if it has none."""
    return report.split(b'"', 4)[3] if report.count(b'"', 0, MAX_KEY_BYTES) >= 4 else b""


class NotSpawned(RuntimeError):
    """A keeper was killed before it had spawned a job, and no other one has the request."""


class KeeperAttempt(Execution):
    """An attempt that our own keeper holds, and ends on request."""

    def __init__(self, requests: "RequestWriter", key: str, run: str, output: Path) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[Mapping[str, Any]] = loop.create_future()
        self.ended: asyncio.Future[Result] = loop.create_future()
        self._requests = requests
        self._key = key
        self._run = run
        self._output = output

    @property
    def handle(self) -> Mapping[str, Any]:
        return self.started.result()

    @property
    def end(self) -> "asyncio.Future[Result]":
        return self.ended

    async def wait(self) -> Result:
        return await asyncio.shield(self.ended)

    async def cancel(self, grace: timedelta) -> None:
        """Have the whole tree end: SIGTERM, and after the grace SIGKILL until nothing is left."""
        if self.ended.done():
            return
        self._requests.send({"end": self._key, "grace": grace.total_seconds()})
        limit_seconds = grace.total_seconds() + KILL_TIMEOUT_SECONDS + KEEPER_ANSWER_SECONDS + MAX_HOLD_SECONDS
        await asyncio.wait({self.ended}, timeout=limit_seconds)
        if not self.ended.done():
            await self._end_tree("its keeper process does not answer, so its exit status is unknown")

    async def handle_lost_keeper(self, *, is_dead: bool) -> None:
        """Find out how the attempt ended: its keeper was killed (`is_dead`), or has lost us and carries on."""
        if not self.started.done() or self.started.cancelled():
            await self._handle_lost_request(is_dead)
            return
        exit_path = self._output.with_suffix(".exit")
        tree = ProcessTree.from_record(self.handle, self._run)
        if (exit_record := await asyncio.to_thread(read_record, exit_path)) is not None:
            _set_result(self.ended, to_result(exit_record))
        elif tree.is_kept():
            _set_result(self.ended, await AdoptedAttempt(self.handle, tree, exit_path).wait())
        else:
            await self._end_tree("its keeper process was killed, so its exit status is unknown")

    async def _handle_lost_request(self, is_dead: bool) -> None:
        """Fail an attempt that was requested, or give the request back if the attempt never started and never will."""
        if not await asyncio.to_thread(_could_claim, self._output) or has_record(self._output):
            # It may have been spawned.
            record = read_record(self._output.with_suffix(".start")) or {}
            await end_tree(ProcessTree.from_record(record, self._run))
        elif is_dead and not self.started.done():
            # Where the claim can't be removed, nothing may start by this request any more.
            with suppress(OSError):
                self._output.unlink(missing_ok=True)
                self.started.set_exception(NotSpawned("the keeper process was killed"))
                return
        _set_error(self.started, "the keeper process was killed")

    async def _end_tree(self, error: str) -> None:
        """End what is left of the attempt, because nothing else does."""
        tree = ProcessTree.from_record(self.handle, self._run)
        termination = await end_tree(tree)
        if survivors := termination.survivors:
            error = f"{error}; {describe_survivors(survivors)}"
        _set_result(self.ended, Result(error=error, tree=to_tree_end(termination.describe(time.monotonic()))))


def _could_claim(output: Path) -> bool:
    """Return whether the attempt is known not to have started; from then on it can't."""
    try:
        return claim_attempt(output)
    except OSError:
        return False


def _reap(process: "subprocess.Popen[bytes]", limit_seconds: float) -> bool:
    """Reap a keeper, if it ends within this time, and return whether it has."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(limit_seconds)
    has_ended = process.returncode is not None
    # One that carries on outlives us, of which Popen would warn.
    process.returncode = process.returncode or 0
    return has_ended


async def _read(reader: asyncio.StreamReader, until: float | None) -> bytes | None:
    """Return what comes next, b"" at the end; None if nothing has come by this time of the event loop."""
    if until is None:
        return await reader.read(READ_BYTES)
    try:
        async with asyncio.timeout_at(until):
            return await reader.read(READ_BYTES)
    except TimeoutError:
        return None


async def _wait_until_ready(process: "subprocess.Popen[bytes]") -> None:
    """Wait until a keeper on Windows has opened its end of the channel, or has ended."""
    if process.stdout is not None:
        await asyncio.to_thread(process.stdout.read, 1)
        process.stdout.close()


def _set_result(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _set_error(future: "asyncio.Future[Any]", error: str) -> None:
    if not future.done():
        future.set_exception(RuntimeError(error))
