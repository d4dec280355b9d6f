"""The idle guard: a run may start once the machine has not been used for a while."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.validators import positive_duration


@frozen(kw_only=True)
class IdleGuard(ReadGuard):
    """Answers yes after keyboard, mouse and touch screen have not been used for a time."""

    type: ClassVar[str] = "idle"
    example: ClassVar[Mapping[str, Any]] = {"for": "10m"}

    for_: timedelta = field(
        converter=parse_duration,
        validator=positive_duration(hint="leave the guard out if use of the machine doesn't matter"),
        metadata={"help": "time since the last input"},
    )

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return why the idle time can't be read here."""
        from rae_plugins.machine.idle import read_idle  # lazy: start-up

        idle = asyncio.run(read_idle())
        if idle.seconds is not None:
            return ()
        reason = idle.reason.replace("; ", ", ")
        return (f"the idle time can't be read ({reason}); run the daemon in a desktop session, or remove the guard",)

    async def read(self) -> GuardResult:
        """Ask the desktop for the time since the last input; without an answer the verdict is unknown, not idle."""
        from rae_plugins.machine.idle import read_idle  # lazy: start-up

        idle = await read_idle()
        if idle.seconds is None:
            return GuardResult(Verdict.UNKNOWN, idle.reason)
        is_long_enough = idle.seconds >= self.for_.total_seconds()
        reason = f"idle for {format_elapsed(int(idle.seconds))} ({idle.reason})"
        return GuardResult(Verdict.YES if is_long_enough else Verdict.NO, reason)


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """Return the idle guard."""
    return [IdleGuard]
