"""Test trigger: what a job's triggers see and would start, live, while the job itself never runs.

It is done by 'rae-auto test-trigger' in a process of its own, which ends when the browser goes.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from datetime import datetime, tzinfo

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.escaping import escape_unprintable
from rae_plugins.commands.ui.live_events import STREAM_HEADERS, format_message
from rae_plugins.commands.ui.pages import job
from rae_plugins.commands.ui.pages.requests import optional_number
from rae_plugins.commands.ui.site import page, read, site_of

TRIAL_SECONDS = 600
MAX_TRIALS = 3
MAX_SHOWN_SECONDS = 20
"""Time that a page without a script may wait for its lines."""

END_SECONDS = 3.0
"""Time that a trial has to end by itself."""

_trials = asyncio.Semaphore(MAX_TRIALS)

MAX_LINE_BYTES = 4 << 20
MAX_TEXT_CHARACTERS = 2_000

WORDS = {
    "starts": "watches",
    "traces": "",
    "fires": "would start it",
    "fails": "has failed",
    "ends": "has ended",
    "says": "says",
}
INKS = {"fires": "ink-green ink-bold", "fails": "ink-red", "starts": "ink-faint", "ends": "ink-faint"}


async def show(request: Request) -> Response:
    """Answer with what triggers see: as a stream for the script, or of some seconds where they are asked for."""
    screen = await read(request, job.query(request, has_trends=False))
    seconds = optional_number(request, "seconds", low=1, high=MAX_SHOWN_SECONDS)
    lines = []
    if seconds is not None:
        _check_room()
        async with aclosing(_watch(request, screen.job, seconds)) as found:
            lines = [line async for line in found]
    values = {"screen": screen, "lines": lines, "seconds": seconds}
    return await page(request, "trigger_trial.html", title=f"Triggers of {screen.job}", section="Jobs", values=values)


async def follow(request: Request) -> Response:
    """Answer with a stream of what the triggers of a job see."""
    screen = await read(request, job.query(request, has_trends=False))
    _check_room()
    return StreamingResponse(_stream(request, screen.job), media_type="text/event-stream", headers=STREAM_HEADERS)


def _check_room() -> None:
    """Raise BadRequest if no further trial can begin: a page would wait until another one ends."""
    if _trials.locked():
        raise BadRequest(f"{MAX_TRIALS} trials are going on already; close one of their pages")


async def _stream(request: Request, name: str) -> AsyncIterator[str]:
    yield format_message("hello", {})
    number = 0
    async with aclosing(_watch(request, name, TRIAL_SECONDS)) as lines:
        async for line in lines:
            number += 1
            yield format_message("lines", [{"offset": number, "parts": line}])
    yield format_message("end", {})


async def _watch(request: Request, name: str, seconds: int) -> AsyncGenerator[list[tuple[str, str]], None]:
    """Yield lines in parts, each with its ink."""
    source = await site_of(request).records.open()
    config = site_of(request).context.config
    options = [] if config is None else [f"--config={config}"]
    pipe = asyncio.subprocess.PIPE
    command = ["-P", "-m", "rae_auto", "test-trigger", f"--for={seconds}s", "--json", *options, "--", name]
    async with _trials:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=pipe, stderr=asyncio.subprocess.STDOUT, limit=MAX_LINE_BYTES
        )
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                yield show_line(line.decode(errors="replace"), source.zone)
            await process.wait()
        finally:
            await _end(process)


def show_line(line: str, zone: tzinfo) -> list[tuple[str, str]]:
    """Return a line of a trial in parts, each with its ink: a record of what a trigger sees, or an error as it is."""
    try:
        record = json.loads(line)
        at = datetime.fromisoformat(record["at"])
    except (ValueError, TypeError, KeyError):
        return [("ink-red", escape_unprintable(line.rstrip())[:MAX_TEXT_CHARACTERS])]
    kind, event = record["kind"], record["event"]
    details = [record["key"], None if event is None else json.dumps(event, ensure_ascii=False), record["text"]]
    text = escape_unprintable(" ".join(filter(None, details)))[:MAX_TEXT_CHARACTERS]
    word = WORDS.get(kind, kind)
    return [
        ("ink-faint", f"{at.astimezone(zone):%H:%M:%S}  {record['trigger']}  "),
        (INKS.get(kind, ""), f"{word}{'  ' if word and text else ''}"),
        ("", text),
    ]


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), END_SECONDS)
    if process.returncode is None:
        process.kill()
