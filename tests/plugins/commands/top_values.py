"""A world of fixed values for the terminal view: what the screens of a daemon would be at one instant."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rae_auto.screens import (
    Action,
    Attention,
    Extent,
    JobHistory,
    JobList,
    JobRow,
    OccurrenceMark,
    Overview,
    Strip,
    StripCell,
    UpcomingStart,
    UsualDuration,
    WaitingRow,
)
from rae_auto.testing.commands import FakeClient, FakeContext
from rae_auto.views.screens.overview import DaemonSummary, JobCounts
from rae_auto.views.screens.parts.record_source import JobsFound

NOW = datetime(2026, 11, 28, 20, 30, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")


def make_row(number: int, name: str, states: str = "gggggggggg", **fields: Any) -> JobRow:
    """Return a row; `states` has a letter for each of the last occurrences, as in "gggbs"."""
    words = {"g": "succeeded", "b": "failed", "s": "skipped", "r": "running"}
    marks = tuple(
        OccurrenceMark(
            due_at=NOW - timedelta(hours=len(states) - place),
            state=words[letter],
            run_id=None if letter == "s" else f"run-{number}-{place}",
            reason=None,
            text="",
            decided_at=NOW - timedelta(hours=len(states) - place),
        )
        for place, letter in enumerate(states)
    )
    usual = UsualDuration(timedelta(seconds=2 + number), timedelta(seconds=4 + number), 30) if "g" in states else None
    given: dict[str, Any] = {
        "activity": "idle",
        "last_state": words[states[-1]] if states else None,
        "last_ended_at": NOW - timedelta(minutes=7 * number + 3) if states else None,
        "next_at": NOW + timedelta(minutes=11 * number + 5),
        "schedule": "cron 0 3 * * *",
        "failures": 0,
        "is_overdue": False,
        "is_too_long": False,
        "pause_note": "",
        "open_runs": (),
        "took": timedelta(seconds=2 + number) if states else None,
    }
    return JobRow(job=name, **({"history": JobHistory(usual=usual, marks=marks)} | given | fields))


ROWS = (
    make_row(0, "backup-home"),
    make_row(1, "index-mail", "gggsssgggg"),
    make_row(2, "photos", "ggggggggbb", failures=2),
    make_row(3, "report", "ggggggggg", activity="paused", pause_note="on holiday"),
    make_row(
        4,
        "transcode",
        "gggggggggr",
        activity="running",
        running_since=NOW - timedelta(minutes=3),
        open_runs=("run-4-9",),
        last_state="succeeded",
        next_at=None,
    ),
    make_row(5, "weekly-digest", ""),
)


def make_overview(ok: bool = False) -> Overview:
    """Return an overview in which a job failed, or all is well."""
    why = "photos failed, 2 times in a row: exit code 3"
    failed = Attention(
        kind="failed",
        job="photos",
        run_id="run-2-9",
        since=NOW,
        why=why,
        action=Action("run", "photos", "run again", "rae-auto trigger photos"),
    )
    cells = tuple(
        StripCell(
            start=NOW + timedelta(minutes=15 * (number - 96)),
            is_future=number > 96,
            good=number % 4 if number <= 96 else 0,
            bad=1 if number in (40, 41) else 0,
            expected=number % 3 if number > 96 else 0,
        )
        for number in range(192)
    )
    day = timedelta(hours=24)
    return Overview(
        now=NOW,
        zone=ZONE.key,
        ok=ok,
        verdict='All is well: 6 jobs, next "backup-home" in 5 min'
        if ok
        else '1 job failed last time: "photos" (6 jobs)',
        verdict_start_at=NOW + timedelta(minutes=5) if ok else None,
        daemon=DaemonSummary(
            pid=4711,
            version="0.1.0",
            state="running",
            started_at=NOW,
            config="/home/ann/rae.toml",
            state_directory="/home/ann/.local/state/rae-auto",
            enabled=True,
            disabled_by=None,
        ),
        counts=JobCounts(jobs=6, running=1, waiting=1, paused=1, disabled=0, failed=1, overdue=0),
        attention=() if ok else (failed,),
        attention_extent=Extent(0, 0) if ok else Extent(1, 1),
        running=(),
        running_extent=Extent(0, 0),
        waiting=(
            WaitingRow(
                run_id="w",
                job="index-mail",
                state="queued",
                queued_at=NOW,
                waiting_since=NOW,
                waiting_for="photos is running",
            ),
        ),
        waiting_extent=Extent(1, 1),
        upcoming=(UpcomingStart("backup-home", NOW + timedelta(minutes=5), NOW + timedelta(minutes=5)),),
        strip=Strip(
            since=NOW - day,
            now=NOW,
            until=NOW + day,
            step=timedelta(minutes=15),
            cells=cells,
            expected_until=NOW + day,
        ),
    )


class FixedRecords:
    """The source of an app whose screens are fixed values."""

    has_daemon = True
    zone = ZONE

    def __init__(self, world: "FixedWorld") -> None:
        self._world = world

    def now(self) -> datetime:
        return NOW

    async def jobs(self, text: str = "", *, offset: int = 0, limit: int = 50) -> JobsFound:
        found = [{"id": row.job} for row in self._world.rows if text in row.job]
        return JobsFound(found[offset : offset + limit], len(found), len(self._world.rows))


class FixedWorld:
    """Jobs and an overview in the place of a daemon's; `rows` and `overview` may be changed."""

    def __init__(self, rows: tuple[JobRow, ...] = ROWS) -> None:
        self.rows = rows
        self.overview = make_overview()
        self.events: list[Mapping[str, Any]] = []
        self.client = FakeClient({"trigger": {"run_id": "run-9"}, "cancel": {"cancelled": ["run-4-9"]}, "pause": {}})
        self.most_rows_read = 0

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Have the app read this world."""
        app = "rae_plugins.commands.top.reading"
        patch.setattr(f"{app}.open_records", self._open)
        patch.setattr(f"{app}.load_overview", self._load_overview)
        patch.setattr(f"{app}.load_job_list", self._load_job_list)
        patch.setattr(f"{app}.load_pane", self._load_pane)
        patch.setattr(f"{app}.follow_daemon", self._follow)

    def context(self, directory: Any) -> FakeContext:
        return FakeContext(directory, self.client)

    @asynccontextmanager
    async def _open(self, _: object = None) -> AsyncIterator[FixedRecords]:
        yield FixedRecords(self)

    async def _load_overview(self, _: object) -> Overview:
        return self.overview

    async def _load_job_list(
        self, _: object, text: str = "", *, offset: int = 0, limit: int = 50, known: object = None
    ) -> JobList:
        found = [row for row in self.rows if text in row.job]
        shown = tuple(found[offset : offset + limit])
        self.most_rows_read = max(self.most_rows_read, len(shown))
        extent = Extent(len(shown), len(found))
        return JobList(now=NOW, zone=ZONE.key, text=text, offset=offset, rows=shown, extent=extent)

    async def _load_pane(self, name: str, _: object, place: Any) -> Any:
        from rae_plugins.commands.top.styled_lines import Part, line

        job = place.row.job if place.row else "nothing"
        said = [] if job != "photos" else ["connecting to nas.lan", "error: nas.lan does not answer", "gave up"]
        return [line(Part(f"{name} of {job}", "muted")), *map(line, said)]

    async def _follow(self, _: object) -> AsyncIterator[Mapping[str, Any]]:
        for event in self.events:
            yield event
