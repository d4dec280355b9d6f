"""Which times an expression names: the rules of cron, on an ordinary calendar."""

from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.testing.triggers import ScheduleConformance
from rae_plugins.triggers.cron import CronTrigger, rae_triggers
from rae_plugins.triggers.cron.expression import parse_expression

# 2024-01-01 is a Monday of a leap year.
DATES = [
    # fields, and what an item may be
    ("5 4 * * *", ["01-01 04:05", "01-02 04:05"]),
    ("\t 05 004 * * *  ", ["01-01 04:05", "01-02 04:05"]),
    ("0 0 1,15 * *", ["01-15 00:00", "02-01 00:00"]),
    ("0 0 8-8 * *", ["01-08 00:00", "02-08 00:00"]),
    ("0 8-8 * * *", ["01-01 08:00", "01-02 08:00"]),
    # ranges that wrap around
    ("0 22-1 * * *", ["01-01 01:00", "01-01 22:00", "01-01 23:00", "01-02 00:00"]),
    ("0 0 30-2 * *", ["01-02 00:00", "01-30 00:00", "01-31 00:00", "02-01 00:00"]),
    ("0 0 1 NOV-FEB *", ["02-01 00:00", "11-01 00:00", "12-01 00:00"]),
    ("0 0 * * fri-Mon", ["01-05 00:00", "01-06 00:00", "01-07 00:00", "01-08 00:00", "01-12 00:00"]),
    # steps
    ("*/25 0 * * *", ["01-01 00:25", "01-01 00:50", "01-02 00:00"]),
    ("0 0 */10 * *", ["01-11 00:00", "01-21 00:00", "01-31 00:00", "02-01 00:00"]),
    ("0 0 1 */5 *", ["06-01 00:00", "11-01 00:00"]),
    ("0 23-5/2 * * *", ["01-01 01:00", "01-01 03:00", "01-01 05:00", "01-01 23:00", "01-02 01:00"]),
    ("40/9 12 * * *", ["01-01 12:40", "01-01 12:49", "01-01 12:58", "01-02 12:40"]),
    ("59/15 12 * * *", ["01-01 12:59", "01-02 12:59"]),
    ("20-20/10 12 * * *", ["01-01 12:20", "01-02 12:20"]),
    # Sunday is 0 and 7
    ("0 0 * * 0", ["01-07 00:00", "01-14 00:00"]),
    ("0 0 * * 7-7", ["01-07 00:00", "01-14 00:00"]),
    ("0 0 * * 5-7", ["01-05 00:00", "01-06 00:00", "01-07 00:00", "01-12 00:00"]),
    ("0 0 * * 7-2", ["01-02 00:00", "01-07 00:00", "01-08 00:00", "01-09 00:00"]),
    ("0 0 * * 0-7", ["01-02 00:00", "01-03 00:00", "01-04 00:00"]),
    ("0 0 * * SAT-THU/2", ["01-03 00:00", "01-06 00:00", "01-08 00:00"]),
    ("0 0 0 * * 5-7", ["01-05 00:00", "01-06 00:00", "01-07 00:00", "01-12 00:00"]),
    # day of month and day of week
    ("0 0 13 * fri", ["01-05 00:00", "01-12 00:00", "01-13 00:00"]),
    ("0 0 ? * 2", ["01-02 00:00", "01-09 00:00"]),
    ("0 0 13 * ?", ["01-13 00:00", "02-13 00:00"]),
    ("0 0 */2 * TUE", ["01-09 00:00", "01-23 00:00", "02-13 00:00"]),
    ("0 0 13 * */5", ["09-13 00:00", "10-13 00:00", "12-13 00:00"]),
    ("0 0 1-31 * MON", ["01-02 00:00", "01-03 00:00"]),
    ("0 7 20 * 2#1", ["01-02 07:00", "01-20 07:00", "02-06 07:00"]),
    ("0 0 L * 5L", ["01-26 00:00", "01-31 00:00", "02-23 00:00", "02-29 00:00"]),
    ("0 0 15W * 5", ["01-05 00:00", "01-12 00:00", "01-15 00:00", "01-19 00:00"]),
    ("0 0 30 2 MON", ["02-05 00:00", "02-12 00:00"]),
    # special days
    ("0 0 1,15,L * *", ["01-15 00:00", "01-31 00:00", "02-01 00:00", "02-15 00:00", "02-29 00:00"]),
    ("0 0 lw * *", ["01-31 00:00", "02-29 00:00", "03-29 00:00", "04-30 00:00", "05-31 00:00", "06-28 00:00"]),
    ("0 0 L-3 * *", ["01-28 00:00", "02-26 00:00", "03-28 00:00", "04-27 00:00"]),
    ("0 0 L-30 * *", ["03-01 00:00", "05-01 00:00", "07-01 00:00"]),
    ("0 0 L-28 2 *", ["02-01 00:00", "2028-02-01 00:00"]),
    ("0 0 l-1,L,2 * *", ["01-02 00:00", "01-30 00:00", "01-31 00:00", "02-02 00:00"]),
    ("*/30 9 L-1 2 *", ["02-28 09:00", "02-28 09:30", "2025-02-27 09:00"]),
    ("0 0 L-3 * SUN#1", ["01-07 00:00", "01-28 00:00", "02-04 00:00"]),
    ("0 0 L-3 * */2", ["01-28 00:00", "03-28 00:00"]),
    ("0 9 L-3W * *", ["01-29 09:00", "02-26 09:00", "03-28 09:00", "04-26 09:00"]),
    ("0 0 LW,3 * *", ["01-03 00:00", "01-31 00:00", "02-03 00:00"]),
    ("0 0 15W * *", ["01-15 00:00", "02-15 00:00", "03-15 00:00", "04-15 00:00", "05-15 00:00", "06-14 00:00"]),
    ("0 0 1W 6 *", ["06-03 00:00"]),
    ("0 0 30W 6 *", ["06-28 00:00"]),
    ("0 0 * * 5#3", ["01-19 00:00", "02-16 00:00"]),
    ("0 0 * * Fri#5", ["03-29 00:00", "05-31 00:00", "08-30 00:00"]),
    ("0 0 * * 7#1", ["01-07 00:00", "02-04 00:00"]),
    ("0 0 * * FRIL", ["01-26 00:00", "02-23 00:00"]),
    ("0 0 * * l5", ["01-26 00:00", "02-23 00:00"]),
    ("0 0 * * 7L", ["01-28 00:00", "02-25 00:00"]),
    ("0 0 * * MON#2,TUE", ["01-02 00:00", "01-08 00:00", "01-09 00:00"]),
    ("0 0 * * 1,3#1", ["01-03 00:00", "01-08 00:00", "01-15 00:00"]),
    # macros
    ("@yearly", ["2025-01-01 00:00"]),
    ("@Annually", ["2025-01-01 00:00"]),
    (" @monthly", ["02-01 00:00", "03-01 00:00"]),
    ("@WEEKLY\t", ["01-07 00:00", "01-14 00:00"]),
    ("@daily", ["01-02 00:00"]),
    ("@midnight", ["01-02 00:00"]),
    ("@hourly", ["01-01 01:00", "01-01 02:00"]),
    # years
    ("0 0 0 1 7 ? 2090", ["2090-07-01 00:00", None]),
    ("0 0 0 1 1 ? */20", ["2030-01-01 00:00", "2050-01-01 00:00"]),
    ("0 0 0 1 1 ? 2020-2025", ["2025-01-01 00:00", None]),
    ("0 0 0 1 1 ? *", ["2025-01-01 00:00", "2026-01-01 00:00"]),
    ("0 0 0 1 1 ? 2020", [None]),
]


def after(start: datetime, expression: str, count: int, timezone: str = "UTC") -> list[datetime | None]:
    trigger = CronTrigger(expression=expression, timezone=timezone)
    found: list[datetime | None] = []
    instant: datetime | None = start
    while instant is not None and len(found) < count:
        instant = trigger.next_after(instant)
        found.append(instant)
    return found


@pytest.mark.parametrize(("expression", "expected"), DATES, ids=[expression for expression, _ in DATES])
def test_expression_matches_these_times(expression: str, expected: list[str | None]) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    found = after(start, expression, len(expected))
    assert [match and f"{match:%Y-%m-%d %H:%M}".removeprefix("2024-") for match in found] == expected


def test_first_of_six_fields_is_seconds() -> None:
    start = datetime(2024, 1, 1, 0, 0, 0, tzinfo=UTC)
    found = after(start, "*/30 0 12 * * MON", 3)
    assert found == [datetime(2024, 1, 1, 12, 0, second, tzinfo=UTC) for second in (0, 30)] + [
        datetime(2024, 1, 8, 12, tzinfo=UTC)
    ]


def test_next_time_is_strictly_later() -> None:
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    before, behind = noon - timedelta(microseconds=1), noon + timedelta(microseconds=1)
    for expression, step in (("* * * * *", timedelta(minutes=1)), ("* * * * * *", timedelta(seconds=1))):
        assert after(before, expression, 1) == [noon]
        assert after(noon, expression, 1) == [noon + step]
        assert after(behind, expression, 1) == [noon + step]


def test_next_time_ignores_the_offset_of_the_argument() -> None:
    elsewhere = datetime.fromisoformat("2024-01-01T05:00:00-07:00")
    assert after(elsewhere, "30 12 * * *", 1) == [datetime(2024, 1, 1, 12, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [("0 0 * 2 MON#5", 2072, 2112), ("0 0 29 2 *", 2096, 2104)],
    ids=["five Mondays in February", "no leap year in 2100"],
)
def test_rare_dates_are_found(expression: str, start: int, expected: int) -> None:
    assert after(datetime(start, 3, 1, tzinfo=UTC), expression, 1) == [datetime(expected, 2, 29, tzinfo=UTC)]


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_cron_schedule_ends_with_the_calendar(timezone: str) -> None:
    end = datetime.max.replace(tzinfo=UTC)
    for expression in ("* * * * * *", "0 0 * * *", "0 0 29 2 *"):
        assert after(end, expression, 1, timezone) == [None]


def test_cron_defaults_to_the_local_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    found = CronTrigger(expression="0 12 * * *").next_after(datetime(2024, 1, 1, tzinfo=UTC))
    assert found == datetime(2024, 1, 1, 6, 15, tzinfo=UTC)


def test_equal_cron_triggers_are_equal_values() -> None:
    one, same, other = (CronTrigger(expression="0 0 * * *", timezone=zone) for zone in ("UTC", "UTC", "Asia/Tokyo"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


@pytest.mark.parametrize("expression", ["0 0 */2 * MON", "0 0 13 * */2", "0 0 */2 * */2", "0 0 */2,L * 5L"])
def test_expression_read_differently_elsewhere_gives_a_warning(expression: str) -> None:
    (warning,) = CronTrigger(expression=expression).warnings()
    assert "must both match" in warning
    assert warning.isprintable()


@pytest.mark.parametrize(
    ("expression", "trap"),
    [
        ("* 9 * * *", 'every minute of each hour that matches "9", 60 times; write "0 9 * * *"'),
        ("* */2 * * mon", 'write "0 */2 * * mon" to start once'),
        ("* */15 * * * *", 'every second of each minute that matches "*/15"'),
        ("0 4 8-14 * mon", "are alternatives, as in cron: a date matches if either does; write MON#2"),
        ("0 0 1 * MON", "are alternatives"),
        ("*/59 * * * *", "after minute 59 comes 0, only 1 later"),
        ("0 */5 * * *", "after hour 20 comes 0, only 4 later"),
        ("0 0 */2 * *", "starts over on day 1 of each month"),
        ("0 0 ? * */2", "after day of week 6 comes 0, only 1 later"),
        ("0 0 1 */5 *", "after month 11 comes 1, only 2 later"),
        ("0/7 * * * *", "after minute 56 comes 0, only 4 later"),
        ("10-50/7 * * * *", 'ends with 45, because the step does not divide the range; write "10-45/7"'),
        ("0 9-17/3 * * *", 'write "9-15/3"'),
    ],
)
def test_expression_that_may_not_say_what_is_meant_gives_a_warning(expression: str, trap: str) -> None:
    (warning,) = CronTrigger(expression=expression).warnings()
    assert trap in warning


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 1 * *",
        "* 9-17 * * MON-FRI",
        "0 0 ? * MON",
        "*/5 * * * *",
        "@daily",
        "*/10 */2 * * * *",
        "0 0 1 */3 *",
        "40/9 12 * * *",
        "0 9-17/4 * * *",
    ],
)
def test_plain_expression_gives_no_warning(expression: str) -> None:
    assert CronTrigger(expression=expression).warnings() == ()


class TestCronIsASchedule(ScheduleConformance):
    @pytest.fixture(params=["30 2 * * *", "*/20 * * * *", "*/7 * * * * *", "0 0 13 * 5L", "0 0 0 1 1 ? 2020-2030"])
    def plugin(self, request: pytest.FixtureRequest) -> CronTrigger:
        return CronTrigger(expression=request.param, timezone="Europe/Berlin")


def test_cron_module_offers_one_trigger() -> None:
    assert rae_triggers() == [CronTrigger]


@st.composite
def _expressions(draw: st.DrawFn) -> str:
    """Return an expression with seconds, each field a `*`, a value, a range or a step."""

    def draw_item(low: int, high: int) -> str:
        first = draw(st.integers(low, high - 1))
        last = draw(st.integers(first + 1, high))  # to croniter a range of one value is all values
        return draw(st.sampled_from(["*", f"{first}", f"{first}-{last}", f"{first}-{last}/{last - first}"]))

    return " ".join(draw_item(*limits) for limits in ((0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 6)))


@given(_expressions(), st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1)))
def test_times_are_those_that_croniter_finds_by_itself(expression: str, wall: datetime) -> None:
    calendar = parse_expression(expression).calendar
    fields = expression.split()
    is_both = fields[3].startswith("*") or fields[5].startswith("*")
    peer = croniter(expression, wall, day_or=not is_both, second_at_beginning=True)
    for _ in range(3):
        found = calendar.next_after(wall)
        wall = peer.get_next(datetime)
        assert found == wall
