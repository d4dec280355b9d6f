"""Questions that are asked at the same time go over one connection; each gets its own answer or error."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rae_auto.control.asking import QuestionBatch
from rae_auto.daemon.control_server import ControlServer
from rae_auto.errors import BadRequest, DaemonUnreachable, JobNotFound


class CountingServer(ControlServer):
    """A server that counts its connections."""

    connections = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await super()._serve(reader, writer)


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[CountingServer]:
    async def double(arguments: Mapping[str, Any]) -> Any:
        return arguments["number"] * 2

    async def refuse(_: Mapping[str, Any]) -> Any:
        raise JobNotFound("no job")

    server = CountingServer({"double": double, "refuse": refuse})
    await server.start(directory / "control.sock")
    try:
        yield server
    finally:
        server.retire()
        await server.close()


def test_questions_of_a_moment_share_a_connection(tmp_path: Path) -> None:
    async def ask() -> tuple[list[int], int]:
        async with serving(tmp_path) as server:
            batch = QuestionBatch(tmp_path)

            async def ask_two(number: int) -> int:
                found = await asyncio.gather(*(batch.ask("double", number=one) for one in (number, number + 1)))
                return sum(found)

            answers = await asyncio.gather(ask_two(1), batch.ask("double", number=10), ask_two(3))
            return answers, server.connections

    assert asyncio.run(ask()) == ([6, 20, 14], 1)


def test_refused_question_harms_no_other(tmp_path: Path) -> None:
    async def ask() -> list[Any]:
        async with serving(tmp_path):
            batch = QuestionBatch(tmp_path)
            long = batch.ask("double", text="x" * 200_000)
            asked = [batch.ask("double", number=1), batch.ask("refuse"), long, batch.ask("double", number=2)]
            return await asyncio.gather(*asked, return_exceptions=True)

    first, refused, too_long, last = asyncio.run(ask())
    assert (first, last) == (2, 4)
    assert (type(refused), type(too_long)) == (JobNotFound, BadRequest)


def test_question_that_is_given_up_harms_no_other(tmp_path: Path) -> None:
    async def ask() -> int:
        async with serving(tmp_path):
            batch = QuestionBatch(tmp_path)
            given_up = asyncio.create_task(batch.ask("double", number=1))
            kept = asyncio.create_task(batch.ask("double", number=2))
            await asyncio.sleep(0)
            given_up.cancel()
            return int(await kept)

    assert asyncio.run(ask()) == 4


def test_questions_without_a_daemon_are_refused_all(tmp_path: Path) -> None:
    async def ask() -> list[Any]:
        batch = QuestionBatch(tmp_path)
        return await asyncio.gather(batch.ask("ping"), batch.ask("ping"), return_exceptions=True)

    assert [type(one) for one in asyncio.run(ask())] == [DaemonUnreachable] * 2


def test_daemon_that_goes_away_refuses_what_is_unanswered(tmp_path: Path) -> None:
    async def ask() -> None:
        async with serving(tmp_path) as server:

            async def leave(_: Mapping[str, Any]) -> Any:
                raise asyncio.CancelledError

            server.complete({"leave": leave})
            batch = QuestionBatch(tmp_path)
            await asyncio.gather(batch.ask("leave"), batch.ask("leave"))

    with pytest.raises(DaemonUnreachable):
        asyncio.run(ask())
