"""Reading of a number from the output of a command."""

import re
from collections.abc import Sequence
from datetime import timedelta

from rae_auto.model.primitives.units import format_duration
from rae_auto.toolkit.commands import MAX_OUTPUT_BYTES, CommandNotStarted
from rae_plugins.machine.commands import run
from rae_plugins.triggers.threshold.levels import quote_value
from rae_plugins.triggers.threshold.readers import Unavailable

_NUMBER = re.compile(rb"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*")


async def read_command_number(command: Sequence[str], max_time: timedelta, cwd: str | None = None) -> float:
    """Run a command and return the number that it prints. Errors: Unavailable."""
    program = command[0]
    try:
        result = await run(command, max_time.total_seconds(), most=MAX_OUTPUT_BYTES, cwd=cwd)
    except CommandNotStarted as error:
        raise Unavailable(f"{program} can't be run: {error}") from None
    except TimeoutError:
        raise Unavailable(f"{program} took longer than {format_duration(max_time)}") from None
    if result.printed > MAX_OUTPUT_BYTES:
        raise Unavailable(f"{program} printed more than {MAX_OUTPUT_BYTES} bytes; it must print one number")
    if result.code:
        raise Unavailable(f"{program} ended with exit code {result.code}")
    return _parse_number(program, result.output)


def _parse_number(program: str, output: bytes) -> float:
    match = _NUMBER.fullmatch(output)
    if match is None:
        printed = quote_value(output.decode("ascii", "backslashreplace")) if output.strip() else "nothing"
        raise Unavailable(f"{program} printed {printed}; it must print one number")
    number = float(match[1])
    if not abs(number) < 1e300:
        raise Unavailable(f"{program} printed a number that is too large")
    return number
