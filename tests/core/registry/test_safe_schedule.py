"""The border between the engine and a schedule's plugin: what the engine asks, and what it gets."""

import itertools
import re
from datetime import datetime, timedelta

import pytest
from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.api.plugin import Kind
from rae_auto.model.job import Job
from rae_auto.registry import safe_schedule
from rae_auto.registry.quarantine import Quarantine
from rae_auto.registry.safe_schedule import MIN_STEP, SafeSchedule
from rae_auto.simulation.virtual_engine import EPOCH, VirtualWorld, plan
from rae_auto.toolkit.threads import time_limit


@frozen(eq=False)
class CountedHours(ScheduleTrigger):
    """Fires at each full hour, and notes after what it is asked."""

    type = "counted"
    asked: list[datetime] = field(factory=list)

    def next_after(self, instant: datetime) -> datetime:
        self.asked.append(instant)
        return instant.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


@frozen
class ListedHours(CountedHours):
    """Has an option that Python can't hash."""

    hours: list[int] = field(factory=lambda: [1, 2])


@frozen
class Endless(CountedHours):
    """Never answers."""

    def next_after(self, instant: datetime) -> datetime:
        while True:
            pass


def guard(schedule: ScheduleTrigger) -> SafeSchedule:
    return SafeSchedule(schedule, Quarantine(lambda kind, name: "a distribution"))


def test_schedule_with_an_option_that_has_no_hash_is_a_schedule_as_any() -> None:
    assert hash(guard(ListedHours())) == hash(guard(ListedHours()))
    assert guard(ListedHours()) == guard(ListedHours()) != guard(ListedHours(hours=[3]))
    world = VirtualWorld(plan(Job(id="listed", command="true"), listed=guard(ListedHours())))
    world.advance(timedelta(hours=1))
    assert len(world.started) == 1


def test_schedule_that_never_answers_is_interrupted_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "LIMIT_SECONDS", 1)
    quarantine = Quarantine(lambda kind, name: "endless 1.0")
    schedule = SafeSchedule(Endless(), quarantine)
    assert schedule.next_after(EPOCH) is None
    (problem,) = quarantine.problems()
    assert "next_after failed: it has not returned within 1 s (it was at " in problem
    assert schedule.next_after(EPOCH) is None, "it is not asked again"


def test_further_schedules_of_a_plugin_that_has_hung_have_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "LIMIT_SECONDS", 2)
    monkeypatch.setattr(safe_schedule, "HUNG_LIMIT_SECONDS", 1)
    quarantine = Quarantine(lambda kind, name: "endless 1.0")
    for _ in range(2):
        first, second = (SafeSchedule(Endless(asked=[EPOCH] * number), quarantine) for number in range(2))
        assert (first.next_after(EPOCH), second.next_after(EPOCH)) == (None, None)
        limits = [re.findall("within ([12]) s", problem) for problem in quarantine.problems()]
        assert limits == [["2"], ["1"]]
        quarantine.clear()


@pytest.mark.parametrize("method", ["run_point", "count_from", "event_at"])
def test_each_question_has_less_time_once_a_plugin_has_hung(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def wait(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr(safe_schedule, "HUNG_LIMIT_SECONDS", 1)
    quarantine = Quarantine(lambda kind, name: "endless 1.0")
    quarantine.note_hang(Kind.TRIGGER, Endless.type)
    inner = type("Endless", (Endless,), {"__slots__": (), method: wait})()
    getattr(SafeSchedule(inner, quarantine), method)(*([EPOCH] if method != "run_point" else []))
    (problem,) = quarantine.problems()
    assert f"{method} raised TookTooLong('it has not returned within 1 s" in problem


def test_schedule_is_asked_once_for_each_start() -> None:
    schedule = CountedHours()
    engine = VirtualWorld(plan(Job(id="hourly", command="true"), counted=guard(schedule)))
    schedule.asked.clear()
    engine.advance(timedelta(hours=24))
    assert [start.run.scheduled_for.hour for start in engine.started] == [1]  # it goes on running
    assert len(schedule.asked) == len(set(schedule.asked)) == 24


@frozen(eq=False)
class Flood(CountedHours):
    """Fires each millisecond after whatever it is asked."""

    def next_after(self, instant: datetime) -> datetime:
        return instant + timedelta(milliseconds=1)


@pytest.mark.parametrize("before", [timedelta(microseconds=1), timedelta(milliseconds=50), MIN_STEP])
def test_start_just_after_the_present_is_not_slowed_down(before: timedelta) -> None:
    schedule = guard(CountedHours())
    start = schedule.next_after(EPOCH)
    assert start is not None
    assert schedule.next_after(start - before) == start
    assert schedule.next_after(start) == start + timedelta(hours=1)


def test_flood_of_starts_is_slowed_down() -> None:
    schedule, starts = guard(Flood()), [EPOCH]
    for _ in range(5):
        starts.append(schedule.next_after(starts[-1]) or EPOCH)
    assert all(later - before >= MIN_STEP for before, later in itertools.pairwise(starts[1:]))
