"""Versions of an event in one file, by their SEQUENCE: the newest counts, also for single occurrences."""

from pathlib import Path

import pytest
from tests.plugins.calendars.test_ical_parser import calendar, covered_periods


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c.ics"


def test_newest_version_of_an_event_counts(path: Path) -> None:
    events = "".join(
        f"BEGIN:VEVENT\nUID:{uid}\nDTSTART:{day}\n{more}\nEND:VEVENT\n"
        for uid, day, more in (
            *(("a", "20260601", "SEQUENCE:0"), ("a", "20260701", "SEQUENCE:2"), ("a", "20260801", "SEQUENCE:1")),
            *(("b", "20260901", "SEQUENCE:1"), ("b", "20260901", "SEQUENCE:2\nSTATUS:CANCELLED")),
            *(("c", "20261001", ""), ("c", "20261101", "")),
        )
    )
    days = ["2026-07-01/2026-07-02", "2026-10-01/2026-10-02", "2026-11-01/2026-11-02"]
    assert covered_periods(path, f"BEGIN:VCALENDAR\n{events}END:VCALENDAR\n") == days


@pytest.mark.parametrize(
    ("series", "replacement", "is_left"),
    [
        ("SEQUENCE:2\nEXDATE:20260602T100000", "SEQUENCE:1", False),
        ("SEQUENCE:2\nEXDATE;TZID=Asia/Tokyo:20260602T170000", "", False),
        ("SEQUENCE:2\nEXDATE;VALUE=DATE:20260602", "SEQUENCE:1", False),
        ("SEQUENCE:2\nEXDATE:20260602T100000", "SEQUENCE:2", True),
        ("SEQUENCE:2\nEXDATE:20260602T100000", "SEQUENCE:3", True),
        ("EXDATE:20260602T100000", "", True),
        ("SEQUENCE:2\nEXDATE:20260603T100000", "SEQUENCE:1", True),
        ("SEQUENCE:2", "SEQUENCE:1", True),
    ],
)
def test_newer_series_withdraws_what_replaced_an_occurrence_it_excludes(
    path: Path, series: str, replacement: str, is_left: bool
) -> None:
    rule = f"DTSTART;TZID=Europe/Berlin:20260601T100000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2\n{series}"
    moved = f"RECURRENCE-ID:20260602T080000Z\nDTSTART:20260901\n{replacement}"
    text = calendar(rule, moved).replace("UID:1", "UID:0")
    first, later = "2026-06-01T10:00/2026-06-01T11:00", "2026-09-01/2026-09-02"
    assert covered_periods(path, text) == [first, *([later] if is_left else [])]


def test_newer_series_of_days_withdraws_what_replaced_one_of_them(path: Path) -> None:
    days = "DTSTART;VALUE=DATE:20260601\nRRULE:FREQ=DAILY;COUNT=2\nSEQUENCE:1\nEXDATE;VALUE=DATE:20260602"
    text = calendar(days, "RECURRENCE-ID:20260602T000000Z\nDTSTART:20260901").replace("UID:1", "UID:0")
    assert covered_periods(path, text) == ["2026-06-01/2026-06-02"]
