"""Guards that a person asks: each answer in time is shown, and none that is late or fails holds up the others."""

import asyncio
from collections.abc import Awaitable, Callable

from rae_auto.api.guard import GuardResult, ReadGuard, Verdict
from rae_auto.registry.quarantine import Quarantine
from rae_auto.runtime.plugins.guard_reader import GuardReader


class Fake(ReadGuard):
    """A guard that answers as it is told."""

    type = "fake"

    def __init__(self, answer: Callable[[], Awaitable[GuardResult]]) -> None:
        self.answer = answer
        self.reads = 0

    async def read(self) -> GuardResult:
        self.reads += 1
        return await self.answer()

    def summary(self) -> str:
        return "fake"


async def agree() -> GuardResult:
    return GuardResult(Verdict.YES, "on mains")


async def hang() -> GuardResult:
    return await asyncio.get_running_loop().create_future()


async def fail() -> GuardResult:
    raise KeyError("boom")


def test_late_and_failing_guards_hold_up_no_other() -> None:
    guards = {"good": Fake(agree), "late": Fake(hang), "bad": Fake(fail)}

    async def ask() -> list[dict[str, GuardResult]]:
        reader = GuardReader(lambda _: None, Quarantine(lambda *_: "rae-fake 1.0"))
        found = [await reader.ask(guards, 0.05), await reader.ask({"late": guards["late"]}, 0.05)]
        await reader.close(5)
        return found

    first, second = asyncio.run(ask())
    assert first["good"] == GuardResult(Verdict.YES, "on mains")
    assert (first["late"].verdict, first["bad"].verdict) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert "within 0.05 s" in first["late"].reason
    assert "boom" in first["bad"].reason
    assert second["late"] == first["late"]
    assert guards["late"].reads == 1, "the second question waits for the same answer"


def test_job_without_guards_that_read_has_no_answers() -> None:
    async def ask() -> dict[str, GuardResult]:
        reader = GuardReader(lambda _: None, Quarantine(lambda *_: "rae-fake 1.0"))
        return await reader.ask({}, 5)

    assert asyncio.run(ask()) == {}
