"""The number that a command prints."""

import re
from collections.abc import Sequence
from datetime import timedelta

from rae_auto.model.primitives.units import format_duration
from rae_plugins.machine.commands import KEPT, CantStart, run
from rae_plugins.triggers.threshold.levels import shown
from rae_plugins.triggers.threshold.readers import Unavailable

_NUMBER = re.compile(rb"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*")


async def number_of(command: Sequence[str], patience: timedelta) -> float:
    """Run a command, and read the number that it prints. Errors: Unavailable."""
    program = command[0]
    try:
        ended = await run(command, patience.total_seconds(), most=KEPT)
    except CantStart as problem:
        raise Unavailable(f"{program} can't be run: {problem}") from None
    except TimeoutError:
        raise Unavailable(f"{program} took longer than {format_duration(patience)}") from None
    if ended.printed > KEPT:
        raise Unavailable(f"{program} printed more than {KEPT} bytes, which is no number")
    if ended.code:
        raise Unavailable(f"{program} ended with exit code {ended.code}")
    return _number(program, ended.output)


def _number(program: str, output: bytes) -> float:
    found = _NUMBER.fullmatch(output)
    if found is None:
        said = shown(output.decode("ascii", "backslashreplace")) if output.strip() else "nothing"
        raise Unavailable(f"{program} printed {said}, which is no number")
    number = float(found[1])
    if not abs(number) < 1e300:
        raise Unavailable(f"{program} printed a number that is too large")
    return number
