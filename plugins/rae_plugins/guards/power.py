"""The power guard: a run may start on mains power, or on battery, or while the battery holds enough."""

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from attrs import field, frozen, validators

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_plugins.machine.power_supply import Power, Source, read_power


class RequiredSource(StrEnum):
    """The power source that a guard asks for."""

    AC = "ac"
    BATTERY = "battery"
    ANY = "any"


@frozen(kw_only=True)
class PowerGuard(ReadGuard):
    """Answers yes on mains power, or on battery, and while the battery holds enough. No battery counts as mains."""

    type: ClassVar[str] = "power"
    example: ClassVar[Mapping[str, Any]] = {"on": "ac"}

    on: RequiredSource = field(
        default=RequiredSource.AC,
        converter=RequiredSource,
        metadata={"help": 'required power source; "any" asks only for the charge'},
    )
    charge_above: float | None = field(
        default=None,
        validator=validators.optional([validators.ge(0), validators.lt(100)]),
        metadata={"help": "charge in percent that the battery must exceed"},
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a guard that would always say yes."""
        if self.on is RequiredSource.ANY and self.charge_above is None:
            raise ValueError('"any" needs "charge_above"; add it, or leave the guard out')

    async def read(self) -> GuardResult:
        """Read power source and charge from the machine."""
        return self.judge(await asyncio.to_thread(read_power))

    def judge(self, power: Power) -> GuardResult:
        """Return the result for a reading. One condition that fails is a no, whatever else is unknown."""
        verdicts = {_judge_source(self.on, power), _judge_charge(self.charge_above, power)}
        verdict = next(verdict for verdict in (Verdict.NO, Verdict.UNKNOWN, Verdict.YES) if verdict in verdicts)
        return GuardResult(verdict, _describe(power))


def _judge_source(required: RequiredSource, power: Power) -> Verdict:
    if required is RequiredSource.ANY:
        return Verdict.YES
    if power.source is None:
        return Verdict.UNKNOWN
    return Verdict.YES if (power.source is Source.MAINS) == (required is RequiredSource.AC) else Verdict.NO


def _judge_charge(limit_percent: float | None, power: Power) -> Verdict:
    if limit_percent is None or not power.battery:
        return Verdict.YES
    if power.charge is None:
        return Verdict.UNKNOWN
    return Verdict.YES if power.charge > limit_percent else Verdict.NO


def _describe(power: Power) -> str:
    if not power.battery:
        return "on mains power, no battery"
    source = {Source.MAINS: "on mains power", Source.BATTERY: "on battery", None: "power source unknown"}
    charge = "charge unknown" if power.charge is None else f"{power.charge:.0f} % charged"
    return f"{source[power.source]}, {charge}"


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """Return the power guard."""
    return [PowerGuard]
