"""Says yes while the machine has little to do."""

import asyncio
from typing import ClassVar

from attrs import field, frozen, validators

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl

SAMPLE = 0.5
"""Seconds over which the use of the processors is measured."""


@frozen(kw_only=True)
class LoadGuard(ReadGuard):
    """Says yes while the load of each processor, or the use of all, is below a number."""

    type: ClassVar[str] = "load"

    below: float | None = field(
        default=None,
        validator=validators.optional(validators.gt(0)),
        metadata={"help": "the load over the last minute, divided by the number of processors"},
    )
    cpu_below: float | None = field(
        default=None,
        validator=validators.optional([validators.gt(0), validators.le(100)]),
        metadata={"help": "the use of all processors over half a second, in per cent"},
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a guard that asks for nothing."""
        if self.below is None and self.cpu_below is None:
            raise ValueError("there is no bound; give below (load per processor), or cpu_below (per cent)")

    async def read(self) -> GuardResult:
        """Measure what is asked for."""
        load = None if self.below is None else await asyncio.to_thread(load_per_processor)
        use = None if self.cpu_below is None else await asyncio.to_thread(use_of_processors)
        return self.judge(load, use)

    def judge(self, load: float | None, use: float | None) -> GuardResult:
        """What to say of what was measured; None is what couldn't be. One bound that is reached is a no."""
        answers, seen = set(), []
        if self.below is not None:
            answers.add(_answer(load, self.below))
            what = "load unknown" if load is None else f"load {load:.2f} per processor"
            seen.append(f"{what} (below {self.below:g})")
        if self.cpu_below is not None:
            answers.add(_answer(use, self.cpu_below))
            what = "use of processors unknown" if use is None else f"processors used by {use:.0f} %"
            seen.append(f"{what} (below {self.cpu_below:g})")
        told = next(answer for answer in (Verdict.NO, Verdict.UNKNOWN, Verdict.YES) if answer in answers)
        return GuardResult(told, ", ".join(seen))


def _answer(measured: float | None, bound: float) -> Verdict:
    if measured is None:
        return Verdict.UNKNOWN
    return Verdict.YES if measured < bound else Verdict.NO


def load_per_processor() -> float | None:
    """The one-minute load average of the machine by its logical processors; None where it has no such thing."""
    import psutil  # some milliseconds that only users of this shall pay

    try:
        return float(psutil.getloadavg()[0]) / (psutil.cpu_count() or 1)
    except (OSError, AttributeError):
        return None


def use_of_processors() -> float | None:
    """Per cent of the time of all processors that was used; blocks for as long as it measures."""
    import psutil  # as above

    try:
        return float(psutil.cpu_percent(interval=SAMPLE))
    except OSError:
        return None


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """The load guard."""
    return [LoadGuard]
