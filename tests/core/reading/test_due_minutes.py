"""Starts to come are counted step by step, as far as they were computed."""

import asyncio
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto import Job
from rae_auto.explain.upcoming import iterate_starts
from rae_auto.model import documents
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.reading.day_notes import find_day_notes, find_forbidden_spans
from rae_auto.reading.due_counts import DueCounts, minute_of
from rae_auto.reading.due_minutes import NAMED_MINUTES, count_due_minutes, plan_of
from rae_auto.reading.expected_starts import ExpectedStarts
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def a_definition(schedule: str, *, paused: bool = False, until: datetime | None = None, skips=(), **fields):
    job = Job(name="a", command="true", schedule=schedule, **fields)
    return {
        "definition": documents.dump(job),
        "paused": paused,
        "paused_until": until and until.isoformat(),
        "skips": [skip.isoformat() for skip in skips],
    }


def count(*definitions, step: timedelta = HOUR, span: timedelta = 3 * HOUR):
    [found] = count_due_minutes(definitions, "UTC", NOON, [NOON + span])
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


def test_starts_that_guards_forbid_are_not_expected() -> None:
    weekend = {"type": "weekday", "days": ["sat", "sun"]}
    week = [{"type": "weekday", "days": ["mon", "tue", "wed", "thu", "fri"]}]
    assert count(a_definition("*/20 * * * *", guards=[weekend])) == {NOON + number * HOUR: 3 for number in range(3)}
    assert count(a_definition("*/20 * * * *", guards=week)) == {}
    assert count(a_definition("*/20 * * * *", guards=week), step=DAY, span=3 * DAY) == {
        NOON + DAY: 36,
        NOON + 2 * DAY: 72,
    }


def test_starts_that_guards_delay_are_expected_when_they_start() -> None:
    window = [{"type": "time", "from": "13:30", "to": "14:00"}]
    delayed = a_definition("0,20,40 * * * *", guards=window, guard_timeout="1h")
    begin, window_begins = NOON, NOON + 90 * MINUTE
    # Those of 12:40, 13:00 and 13:20 wait for the window; that of 13:40 is inside it, and 12:20 is too early.
    assert count(delayed, step=10 * MINUTE, span=2 * HOUR) == {window_begins: 3, begin + 100 * MINUTE: 1}


def test_counting_ends_where_guards_forbid_all_starts() -> None:
    never = a_definition("0 * * * *", guards=[{"type": "time", "from": "13:30", "to": "13:45"}], guard_timeout="1m")
    assert count(never, a_definition("5 * * * *")) == {NOON + number * HOUR: 1 for number in range(3)}


def name_jobs(*schedules: str) -> dict[datetime, tuple[str, ...]]:
    """Return the named jobs of three days in Berlin, where the first one is called "0"."""
    definitions = [a_definition(schedule) for schedule in schedules]
    for number, one in enumerate(definitions):
        one["definition"]["id"] = str(number)
    [found] = count_due_minutes(definitions, BERLIN.key, NOON, [NOON + 3 * DAY])
    jobs = DueCounts.from_json(json.loads(json.dumps(found.to_json()))).jobs
    return {datetime.fromtimestamp(minute * 60, UTC): names for minute, names in jobs.items()}


def test_first_jobs_of_a_minute_are_named_once() -> None:
    found = name_jobs("30 14 * * *", "*/5 30 14 * * *", *["45 23 * * *"] * 10)
    assert found[NOON + 90 * MINUTE] == ("0", "1")
    assert found[NOON + 645 * MINUTE] == tuple("23456789")


def test_only_the_busiest_minutes_of_each_day_have_names() -> None:
    found = name_jobs("*/10 * * * *", "0 9-20 * * *")
    names = [names for at, names in sorted(found.items()) if at.astimezone(BERLIN).day == 29]
    assert len(names) == NAMED_MINUTES
    assert names.count(("0", "1")) == 12


def test_jobs_that_guards_delay_are_named_when_they_start() -> None:
    window = [{"type": "time", "from": "13:30", "to": "14:00"}]
    definition = a_definition("0 13 * * *", guards=window, guard_timeout="1h")
    [found] = count_due_minutes([definition], "UTC", NOON, [NOON + 3 * HOUR])
    assert found.jobs == {minute_of(NOON + 90 * MINUTE): ["a"]}


def test_guards_that_read_the_machine_count_as_yes() -> None:
    assert count(a_definition("0 * * * *", guards=["power"])) == {NOON + number * HOUR: 1 for number in range(3)}


@given(
    schedule=st.sampled_from(["* * * * *", "*/7 * * * *", "13 */2 * * *", "0 3 * * *"]),
    hours=st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda pair: pair[0] != pair[1]),
    days=st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1),
    timeout=st.integers(0, 300),
)
@settings(max_examples=25, deadline=None)
def test_expected_starts_are_those_of_the_timeline(schedule, hours, days, timeout) -> None:
    guards = [
        {"type": "time", "from": f"{hours[0]:02}:00", "to": f"{hours[1]:02}:30"},
        {"type": "weekday", "days": sorted(days)},
    ]
    definition = a_definition(schedule, guards=guards, guard_timeout=f"{timeout}m")
    plan = plan_of(definition, PluginFactory(Registry(), "UTC"))
    until = NOON + 2 * DAY
    starts = [
        one.starts_at
        for one in takewhile(lambda one: one.due_at < until, iterate_starts(plan, None, NOON - MINUTE / 2))
    ]
    expected = Counter(at for at in starts if at is not None and at < until)
    assert count(definition, step=MINUTE, span=2 * DAY) == expected


def test_guards_of_each_weekend_are_not_reported() -> None:
    weekday = a_definition("0 * * * *", guards=[{"type": "weekday", "days": ["mon", "tue", "wed", "thu", "fri"]}])
    assert find_day_notes([weekday], "UTC", NOON) == {}


def test_times_of_each_day_are_not_reported() -> None:
    daytime = a_definition("0 * * * *", guards=[{"type": "time", "from": "09:00", "to": "17:00"}])
    assert find_day_notes([daytime], "UTC", NOON) == {}


BLACKOUT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//x//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20261101T000000Z
DTSTART:20261203T140000Z
DTEND:20261204T060000Z
SUMMARY:Release
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTAMP:20261101T000000Z
DTSTART:20261210T090000Z
DTEND:20261210T103000Z
SUMMARY:Fire drill
END:VEVENT
END:VCALENDAR
"""


def test_blackout_over_a_part_of_a_day_says_which(tmp_path: Path) -> None:
    calendar = tmp_path / "blackouts.ics"
    calendar.write_text(BLACKOUT.replace("\n", "\r\n"))
    job = a_definition("0 * * * *", guards=[{"type": "calendar", "file": str(calendar)}])
    notes = find_day_notes([job], "Europe/Berlin", NOON)
    assert {day.day: [note.partition(";")[0] for note in found] for day, found in notes.items()} == {
        3: ['"a" can\'t start from 15:00 on'],
        4: ['"a" can\'t start until 07:00'],
        10: ['"a" can\'t start from 10:00 to 11:30'],
    }
    assert "Fire drill" in notes[date(2026, 12, 10)][0]


class EachMinute:
    """A guard whose answer changes each minute."""

    def evaluate(self, instant: datetime) -> GuardResult:
        return GuardResult(Verdict.YES if instant.minute % 2 else Verdict.NO, "it is an even minute")

    def changes_after(self, instant: datetime) -> datetime:
        return instant.replace(second=0, microsecond=0) + MINUTE


def test_guard_that_changes_too_often_to_follow_is_left_out() -> None:
    assert list(find_forbidden_spans(EachMinute(), NOON.date(), UTC)) == []


def test_numbers_are_the_same_after_their_way_between_processes() -> None:
    since = NOON + timedelta(minutes=7, seconds=3)
    [found] = count_due_minutes([a_definition("*/5 * * * *")], "UTC", since, [since + 2 * HOUR])
    moved = DueCounts.from_json(found.to_json())
    begin = NOON.replace(minute=0)
    for step in (MINUTE, 15 * MINUTE, HOUR):
        assert moved.count(begin, begin + 2 * HOUR, step) == found.count(begin, begin + 2 * HOUR, step)
    assert moved.count(NOON, NOON + HOUR, HOUR) == {NOON: 10}
    assert moved.count(NOON, NOON + HOUR, 15 * MINUTE) == {
        NOON: 1,
        NOON + 15 * MINUTE: 3,
        NOON + 30 * MINUTE: 3,
        NOON + 45 * MINUTE: 3,
    }


def test_starts_until_now_are_not_expected() -> None:
    [found] = count_due_minutes([a_definition("* * * * *")], "UTC", NOON, [NOON + 2 * HOUR])
    now = NOON + timedelta(minutes=16, seconds=20)
    counted = found.count(NOON, NOON + HOUR, 15 * MINUTE, now)
    assert counted == {NOON + 15 * MINUTE: 13, NOON + 30 * MINUTE: 15, NOON + 45 * MINUTE: 15}
    assert next(iter(found.count(NOON, NOON + HOUR, MINUTE, now))) == NOON + 17 * MINUTE


def test_starts_of_a_configuration_are_computed_in_a_process_of_their_own(tmp_path: Path) -> None:
    config = tmp_path / "rae.toml"
    config.write_text(
        f'state = "{tmp_path}/state"\ntimezone = "UTC"\n[jobs.a]\ncommand = ["true"]\nschedule = "0 6 * * *"\n'
        '[jobs.b]\ncommand = ["true"]\nschedule = "0 7 * * *"\n'
        'guards = [{ type = "calendar", dates = ["2026-12-24"] }]\n'
    )
    config.chmod(0o600)

    six = NOON + 18 * HOUR

    async def read():
        starts = ExpectedStarts("UTC", lambda: NOON, {"config": str(config)})
        first = await starts.count(NOON, NOON + 2 * DAY, HOUR)
        assert first.is_pending
        while (found := await starts.count(NOON, NOON + 2 * DAY, HOUR)).is_pending:  # noqa: ASYNC110 - another process computes
            await asyncio.sleep(0.05)
        notes, jobs = starts.day_notes(NOON, NOON + 30 * DAY), starts.due_jobs([six, six + HOUR / 2])
        await starts.close()
        return dict(found.counts), jobs, notes

    counts, jobs, notes = asyncio.run(asyncio.wait_for(read(), 60))
    assert jobs == {six: ("a",)}
    assert counts == {six: 1, six + HOUR: 1, six + DAY: 1, six + DAY + HOUR: 1}
    assert list(notes) == [date(2026, 12, 24)]
    [note] = notes[date(2026, 12, 24)]
    assert note.startswith('"b" can\'t start all day; at noon it is Thu 2026-12-24 12:00 ')
