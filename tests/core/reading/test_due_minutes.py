"""Starts to come are counted step by step, as far as they were computed."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rae_auto import Job
from rae_auto.model import documents
from rae_auto.reading.due_counts import DueCounts
from rae_auto.reading.due_minutes import count_due_minutes, find_day_notes
from rae_auto.reading.expected_starts import ExpectedStarts

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
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


def test_guards_of_each_weekend_are_not_reported() -> None:
    weekday = a_definition("0 * * * *", guards=[{"type": "weekday", "days": ["mon", "tue", "wed", "thu", "fri"]}])
    assert find_day_notes([weekday], "UTC", NOON) == {}


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

    async def read() -> tuple[dict[datetime, int], dict[date, list[str]]]:
        starts = ExpectedStarts("UTC", lambda: NOON, {"config": str(config)})
        first = await starts.count(NOON, NOON + 2 * DAY, HOUR)
        assert first.is_pending
        while (found := await starts.count(NOON, NOON + 2 * DAY, HOUR)).is_pending:  # noqa: ASYNC110 - another process computes
            await asyncio.sleep(0.05)
        notes = starts.day_notes(NOON, NOON + 30 * DAY)
        await starts.close()
        return dict(found.counts), notes

    counts, notes = asyncio.run(asyncio.wait_for(read(), 60))
    six = NOON + 18 * HOUR
    assert counts == {six: 1, six + HOUR: 1, six + DAY: 1, six + DAY + HOUR: 1}
    assert list(notes) == [date(2026, 12, 24)]
    [note] = notes[date(2026, 12, 24)]
    assert note.startswith('"b" can\'t start all day; at noon it is Thu 2026-12-24 12:00 ')
