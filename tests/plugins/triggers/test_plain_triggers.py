"""interval, once and manual."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.api import ScheduleTrigger
from rae_auto.config.options import build
from rae_auto.registry import Registry
from rae_auto.testing.triggers import ScheduleConformance
from rae_plugins.triggers import interval, manual, once
from rae_plugins.triggers.interval import IntervalTrigger
from rae_plugins.triggers.manual import ManualTrigger
from rae_plugins.triggers.once import OnceTrigger

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
instants = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


class TestIntervalConforms(ScheduleConformance):
    @pytest.fixture(params=["1ms", "90s", "24h", "1d", "2w", "36500d"])
    def plugin(self, request: pytest.FixtureRequest) -> ScheduleTrigger:
        return IntervalTrigger(every=request.param, timezone="Europe/Berlin")


class TestOnceConforms(ScheduleConformance):
    @pytest.fixture(params=["2026-10-25T03:00:00+01:00", "2026-03-29T02:30:00", "0001-01-02T00:00:00Z"])
    def plugin(self, request: pytest.FixtureRequest) -> ScheduleTrigger:
        return OnceTrigger(at=request.param, timezone="Europe/Berlin")


class TestManualConforms(ScheduleConformance):
    @pytest.fixture
    def plugin(self) -> ScheduleTrigger:
        return ManualTrigger()


@given(instants, st.timedeltas(timedelta(milliseconds=1), timedelta(days=400)), instants)
def test_interval_fires_at_from_and_at_multiples(start: datetime, every: timedelta, asked: datetime) -> None:
    following = IntervalTrigger(every=every, from_=start).next_after(asked)
    assert following is not None
    assert (following - start) % every == timedelta(0)
    assert asked < following <= asked + every


def test_interval_phase_is_independent_of_the_argument() -> None:
    """So a restart doesn't shift it."""
    trigger = IntervalTrigger(every="10m", from_="2026-01-31T12:03:00+00:00")
    assert trigger.next_after(NOON) == NOON.replace(minute=3)
    assert trigger.next_after(NOON.replace(minute=3)) == NOON.replace(minute=13)


def berlin_starts(every: str, since: str, count: int, **options: str) -> list[str]:
    trigger = IntervalTrigger(every=every, timezone="Europe/Berlin", **options)
    at, found = datetime.fromisoformat(since), []
    for _ in range(count):
        following = trigger.next_after(at)
        assert following is not None
        at = following
        found.append(f"{at.astimezone(BERLIN):%m-%d %H:%M}")
    return found


def test_interval_in_days_stays_at_its_time_of_day() -> None:
    days = berlin_starts("1d", "2026-03-28T00:00:00+00:00", 3, from_="2026-01-01T09:00:00+01:00")
    assert days == ["03-28 09:00", "03-29 09:00", "03-30 09:00"]
    weeks = berlin_starts("2w", "2026-10-10T00:00:00+00:00", 3, from_="2026-10-12T06:30:00+02:00")
    assert weeks == ["10-12 06:30", "10-26 06:30", "11-09 06:30"]


def test_interval_in_hours_is_elapsed_time() -> None:
    hours = berlin_starts("24h", "2026-03-28T00:00:00+00:00", 3, from_="2026-01-01T09:00:00+01:00")
    assert hours == ["03-28 09:00", "03-29 10:00", "03-30 10:00"]


def test_interval_in_days_begins_at_midnight() -> None:
    assert berlin_starts("1d", "2026-11-28T12:00:00+00:00", 1) == ["11-29 00:00"]


def test_interval_in_days_comes_once_where_the_clocks_change() -> None:
    gap = berlin_starts("1d", "2026-03-28T12:00:00+00:00", 2, from_="2026-01-01T02:30:00+01:00")
    assert gap == ["03-29 03:00", "03-30 02:30"]
    fold = berlin_starts("1d", "2026-10-24T12:00:00+00:00", 2, from_="2026-01-01T02:30:00+01:00")
    assert fold == ["10-25 02:30", "10-26 02:30"]


def test_interval_in_days_of_a_configuration_is_by_the_calendar() -> None:
    options = {"every": "1d", "from": "2026-01-01T09:00:00+01:00"}
    made = build(IntervalTrigger, options, timezone="Europe/Berlin", plugins=Registry())
    assert made == IntervalTrigger(every="1d", from_="2026-01-01T09:00:00+01:00", timezone="Europe/Berlin")


def test_day_of_the_calendar_is_another_schedule_than_24_hours() -> None:
    assert IntervalTrigger(every="1d") != IntervalTrigger(every="24h")
    assert IntervalTrigger(every="7d") == IntervalTrigger(every="1w")


@given(instants, st.integers(1, 60), instants)
def test_interval_in_days_misses_no_day(start: datetime, days: int, asked: datetime) -> None:
    trigger = IntervalTrigger(every=f"{days}d", from_=start, timezone="America/New_York")
    following = trigger.next_after(asked)
    assert following is not None
    assert asked < following <= asked + timedelta(days=days, hours=2)
    assert trigger.next_after(following - timedelta(microseconds=1)) == following


def test_interval_accepts_an_instant_as_from() -> None:
    assert IntervalTrigger(every=60, from_=NOON).from_ == NOON


@pytest.mark.parametrize("every", ["0s", "1us", -5, "soon", None])
def test_invalid_interval_is_refused(every: object) -> None:
    with pytest.raises(ValueError, match=r"duration|'every' must be|negative") as caught:
        IntervalTrigger(every=every)  # type: ignore[arg-type]  # what a person may write
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", ["yesterday", "2026-01-31T12:00:00", 5, "x" * 10_000, datetime(2026, 1, 31)])
def test_invalid_from_is_refused_in_one_line(start: object) -> None:
    with pytest.raises(ValueError, match=r"invalid instant|has no offset") as caught:
        IntervalTrigger(every="1h", from_=start)  # type: ignore[arg-type]  # what a person may write
    assert len(str(caught.value)) < 200


def test_once_fires_once() -> None:
    trigger = OnceTrigger(at=NOON)
    assert trigger.next_after(NOON - timedelta(microseconds=1)) == NOON
    assert trigger.next_after(NOON) is None


@pytest.mark.parametrize(
    ("written", "hour"), [("2026-01-31T13:00:00", 12), ("2026-01-31T13:00:00+00:00", 13), ("2026-01-31T13:00:00Z", 13)]
)
def test_once_reads_a_time_without_offset_in_its_zone(written: str, hour: int) -> None:
    trigger = OnceTrigger(at=written, timezone="Europe/Berlin")
    assert trigger.next_after(NOON - timedelta(days=1)) == NOON.replace(hour=hour)


def test_once_at_a_repeated_time_is_the_first() -> None:
    trigger = OnceTrigger(at="2026-10-25T02:30:00", timezone="Europe/Berlin")
    assert trigger.next_after(NOON) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.requirement("R15")
def test_once_in_a_gap_fires_right_after_it() -> None:
    trigger = OnceTrigger(at="2026-03-29T02:30:00", timezone="Europe/Berlin")
    assert trigger.next_after(NOON) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_once_keeps_fractions_of_a_second() -> None:
    trigger = OnceTrigger(at="2026-03-29T01:30:00.25", timezone="Europe/Berlin")
    assert trigger.next_after(NOON) == datetime(2026, 3, 29, 0, 30, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("at", ["tomorrow", "", 5, None, "x" * 10_000])
def test_invalid_time_of_once_is_refused_in_one_line(at: object) -> None:
    with pytest.raises(ValueError, match="invalid time") as caught:
        OnceTrigger(at=at)  # type: ignore[arg-type]  # what a person may write
    assert len(str(caught.value)) < 200


def test_once_refuses_an_unknown_zone() -> None:
    with pytest.raises(ValueError, match="Mars/Olympus"):
        OnceTrigger(at=NOON, timezone="Mars/Olympus")


@pytest.mark.parametrize("module", [interval, once, manual])
def test_each_simple_trigger_module_offers_one_trigger(module: object) -> None:
    (offered,) = module.rae_triggers()  # type: ignore[attr-defined]  # modules have no common type
    assert offered.type == module.__name__.rpartition(".")[2]  # type: ignore[attr-defined]  # as above
