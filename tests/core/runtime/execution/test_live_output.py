"""Live output: a logger that wants it gets what jobs print, while they run."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from loguru import logger

from rae_auto.api import Logger
from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks
from rae_auto.runtime.execution import live_output
from rae_auto.runtime.execution.live_output import MAX_LINE_BYTES, MAX_READ_BYTES, LiveOutput
from rae_auto.runtime.reporting import log_setup

if TYPE_CHECKING:
    from loguru import Message


class Lines(Logger):
    """Keeps the lines in memory."""

    type = "lines"

    def __init__(self, *, output: bool) -> None:
        self.output = output
        self.lines: list[str] = []
        self.is_shown = asyncio.Event()

    def handler(self, directory: Path) -> Mapping[str, Any]:
        def write(message: "Message") -> None:
            self.lines.append(message.record["message"])
            self.is_shown.set()

        return {"sink": write, "format": "{message}"}

    def shows_output(self) -> bool:
        return self.output


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Lines]:
    screen = Lines(output=True)
    log_setup.attach([screen], tmp_path)
    yield screen
    log_setup.detach()


async def show_all(path: Path, *parts: bytes, is_adopted: bool = False) -> None:
    output = LiveOutput(path, "job", "run", BackgroundTasks("a test"), is_adopted=is_adopted)
    await asyncio.sleep(0)
    with path.open("ab") as file:
        for part in parts:
            file.write(part)
            file.flush()
            await asyncio.sleep(0)
    await output.finish()
    log_setup.flush(5)


def test_live_output_shows_each_line_once(screen: Lines, tmp_path: Path) -> None:
    asyncio.run(show_all(tmp_path / "out", b"one\r\ntw", b"o\n\nthree"))
    assert screen.lines == ["| one", "| two", "| three"]


def test_live_output_is_shown_while_the_job_runs(
    screen: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_output, "READ_INTERVAL_SECONDS", 0)

    async def scene() -> None:
        output = LiveOutput(tmp_path / "out", "job", "run", BackgroundTasks("a test"), is_adopted=False)
        (tmp_path / "out").write_bytes(b"begun\n")
        async with asyncio.timeout(60):
            await screen.is_shown.wait()
        await output.finish()

    asyncio.run(scene())
    assert screen.lines == ["| begun"]


def test_live_output_is_escaped_and_hides_secrets(screen: Lines, tmp_path: Path) -> None:
    log_setup.hide(["hunter22"])
    asyncio.run(show_all(tmp_path / "out", b"\x1b[2J\xff hunter22 {x} <red>\n"))
    assert screen.lines == ["| \\x1b[2J\\xff *** {x} <red>"]


def test_live_output_splits_long_lines(screen: Lines, tmp_path: Path) -> None:
    asyncio.run(show_all(tmp_path / "out", b"x" * (2 * MAX_LINE_BYTES + 1)))
    assert [len(line) for line in screen.lines] == [MAX_LINE_BYTES + 2, MAX_LINE_BYTES + 2, 3]


def test_live_output_of_a_flood_is_bounded_and_says_so(screen: Lines, tmp_path: Path) -> None:
    asyncio.run(show_all(tmp_path / "out", b"line\n" * MAX_READ_BYTES))
    assert screen.lines[0] == "| [more output: 'rae-auto output job']"
    assert sum(len(line) for line in screen.lines) < 3 * MAX_READ_BYTES


def test_live_output_of_an_adopted_attempt_starts_at_its_end(screen: Lines, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"shown by the last daemon\n")
    asyncio.run(show_all(tmp_path / "out", b"new\n", is_adopted=True))
    assert screen.lines == ["| new"]


def test_loggers_that_show_no_output_get_none(tmp_path: Path) -> None:
    quiet, screen = Lines(output=False), Lines(output=True)
    log_setup.attach([quiet, screen], tmp_path)
    asyncio.run(show_all(tmp_path / "out", b"one\n"))
    log_setup.detach()
    assert (quiet.lines, screen.lines) == ([], ["| one"])


def test_output_is_not_read_if_no_logger_shows_it(tmp_path: Path) -> None:
    quiet = Lines(output=False)
    log_setup.attach([quiet], tmp_path)
    asyncio.run(show_all(tmp_path / "out", b"one\n"))
    log_setup.detach()
    assert quiet.lines == []


def test_live_output_of_a_flood_lets_others_have_their_turn(screen: Lines, tmp_path: Path) -> None:
    turns, turn_of_line = 0, []

    async def scene() -> None:
        async def count_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count_turns())
        await show_all(tmp_path / "out", b"line\n" * 1000)
        counting.cancel()

    handler = logger.add(lambda _: turn_of_line.append(turns))
    asyncio.run(scene())
    logger.remove(handler)
    assert len(turn_of_line) == 1000
    assert max(Counter(turn_of_line).values()) <= live_output.LINES_AT_ONCE
