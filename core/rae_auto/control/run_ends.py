"""Waiting for the ends of runs, by the event stream of the daemon.

A wait first subscribes, then asks for the state, so that no end in between is missed. All waits of a program share
one connection, because the daemon serves only a few.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.control.asking import open_connection
from rae_auto.control.client import Client
from rae_auto.control.protocol import decode_answer, decode_event, encode_request
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.run import Run


def follow_run_ends(
    listener: Client, asker: Client, runs: Sequence[str], limit_seconds: float | None = None
) -> Iterator[Mapping[str, Any]]:
    """Yield the record of each run once it has finished; stop after this many seconds, even if some are open.

    The `listener` serves for nothing else from then on. Errors: DaemonUnreachable if the daemon ends before.
    """
    deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
    left = set(runs)
    listener.subscribe()
    for run in runs:
        for record in asker.call("history", run=run, limit=1):
            if record["finished_at"] and record["run_id"] in left:
                left.discard(record["run_id"])
                yield record
    while left:
        seconds = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        event = listener.read_event(seconds)
        if event is None:
            return
        record = event.get("run") if event.get("kind") == "run" else None
        if record is not None and record["run_id"] in left and record["finished_at"]:
            left.discard(record["run_id"])
            yield record


@define(eq=False)
class RunWaits:
    """The waits of a program for runs of one daemon, over one connection, which is open while anything waits."""

    directory: Path
    _signals: dict[str, list[asyncio.Event]] = field(init=False, factory=dict)
    _listening: "asyncio.Task[None] | None" = field(init=False, default=None)
    _ready: "asyncio.Future[None] | None" = field(init=False, default=None)

    async def wait(self, run: str, find: Callable[[], Awaitable[Run]]) -> Run:
        """Return a run once it has finished; `find` returns it as it is now.

        Errors: DaemonUnreachable if the daemon stops before, and those of `find`.
        """
        signal = asyncio.Event()
        self._signals.setdefault(run, []).append(signal)
        try:
            listening = await self._listen()
            found = await find()
            while not found.state.final:
                await signal.wait()
                signal.clear()
                try:
                    found = await find()
                except DaemonUnreachable as error:
                    raise DaemonUnreachable(f"the daemon stopped before run {run} finished") from error
                if listening.done() and not found.state.final:
                    raise DaemonUnreachable(f"the daemon stopped before run {run} finished")
            return found
        finally:
            self._stop_waiting(run, signal)

    async def _listen(self) -> "asyncio.Task[None]":
        """Return the task that listens; it has started."""
        if self._listening is None or self._listening.done():
            self._ready = asyncio.get_running_loop().create_future()
            self._listening = asyncio.create_task(self._follow(self._ready))
        assert self._ready is not None
        # A wait that is cancelled must not take what the others wait for with it.
        await asyncio.shield(self._ready)
        return self._listening

    def _stop_waiting(self, run: str, signal: asyncio.Event) -> None:
        self._signals[run].remove(signal)
        if not self._signals[run]:
            del self._signals[run]
        if not self._signals and self._listening is not None:
            self._listening.cancel()
            self._listening = None

    async def _follow(self, ready: "asyncio.Future[None]") -> None:
        try:
            async with open_connection(self.directory) as (reader, writer):
                writer.write(encode_request("events", {}, 1))
                decode_answer(await reader.readline())
                ready.set_result(None)
                while line := await reader.readline():
                    event = decode_event(line) or {}
                    for signal in self._signals.get(event["run"]["run_id"], ()) if event.get("kind") == "run" else ():
                        signal.set()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
        finally:
            for signal in [one for of_run in self._signals.values() for one in of_run]:
                # Set when the task is done, by which they see that nothing more comes.
                asyncio.get_running_loop().call_soon(signal.set)
