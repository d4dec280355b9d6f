"""The calendar trigger: starts and ends of events, with an offset, and what runs are told of them."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rae_auto import Job, Scheduler, TriggerRef
from rae_auto.cli.entry import run
from rae_auto.config.loading import load
from rae_auto.config.schema import plugin_schemas
from rae_auto.registry import Registry
from rae_auto.testing.triggers import ScheduleConformance
from rae_plugins.triggers.calendar import CalendarTrigger

BERLIN = ZoneInfo("Europe/Berlin")
BINS = """\
BEGIN:VCALENDAR
BEGIN:VEVENT
UID:1
SUMMARY:Paper bin
DESCRIPTION:Blue\\, by seven
LOCATION:Street
DTSTART;VALUE=DATE:20260107
RRULE:FREQ=WEEKLY;INTERVAL=2
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Rest
DTSTART;VALUE=DATE:20260107
RRULE:FREQ=WEEKLY;COUNT=3
END:VEVENT
BEGIN:VEVENT
UID:3
SUMMARY:Meeting
DTSTART;TZID=Europe/Berlin:20260108T100000
DTEND;TZID=Europe/Berlin:20260108T113000
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
def bins(tmp_path: Path) -> Path:
    path = tmp_path / "bins.ics"
    path.write_text(BINS)
    return path


def starts(trigger: CalendarTrigger, count: int = 4, after: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> list[str]:
    """Return the next starts, by the clock of Berlin."""
    found: list[str] = []
    at: datetime | None = after
    while len(found) < count and (at := trigger.next_after(at)) is not None:
        found.append(at.astimezone(BERLIN).strftime("%m-%d %H:%M"))
    return found


def make(**options: Any) -> CalendarTrigger:
    return CalendarTrigger(timezone="Europe/Berlin", **{k: str(v) if k == "file" else v for k, v in options.items()})


class TestCalendarConforms(ScheduleConformance):
    @pytest.fixture
    def plugin(self, bins: Path) -> CalendarTrigger:
        return make(file=bins, dates=["2020-02-29", "2098-01-01"], offset="-6h")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["01-07 00:00", "01-08 10:00", "01-14 00:00", "01-21 00:00"]),
        ({"on": "end"}, ["01-08 00:00", "01-08 11:30", "01-15 00:00", "01-22 00:00"]),
        ({"offset": "-6h"}, ["01-06 18:00", "01-08 04:00", "01-13 18:00", "01-20 18:00"]),
        ({"offset": "-6h", "match": "paper*"}, ["01-06 18:00", "01-20 18:00", "02-03 18:00", "02-17 18:00"]),
        ({"on": "end", "offset": "30m", "match": "MEETING"}, ["01-08 12:00"]),
        ({"match": "nothing"}, []),
    ],
)
def test_calendar_fires_at_the_edges_of_events(bins: Path, options: dict[str, Any], expected: list[str]) -> None:
    assert starts(make(file=bins, **options)) == expected


def test_calendar_offset_goes_by_the_clock() -> None:
    trigger = make(dates=["2026-03-30", "2026-10-26"], offset="-1d")
    assert starts(trigger) == ["03-29 00:00", "10-25 00:00"]
    trigger = make(dates=["2026-03-30"], offset="-22h")
    # The hour from two to three doesn't exist that night.
    assert starts(trigger) == ["03-29 03:00"]


def test_calendar_fires_of_entries_and_long_offsets() -> None:
    trigger = make(dates=["2026-01-02..2027-01-03", "2026-06-01T10:00..2026-06-01T12:00"], on="end", offset="-400d")
    assert starts(trigger, after=datetime(2024, 1, 1, tzinfo=UTC)) == ["04-27 12:00", "11-30 00:00"]


def test_calendar_finds_a_distant_event_and_the_end() -> None:
    assert starts(make(dates=["2050-01-01"]), after=datetime(2026, 1, 1, tzinfo=UTC)) == ["01-01 00:00"]
    assert make(dates=["2026-01-01"]).next_after(datetime(2026, 1, 2, tzinfo=UTC)) is None


def test_calendar_finds_its_first_event_from_any_instant_before(tmp_path: Path) -> None:
    path = tmp_path / "one.ics"
    event = "BEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:{}\nEND:VEVENT\n"
    for day in ("20261111", "20991111"):
        path.write_text(f"BEGIN:VCALENDAR\n{event.format(day)}END:VCALENDAR\n")
        trigger = make(file=str(path), offset="-6h")
        first = datetime(int(day[:4]), 11, 10, 17, tzinfo=UTC)
        for year in (1, 1970, 2026):
            assert trigger.next_after(datetime(year, 1, 2, tzinfo=UTC)) == first
        assert trigger.next_after(first) is None


@pytest.mark.parametrize("command", [["check"], ["next", "bins"]])
def test_calendar_of_past_events_has_no_more_starts(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "over.ics").write_text(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20251111\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    config = tmp_path / "rae.toml"
    config.write_text('[jobs.bins]\ncommand = ["true"]\ntrigger = { type = "calendar", file = "over.ics" }\n')
    config.chmod(0o600)
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    run([*command, "--config", str(config)])
    said = "".join(capsys.readouterr())
    assert "all its times are in the past" in said or "no time left" in said
    assert "by hand only" not in said


def test_calendar_event_has_the_texts(bins: Path) -> None:
    trigger = make(file=bins, offset="-6h")
    at = datetime(2026, 1, 6, 17, tzinfo=UTC)
    event = trigger.event_at(at)
    assert event is not None
    assert event["summary"] == "Paper bin"
    assert event["events"][0] == {
        "summary": "Paper bin",
        "description": "Blue, by seven",
        "location": "Street",
        "uid": "1",
        "start": "2026-01-07T00:00:00+01:00",
        "end": "2026-01-08T00:00:00+01:00",
        "all_day": True,
    }
    assert [one["summary"] for one in event["events"]] == ["Paper bin", "Rest"]
    assert trigger.note(at) == 'for "Paper bin", "Rest"'
    assert (trigger.event_at(at + timedelta(hours=1)), trigger.note(at + timedelta(hours=1))) == (None, None)
    assert trigger.summary() == "calendar bins.ics start -6h"


def test_calendar_with_a_changed_file_keeps_its_cursor(bins: Path) -> None:
    before = make(file=bins)
    bins.write_text(BINS.replace("Paper", "Blue"))
    after = make(file=bins)
    assert before != after
    assert repr(before) == repr(after)
    assert list(after.read_files()) == [str(bins)]


def test_calendar_warns_of_a_match_without_an_event(bins: Path) -> None:
    (warning,) = make(file=bins, match="glass").warnings()
    assert warning == 'match: no event has a summary like "glass"; correct it'
    with pytest.raises(ValueError, match='must be "start" or "end"'):
        make(dates=["2026-01-01"], on="middle")


def test_run_of_a_calendar_gets_the_event(tmp_path: Path) -> None:
    def write_calendar(begin: datetime) -> None:
        text = BINS.replace("DTSTART;TZID=Europe/Berlin:20260108T100000", f"DTSTART:{begin:%Y%m%dT%H%M%SZ}")
        (tmp_path / "c.ics").write_text(text.replace("DTEND;TZID=Europe/Berlin:20260108T113000", "DURATION:PT1H"))

    async def main() -> dict[str, Any]:
        async with asyncio.timeout(60), Scheduler(directory=tmp_path / "state") as scheduler:
            # Not before the scheduler runs, which takes long on a slow machine: a start before that is none.
            write_calendar(datetime.now(UTC) + timedelta(seconds=3))
            ref = TriggerRef("calendar", {"file": str(tmp_path / "c.ics"), "match": "Meeting"})
            await scheduler.add_job(Job(id="a", shell='echo "$RAE_EVENT"', schedule=[ref]))
            while not (runs := await scheduler.history("a")) or not runs[0].state.final:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            output = tmp_path / "state" / "output" / "a" / f"{runs[0].id}.1.log"
            return json.loads(output.read_text())  # type: ignore[no-any-return]

    assert asyncio.run(main())["events"][0]["summary"] == "Meeting"


def test_calendar_offset_is_read_from_a_configuration(bins: Path, tmp_path: Path) -> None:
    table = f'{{ type = "calendar", file = "{bins}", offset = "-1d6h", match = "paper*" }}'
    (tmp_path / "rae.toml").write_text(f'[jobs.a]\ncommand = ["true"]\ntrigger = {table}\n')
    (tmp_path / "rae.toml").chmod(0o600)
    config = load(tmp_path / "rae.toml", Registry())
    assert config.jobs[0].schedule[0].options["offset"] == "-1d6h"
    offset = plugin_schemas(CalendarTrigger)[0]["properties"]["offset"]
    assert re.fullmatch(offset["pattern"], "-1d6h")
