"""Days given by numbers alone: what croniter finds, found without it."""

import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest
from croniter import CroniterBadDateError, croniter
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.triggers.cron.numbered_days import make_numbered_days

YEARS = 12


def words(first: int, last: int) -> st.SearchStrategy[str]:
    numbers = st.lists(st.integers(first, last), min_size=1, max_size=3, unique=True).map(sorted)
    return st.just("*") | numbers.map(lambda found: ",".join(map(str, found)))


def next_of(line: Any, start: datetime) -> datetime | None:
    try:
        found: datetime = line.get_next(datetime, start_time=start)
    except (CroniterBadDateError, ValueError):
        return None
    return found


@given(
    words(1, 31),
    words(1, 12),
    words(0, 7),
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from([timedelta(0), timedelta(microseconds=1)]),
)
def test_days_are_those_that_croniter_finds(day: str, month: str, weekday: str, at: datetime, off: timedelta) -> None:
    start = at.replace(hour=0, minute=0, second=0, microsecond=0) - off if at.second % 2 else at
    ours = make_numbered_days([day, month, weekday], YEARS)
    line = f"0 0 {day} {month} {weekday}"
    theirs = croniter(line, day_or=False, second_at_beginning=True, max_years_between_matches=YEARS)
    found, expected = next_of(ours, start), next_of(theirs, start)
    # Who gives up after so many years does so a year sooner or later.
    assert found == expected or max(each for each in (found, expected) if each).year - start.year >= YEARS


@pytest.mark.parametrize("words", [["l", "*", "*"], ["15w", "*", "*"], ["*", "*", "1#2"], ["*", "*", "L5"]])
def test_more_than_numbers_is_left_to_croniter(words: list[str]) -> None:
    assert make_numbered_days(words, YEARS) is None


def test_common_expressions_import_no_croniter() -> None:
    code = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from rae_plugins.triggers.cron import CronTrigger\n"
        "for text in ('0 6 * * mon-fri', '0 0 1 * *', '@yearly', '0 0 29 2 *'):\n"
        "    schedule = CronTrigger(expression=text, timezone='UTC')\n"
        "    print(schedule.next_after(datetime(2026, 11, 30, 12, tzinfo=UTC)).date())\n"
        "assert not {'croniter', 'dateutil'} & {*sys.modules}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["2026-12-01", "2026-12-01", "2027-01-01", "2028-02-29"], done.stderr
