"""The load guard: a run may start while the machine has little to do."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen, validators

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl

CPU_SAMPLE_SECONDS = 0.5
"""Time over which the use of the processors is measured."""


@frozen(kw_only=True)
class LoadGuard(ReadGuard):
    """Answers yes while the load per processor, or the use of all processors, is below a limit."""

    type: ClassVar[str] = "load"
    example: ClassVar[Mapping[str, Any]] = {"below": 2}

    below: float | None = field(
        default=None,
        validator=validators.optional(validators.gt(0)),
        metadata={"help": "limit of the load average over the last minute, per processor"},
    )
    cpu_below: float | None = field(
        default=None,
        validator=validators.optional([validators.gt(0), validators.le(100)]),
        metadata={"help": "limit of the use of all processors, measured over half a second, in percent"},
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a guard without a limit."""
        if self.below is None and self.cpu_below is None:
            raise ValueError('no limit given; set "below" (load per processor) or "cpu_below" (percent)')

    async def read(self) -> GuardResult:
        """Measure what has a limit."""
        load = None if self.below is None else await asyncio.to_thread(read_load_per_processor)
        cpu_percent = None if self.cpu_below is None else await asyncio.to_thread(measure_cpu_percent)
        return self.judge(load, cpu_percent)

    def judge(self, load: float | None, cpu_percent: float | None) -> GuardResult:
        """Return the result for measurements; None is one that failed. One limit that is reached is a no."""
        verdicts, parts = set(), []
        if self.below is not None:
            verdicts.add(_compare(load, self.below))
            measured = "load unknown" if load is None else f"load {load:.2f} per processor"
            parts.append(f"{measured} (limit {self.below:g})")
        if self.cpu_below is not None:
            verdicts.add(_compare(cpu_percent, self.cpu_below))
            measured = "CPU use unknown" if cpu_percent is None else f"CPU use {cpu_percent:.0f} %"
            parts.append(f"{measured} (limit {self.cpu_below:g} %)")
        verdict = next(verdict for verdict in (Verdict.NO, Verdict.UNKNOWN, Verdict.YES) if verdict in verdicts)
        return GuardResult(verdict, ", ".join(parts))


def _compare(measured: float | None, limit: float) -> Verdict:
    if measured is None:
        return Verdict.UNKNOWN
    return Verdict.YES if measured < limit else Verdict.NO


def read_load_per_processor() -> float | None:
    """Return the one-minute load average divided by the number of logical processors; None where there is none."""
    import psutil  # lazy: start-up

    try:
        return float(psutil.getloadavg()[0]) / (psutil.cpu_count() or 1)
    except (OSError, AttributeError):
        return None


def measure_cpu_percent() -> float | None:
    """Return the use of all processors in percent; blocks while it measures."""
    import psutil  # lazy: start-up

    try:
        return float(psutil.cpu_percent(interval=CPU_SAMPLE_SECONDS))
    except OSError:
        return None


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """Return the load guard."""
    return [LoadGuard]
