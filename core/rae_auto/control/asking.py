"""Requests to the daemon from an event loop: single ones, or concurrent ones over one connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.control.client import unreachable
from rae_auto.control.protocol import decode_answer, encode_request
from rae_auto.control.transports.choice import control_transport
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.formatting import describe_error

MAX_ANSWER_BYTES = 1 << 30
"""The longest answer that is read, in bytes: more than a hundred thousand runs need."""


@contextlib.asynccontextmanager
async def open_connection(directory: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to the daemon of a state directory. Errors: DaemonUnreachable."""
    transport = control_transport()
    try:
        reader, writer = await transport.open_connection(transport.path(directory), MAX_ANSWER_BYTES)
    except OSError as error:
        raise unreachable(directory) from error
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(directory: Path, command: str, **arguments: Any) -> Any:
    """Return the answer to a control command; arguments that are None are left out, instants are written out.

    Errors: DaemonUnreachable, BadRequest, and the one that the daemon answers with.
    """
    request = _encode(command, arguments)
    async with open_connection(directory) as (reader, writer):
        writer.write(request)
        return decode_answer(await _read_line(reader))


@define(eq=False)
class QuestionBatch:
    """Sends the requests of concurrent tasks over one connection, in the order in which they were made.

    status, runs = await gather(batch.ask("status"), batch.ask("stored_runs", limit=10))

    A connection costs both sides as much as three small answers, and a page has up to a dozen of them.
    """

    directory: Path
    _waiting: list[tuple[bytes, "asyncio.Future[Any]"]] = field(init=False, factory=list)
    _tasks: set["asyncio.Task[None]"] = field(init=False, factory=set)

    async def ask(self, command: str, **arguments: Any) -> Any:
        """Return the answer to a control command, as `ask` does. Errors: as those of `ask`."""
        loop = asyncio.get_running_loop()
        request, answer = _encode(command, arguments), loop.create_future()
        self._waiting.append((request, answer))
        if len(self._waiting) == 1:
            # A turn later, to include the requests of tasks that are created in this turn.
            loop.call_soon(loop.call_soon, self._send)
        return await answer

    def _send(self) -> None:
        asked, self._waiting = self._waiting, []
        task = asyncio.create_task(self._exchange(asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _exchange(self, asked: Sequence[tuple[bytes, "asyncio.Future[Any]"]]) -> None:
        try:
            async with open_connection(self.directory) as (reader, writer):
                writer.writelines([request for request, _ in asked])
                for _, answer in asked:
                    _settle(answer, await _read_line(reader))
        except Exception as error:
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
        finally:
            # Nothing is left but when the loop ends.
            for _, answer in asked:
                answer.cancel()


def _settle(answer: "asyncio.Future[Any]", line: bytes) -> None:
    """Hand an answer to the task that waits for it, unless it has been cancelled meanwhile."""
    if answer.done():
        return
    try:
        answer.set_result(decode_answer(line))
    except Exception as error:
        answer.set_exception(error)


def _encode(command: str, arguments: Mapping[str, Any]) -> bytes:
    given = {name: _as_json(value) for name, value in arguments.items() if value is not None}
    return encode_request(command, given, 1)


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        line = await reader.readline()
    except OSError as error:
        raise DaemonUnreachable(f"the daemon does not answer ({describe_error(error)})") from error
    if not line:
        raise DaemonUnreachable("the daemon closed the connection; see its log")
    return line


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
