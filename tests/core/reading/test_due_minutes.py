"""Starts to come are counted step by step, as far as they were computed."""

from datetime import UTC, datetime, timedelta

from rae_auto import Job
from rae_auto.model import documents
from rae_auto.reading.due_minutes import count_due_minutes, find_day_notes

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def a_definition(schedule: str, *, paused: bool = False, until: datetime | None = None, skips=(), **fields):
    job = Job(name="a", command="true", schedule=schedule, **fields)
    return {
        "definition": documents.dump(job),
        "paused": paused,
        "paused_until": until and until.isoformat(),
        "skips": [skip.isoformat() for skip in skips],
    }


def count(*definitions, step: timedelta = HOUR, span: timedelta = 3 * HOUR):
    found = count_due_minutes(definitions, "UTC", NOON, NOON + span)
    assert found.until == NOON + span
    return dict(found.count(NOON, NOON + span, step))


def test_starts_are_counted_by_steps() -> None:
    assert count(a_definition("*/20 * * * *")) == {NOON: 3, NOON + HOUR: 3, NOON + 2 * HOUR: 3}
    assert count(a_definition("7 13 * * *"), step=MINUTE) == {NOON + 67 * MINUTE: 1}


def test_pauses_and_skips_are_left_out() -> None:
    assert count(a_definition("0 * * * *", paused=True)) == {}
    assert count(a_definition("0 * * * *", paused=True, until=NOON + 90 * MINUTE)) == {NOON + 2 * HOUR: 1}
    assert count(a_definition("0 * * * *", skips=[NOON])) == {NOON + HOUR: 1, NOON + 2 * HOUR: 1}
    assert count(a_definition("0 * * * *", enabled=False)) == {}


def test_guards_of_each_weekend_are_not_reported() -> None:
    weekday = a_definition("0 * * * *", guards=[{"type": "weekday", "days": ["mon", "tue", "wed", "thu", "fri"]}])
    assert find_day_notes([weekday], "UTC", NOON) == {}
