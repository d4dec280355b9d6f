"""The number that a command prints."""

import asyncio
import os
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from rae_auto.model.units import format_duration
from rae_plugins.triggers.threshold.levels import shown
from rae_plugins.triggers.threshold.readers import Unavailable

LONGEST = 4096
"""Bytes of output that are read; what prints more prints no number."""

_NUMBER = re.compile(rb"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*")


async def number_of(command: Sequence[str], patience: timedelta) -> float:
    """Run a command in a session of its own, and read the number that it prints. Errors: Unavailable.

    What isn't over in time, or when this is cancelled, is killed with all that it has started in its session.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"{command[0]} can't be run: {error.strerror}") from None
    assert process.stdout is not None
    is_over = False
    try:
        async with asyncio.timeout(patience.total_seconds()):
            output = await _bounded(process.stdout)
            code = await process.wait()
            is_over = True
    except TimeoutError:
        raise Unavailable(f"{command[0]} took longer than {format_duration(patience)}") from None
    finally:
        if not is_over:
            await _end(process)
    if code:
        raise Unavailable(f"{command[0]} ended with exit code {code}")
    return _number(command[0], output)


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    output = b""
    while chunk := await stream.read(LONGEST):
        output += chunk
        if len(output) > LONGEST:
            raise Unavailable(f"it printed more than {LONGEST} bytes, which is no number")
    return output


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the session, and close the pipe, which somebody who has left it may still hold."""
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":  # pragma: no cover - there are no sessions there
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process._transport.close()  # type: ignore[attr-defined]  # asyncio offers no other way to close the pipe
    await asyncio.shield(process.wait())


def _number(program: str, output: bytes) -> float:
    found = _NUMBER.fullmatch(output)
    if found is None:
        said = shown(output.decode("ascii", "backslashreplace")) if output.strip() else "nothing"
        raise Unavailable(f"{program} printed {said}, which is no number")
    number = float(found[1])
    if not abs(number) < 1e300:
        raise Unavailable(f"{program} printed a number that is too large")
    return number
