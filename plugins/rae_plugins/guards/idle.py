"""Says yes while nobody uses the machine."""

from datetime import timedelta
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.validators import longer_than_nothing


@frozen(kw_only=True)
class IdleGuard(ReadGuard):
    """Says yes after keyboard, mouse and touch have been left alone for a time."""

    type: ClassVar[str] = "idle"

    for_: timedelta = field(
        converter=parse_duration,
        validator=longer_than_nothing(remedy="leave the guard out where use doesn't matter"),
        metadata={"help": "how long nobody must have touched the machine"},
    )

    async def read(self) -> GuardResult:
        """Ask the desktop; where nobody knows, that is unknown, not idle."""
        from rae_plugins.machine.idle import read_idle  # its ways to ask are loaded where they are needed

        idle = await read_idle()
        if idle.seconds is None:
            return GuardResult(Verdict.UNKNOWN, idle.because)
        seen = f"idle for {format_duration(timedelta(seconds=int(idle.seconds)))} ({idle.because})"
        enough = idle.seconds >= self.for_.total_seconds()
        return GuardResult(Verdict.YES if enough else Verdict.NO, seen)


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """The idle guard."""
    return [IdleGuard]
