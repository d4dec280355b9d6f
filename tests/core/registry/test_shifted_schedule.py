"""Starts that move off the days that guards forbid."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto import Job
from rae_auto.api import ScheduleTrigger
from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import InvalidJob
from rae_auto.model.policies import Shift
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.registry.safe_schedule import SafeSchedule
from rae_auto.registry.shifted_schedule import ShiftedSchedule
from rae_auto.testing.harness.strategies import instants
from rae_auto.testing.triggers import ScheduleConformance
from rae_plugins.guards.calendar import CalendarGuard
from rae_plugins.guards.weekday import WeekdayGuard
from rae_plugins.triggers.cron import CronTrigger

BERLIN = ZoneInfo("Europe/Berlin")
WORKDAYS = WeekdayGuard(days=["mon", "tue", "wed", "thu", "fri"], timezone="Europe/Berlin")


def shifted(expression: str, shift: str, *holidays: str) -> ShiftedSchedule:
    cron = CronTrigger(expression=expression, timezone="Europe/Berlin")
    calendar = [CalendarGuard(dates=holidays, timezone="Europe/Berlin")] if holidays else []
    return ShiftedSchedule(cron, (WORKDAYS, *calendar), Shift(shift), BERLIN)


def starts(schedule: ScheduleTrigger, since: str, count: int) -> list[str]:
    """Return starts by the clock in Berlin."""
    at, found = datetime.fromisoformat(since).replace(tzinfo=BERLIN), []
    for _ in range(count):
        following = schedule.next_after(at)
        assert following is not None
        at = following
        found.append(f"{at.astimezone(BERLIN):%a %Y-%m-%d %H:%M}")
    return found


class TestConforms(ScheduleConformance):
    test_options_are_attrs_fields_with_help = None  # type: ignore[assignment] # it is made by a job, not by options
    test_options_have_types_that_a_configuration_can_give = None  # type: ignore[assignment]

    @pytest.fixture(params=list(Shift))
    def plugin(self, request: pytest.FixtureRequest) -> ScheduleTrigger:
        return shifted("0 9 1,15 * *", request.param, "2026-03-30..2026-04-10")


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        # Saturday 15 August, Tuesday 15 September, Sunday 15 November; 14 August is a holiday.
        ("next", ["Mon 2026-08-17 09:00", "Tue 2026-09-15 09:00", "Thu 2026-10-15 09:00", "Mon 2026-11-16 09:00"]),
        ("previous", ["Thu 2026-08-13 09:00", "Tue 2026-09-15 09:00", "Thu 2026-10-15 09:00", "Fri 2026-11-13 09:00"]),
        ("nearest", ["Mon 2026-08-17 09:00", "Tue 2026-09-15 09:00", "Thu 2026-10-15 09:00", "Mon 2026-11-16 09:00"]),
    ],
)
def test_starts_move_to_a_day_that_all_guards_allow(shift: str, expected: list[str]) -> None:
    assert starts(shifted("0 9 15 * *", shift, "2026-08-14"), "2026-08-01", 4) == expected


def test_nearest_day_may_be_the_one_before() -> None:
    assert starts(shifted("0 9 15 * *", "nearest"), "2026-08-01", 1) == ["Fri 2026-08-14 09:00"]


def test_starts_that_meet_are_one() -> None:
    week = starts(shifted("0 9 * * *", "next"), "2026-08-14T10:00", 3)
    assert week == ["Mon 2026-08-17 09:00", "Tue 2026-08-18 09:00", "Wed 2026-08-19 09:00"]


def test_clock_shows_the_same_time_after_a_change_to_summer_time() -> None:
    # Saturday 28 March in winter time; the clocks change on Sunday.
    assert starts(shifted("30 2 28 3 *", "next"), "2026-03-01", 1) == ["Mon 2026-03-30 02:30"]


def test_start_without_an_allowed_day_stays() -> None:
    schedule = shifted("0 9 15 8 *", "next", "2026-08-01..2026-09-30")
    assert starts(schedule, "2026-08-01", 1) == ["Sat 2026-08-15 09:00"]


def test_note_says_from_where_a_start_was_moved() -> None:
    schedule = shifted("0 9 15 * *", "previous")
    moved, kept = (datetime(2026, *day, 7, tzinfo=UTC) for day in ((8, 14), (9, 15)))
    assert (
        schedule.note(moved)
        == "moved from Sat 2026-08-15, when it is Saturday in Europe/Berlin, outside mon, tue, wed, thu, fri"
    )
    assert schedule.note(kept) is None


@given(instants, st.sampled_from(Shift))
def test_each_start_is_allowed_and_near_one_of_the_schedule(instant: datetime, shift: Shift) -> None:
    schedule = shifted("0 9 1,15 * *", shift)
    moved = schedule.next_after(instant)
    assert moved is not None
    assert WORKDAYS.evaluate(moved).allows
    plain = schedule.inner.next_after(moved - timedelta(days=3))
    assert plain is not None
    assert abs(plain - moved) < timedelta(days=3)


def plan(**fields: object) -> SafeSchedule:
    job = Job(id="pay", command="true", **fields)  # type: ignore[arg-type]
    factory = PluginFactory(Registry(), "Europe/Berlin")
    (schedule,) = factory.plan(job, JobOrigin.STORE).plan.schedules.values()
    assert isinstance(schedule, SafeSchedule)
    return schedule


def test_job_with_a_shift_has_moved_starts() -> None:
    schedule = plan(schedule="0 9 15 * *", guards=[{"type": "weekday", "days": ["mon"]}], shift="next")
    assert schedule.next_after(datetime(2026, 8, 1, tzinfo=UTC)) == datetime(2026, 8, 17, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schedule": "0 9 15 * *", "guards": ["power"]}, "shift: needs a guard that knows the days"),
        (
            {"schedule": "*/5 * * * *", "guards": [{"type": "weekday", "days": ["mon"]}]},
            "shift: is for schedules with at most 168 starts a week",
        ),
    ],
)
def test_shift_that_can_not_work_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        plan(shift="next", **fields)
