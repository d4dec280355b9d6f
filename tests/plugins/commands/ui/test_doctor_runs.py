"""The report of doctor: asked for in the background, once for a while, and shown among what needs a person."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.support.waiting import eventually

from rae_auto.screens import DoctorReport
from rae_plugins.commands.ui.processes.doctor import MAX_AGE, DoctorRuns

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
FOUND = [
    {"subject": "disk", "observation": "no room", "ok": False, "level": "problem", "hint": "delete something"},
    {"subject": "sleep", "observation": "it may sleep", "ok": True, "level": "warning", "hint": "wake = true"},
    {"subject": "python", "observation": "3.13", "ok": True, "level": "ok", "hint": None},
]


class Asked:
    """Answers as doctor does, and counts how often it was asked."""

    def __init__(self, answer: Callable[[], Any] = lambda: FOUND) -> None:
        self.answer, self.count = answer, 0

    async def __call__(self, config: Path | None) -> Any:
        self.count += 1
        return self.answer()


def play(asked: Asked, script: Callable[[DoctorRuns], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        doctor = DoctorRuns(asked)
        try:
            return await script(doctor)
        finally:
            await doctor.close()

    return asyncio.run(run())


def test_end_of_a_look_is_noted_when_there_is_a_report() -> None:
    async def run() -> list[bool]:
        looking: list[bool] = []
        doctor = DoctorRuns(Asked(), lambda: looking.append(doctor.is_looking or doctor.latest(None, NOON) is None))
        doctor.latest(None, NOON)
        await settle()
        doctor.latest(None, NOON)
        await settle()
        await doctor.close()
        return looking

    assert asyncio.run(run()) == [False]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_page_never_waits_for_doctor_and_has_its_report_later() -> None:
    async def script(doctor: DoctorRuns) -> Any:
        first, was_looking = doctor.latest(None, NOON), doctor.is_looking
        await settle()
        return first, was_looking, doctor.latest(None, NOON), doctor.is_looking

    first, was_looking, later, is_looking = play(Asked(), script)
    assert (first, was_looking, is_looking) == (None, True, False)
    assert [(row.subject, row.hint) for row in later.problems] == [("disk", "delete something")]


def test_doctor_is_asked_again_once_its_answer_is_old() -> None:
    asked = Asked()

    async def script(doctor: DoctorRuns) -> list[int]:
        counts = []
        for age in (timedelta(0), MAX_AGE / 2, MAX_AGE, MAX_AGE * 1.5):
            doctor.latest(None, NOON + age)
            await settle()
            counts.append(asked.count)
        return counts

    assert play(asked, script) == [1, 1, 2, 2]


def test_report_that_a_person_asked_for_takes_the_place_of_the_last() -> None:
    asked = Asked()

    async def script(doctor: DoctorRuns) -> Any:
        doctor.latest(None, NOON)
        await settle()
        doctor.note(DoctorReport(at=NOON + MAX_AGE, problems=()))
        return doctor.latest(None, NOON + MAX_AGE * 1.5), asked.count

    assert play(asked, script) == (DoctorReport(at=NOON + MAX_AGE, problems=()), 1)


def fail() -> Any:
    raise OSError("no such program")


@pytest.mark.parametrize("answer", [fail, lambda: [{"subject": "disk"}], lambda: None], ids=["fails", "odd", "none"])
def test_doctor_that_can_not_answer_leaves_the_page_without_it(answer: Callable[[], Any]) -> None:
    async def script(doctor: DoctorRuns) -> Any:
        doctor.latest(None, NOON)
        await settle()
        return doctor.latest(None, NOON), doctor.is_looking

    assert play(Asked(answer), script) == (None, False)


def test_first_page_says_when_doctor_looked(page: Page) -> None:
    eventually(lambda: "Doctor looked" in page.ask("/").text)
    assert "Doctor is looking" not in page.ask("/").text
