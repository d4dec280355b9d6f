"""Says yes while the machine lives on mains, or on its battery."""

import asyncio
from enum import StrEnum
from typing import ClassVar

from attrs import field, frozen, validators

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_plugins.machine.power_supply import Power, Source, read_power


class On(StrEnum):
    """What the machine is to live on."""

    AC = "ac"
    BATTERY = "battery"
    ANY = "any"


@frozen(kw_only=True)
class PowerGuard(ReadGuard):
    """Says yes on mains, or on battery, and while the battery holds enough. No battery at all is mains."""

    type: ClassVar[str] = "power"

    on: On = field(default=On.AC, converter=On, metadata={"help": "what the machine must live on; any: either"})
    charge_above: float | None = field(
        default=None,
        validator=validators.optional([validators.ge(0), validators.lt(100)]),
        metadata={"help": "per cent that the battery must hold more than"},
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a guard that asks for nothing."""
        if self.on is On.ANY and self.charge_above is None:
            raise ValueError('on = "any" asks for nothing; add charge_above, or leave the guard out')

    async def read(self) -> GuardResult:
        """Ask the machine."""
        return self.judge(await asyncio.to_thread(read_power))

    def judge(self, power: Power) -> GuardResult:
        """What to say of a reading. One condition that fails is a no, whatever else is unknown."""
        answers = {_source_answer(self.on, power), _charge_answer(self.charge_above, power)}
        told = next(answer for answer in (Verdict.NO, Verdict.UNKNOWN, Verdict.YES) if answer in answers)
        return GuardResult(told, _seen(power))


def _source_answer(on: On, power: Power) -> Verdict:
    if on is On.ANY:
        return Verdict.YES
    if power.source is None:
        return Verdict.UNKNOWN
    return Verdict.YES if (power.source is Source.MAINS) == (on is On.AC) else Verdict.NO


def _charge_answer(least: float | None, power: Power) -> Verdict:
    if least is None or not power.battery:
        return Verdict.YES
    if power.charge is None:
        return Verdict.UNKNOWN
    return Verdict.YES if power.charge > least else Verdict.NO


def _seen(power: Power) -> str:
    if not power.battery:
        return "on mains, no battery"
    source = {Source.MAINS: "on mains", Source.BATTERY: "on battery", None: "on mains or battery, which isn't told"}
    charge = "charge unknown" if power.charge is None else f"{power.charge:.0f} %"
    return f"{source[power.source]}, {charge}"


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """The power guard."""
    return [PowerGuard]
