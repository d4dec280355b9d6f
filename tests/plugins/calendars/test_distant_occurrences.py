"""Occurrences of rules that began long before: found without all that came before them, and the same."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.calendars import events
from rae_plugins.calendars.events import CalendarEvent, EventLength, RecurrenceRule, list_starts

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
PARTS = ("", ";BYDAY=MO,TH", ";BYMONTH=2,7", ";BYMONTHDAY=-1,29", ";WKST=SU;BYDAY=SU,WE", ";BYDAY=2TU;BYMONTH=3")


def event_of(rule: str, start: datetime) -> CalendarEvent:
    return CalendarEvent("a", start, UTC, EventLength(days=1), (RecurrenceRule(rule),))


@given(
    st.sampled_from(FREQUENCIES),
    st.integers(1, 40),
    st.sampled_from(PARTS),
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
    st.integers(0, 365 * 900),
    st.integers(1, 800),
)
def test_distant_occurrences_are_those_of_the_whole_rule(
    frequency: str, interval: int, parts: str, start: datetime, days: int, span: int
) -> None:
    if "2TU" in parts and frequency in ("WEEKLY", "DAILY"):
        parts = ";BYDAY=TU;BYMONTH=3"
    if "BYMONTHDAY" in parts and frequency == "WEEKLY":
        parts = ""
    rule = f"FREQ={frequency};INTERVAL={interval}{parts}"
    start = start.replace(microsecond=0)
    low = start + timedelta(days=days)
    high = low + timedelta(days=span)
    whole = [at for at in events._expand(RecurrenceRule(rule), start, high) if low <= at]
    assert [at for at in list_starts(event_of(rule, start), low, high) if at != start] == [
        at for at in whole if at < high and at != start
    ]


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("year", [2300, 9999])
def test_distant_year_takes_few_occurrences(frequency: str, year: int, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = []

    def count(expansion: Iterable[datetime], limit: int | None) -> Iterator[datetime]:
        for at in islice(expansion, limit):
            passed.append(at)
            yield at

    monkeypatch.setattr(events, "islice", count)
    event = event_of(f"FREQ={frequency}", datetime(2026, 1, 1))
    assert list_starts(event, datetime(year, 1, 1), datetime(year, 12, 31))
    assert len(passed) <= 400 * 12 + 366
