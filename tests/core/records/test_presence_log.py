"""The presence log knows downtimes, sleep and steps of the clock."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.log_lines import captured_log
from tests.support.waiting import eventually

from rae_auto.daemon import presence
from rae_auto.daemon.presence import note_while_running
from rae_auto.model.primitives.instants import Moment
from rae_auto.records.presence_log import (
    LOG_NAME,
    MAX_SPANS,
    find_changes,
    find_downtime,
    is_compared,
    note_end,
    note_presence,
    note_record,
    note_reload,
    note_start,
    read_presence,
)

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def kinds(directory: Path, since: datetime = NOON - DAY, until: datetime = NOON + DAY) -> list[str]:
    return [span.kind for span in read_presence(directory, since, until)]


def test_downtime_is_from_the_last_note_to_the_next_start(tmp_path: Path) -> None:
    note_start(tmp_path, NOON)
    note_presence(tmp_path, NOON + HOUR)
    note_start(tmp_path, NOON + 3 * HOUR)
    (span,) = read_presence(tmp_path, NOON, NOON + DAY)
    assert (span.kind, span.since, span.until) == ("down", NOON + HOUR, NOON + 3 * HOUR)
    assert span.text == "no daemon ran for at most 2 h"


def test_a_saved_configuration_is_compared_by_the_reload_that_takes_it(tmp_path: Path) -> None:
    note_start(tmp_path, NOON)
    note_reload(tmp_path, NOON + HOUR)
    assert not is_compared(tmp_path, NOON + 2 * HOUR)  # refused, or not read yet
    note_presence(tmp_path, NOON + 3 * HOUR)
    note_start(tmp_path, NOON + 5 * HOUR)
    note_reload(tmp_path, NOON + 7 * HOUR)
    answers = [is_compared(tmp_path, NOON + HOUR * hours) for hours in (0.5, 1, 2, 4, 6, 8)]
    assert answers == [True, True, False, False, True, False]
    assert kinds(tmp_path) == ["down"]


@pytest.mark.parametrize(
    ("by", "boot", "cause"),
    [
        (None, "first", "killed"),
        (None, "second", "power_lost"),
        ("command", "first", "stopped"),
        ("command", "second", "stopped"),
        ("signal", "first", "stopped"),
        ("signal", "second", "shut_down"),
        (None, "", "unknown"),
        ("signal", "", "stopped"),
    ],
)
def test_notes_have_the_cause_of_a_downtime(tmp_path: Path, by: str | None, boot: str, cause: str) -> None:
    note_start(tmp_path, NOON, "first")
    if by is not None:
        note_end(tmp_path, NOON + HOUR, "first", by=by)
    found = find_downtime(tmp_path, NOON + 3 * HOUR, boot)
    assert found is not None and found.cause == cause
    note_start(tmp_path, NOON + 3 * HOUR, boot)
    (span,) = read_presence(tmp_path, NOON, NOON + DAY)
    assert span.cause == cause
    # The file's time is the last note of a daemon that could not note its end, which came up to a minute later.
    assert ("at most" in span.text) == (by is None)
    text = found.describe(lambda at: f"{at:%H:%M}")
    since = "13:00" if by else "12:00"
    assert (f"at most 3 h (last seen at {since}, back at 15:00)" in text) == (by is None)
    assert (f"for 2 h (from {since} to 15:00)" in text) == (by is not None)


def test_nothing_is_known_of_a_downtime_before_the_first_start(tmp_path: Path) -> None:
    assert find_downtime(tmp_path, NOON) is None
    note_start(tmp_path, NOON + HOUR)
    assert find_downtime(tmp_path, NOON) is None, "the clock was set back meanwhile"


def test_record_that_is_newer_than_the_last_note_ends_the_presence(tmp_path: Path) -> None:
    note_start(tmp_path, NOON)
    now, newest = NOON + 3 * HOUR, NOON + HOUR
    found = find_downtime(tmp_path, now, newest_record=newest)
    assert found is not None and found.since == newest
    for other in (NOON - HOUR, now + HOUR):
        found = find_downtime(tmp_path, now, newest_record=other)
        assert found is not None and found.since == NOON, "an older one, or one of a clock that was set back since"
    note_record(tmp_path, newest, now)
    note_record(tmp_path, NOON, now)
    note_start(tmp_path, now)
    assert [span.since for span in read_presence(tmp_path, NOON, NOON + DAY)] == [newest]


def test_restart_at_once_is_no_downtime(tmp_path: Path) -> None:
    note_start(tmp_path, NOON)
    note_start(tmp_path, NOON + timedelta(seconds=2))
    assert kinds(tmp_path) == []


def test_sleep_and_steps_are_distinguished() -> None:
    last = Moment(NOON, 100.0, 0.0)
    asleep = Moment(NOON + HOUR, 160.0, 3540.0)
    assert [span.kind for span in find_changes(last, asleep)] == ["suspended"]
    forward = Moment(NOON + HOUR, 160.0, 0.0)
    assert [span.kind for span in find_changes(last, forward)] == ["clock_forward"]
    (back,) = find_changes(last, Moment(NOON - HOUR, 160.0, 0.0))
    assert (back.kind, back.text) == ("clock_back", "the clock was set back by 1 h 1 min")
    assert list(find_changes(last, Moment(NOON + timedelta(seconds=60), 160.0, 0.0))) == []


def test_damaged_lines_cost_themselves_alone(tmp_path: Path) -> None:
    note_start(tmp_path, NOON)
    note_presence(tmp_path, NOON, list(find_changes(Moment(NOON, 0.0), Moment(NOON + HOUR, 0.0))))
    with (tmp_path / LOG_NAME).open("ab") as file:
        file.write(b'{"kind": "down", "si')
    assert kinds(tmp_path) == ["clock_forward"]


def test_log_keeps_the_newest_spans(tmp_path: Path) -> None:
    spans = list(find_changes(Moment(NOON, 0.0), Moment(NOON + HOUR, 0.0))) * (MAX_SPANS + 5)
    note_presence(tmp_path, NOON, spans)
    note_start(tmp_path, NOON)
    assert len(kinds(tmp_path)) == MAX_SPANS


def test_daemon_notes_its_presence_until_it_ends(tmp_path: Path) -> None:
    async def run() -> None:
        async with note_while_running(tmp_path):
            await asyncio.to_thread(eventually, (tmp_path / LOG_NAME).exists)
            os.utime(tmp_path / LOG_NAME, (0, 0))

    asyncio.run(run())
    assert (tmp_path / LOG_NAME).stat().st_mtime > 0
    assert (tmp_path / LOG_NAME).stat().st_mode & 0o077 == 0


def test_daemon_notes_its_presence_again_once_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full for a while costs the notes of that time, and not all of the daemon's life."""
    places = {"start": presence.note_start, "presence": presence.note_presence}
    failures, notes = {"start": 2, "presence": 1}, []
    loop: Any = None
    done: Any = None

    def note(place: str, *arguments: Any) -> None:
        if failures[place]:
            failures[place] -= 1
            raise OSError(28, "No space left on device")
        places[place](*arguments)
        notes.append(place)
        if notes[-2:] == ["presence", "presence"]:
            loop.call_soon_threadsafe(done.set)

    async def run() -> None:
        nonlocal loop, done
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        async with note_while_running(tmp_path, period=0.0):
            async with asyncio.timeout(60):
                await done.wait()

    for place in places:
        monkeypatch.setattr(presence, f"note_{place}", partial(note, place))
    with captured_log() as lines:
        asyncio.run(run())
    assert notes[0] == "start" and "start" not in notes[1:]
    assert sum("can't be written (No space left on device)" in line for line in lines) == 2
