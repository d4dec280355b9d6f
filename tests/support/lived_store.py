"""A store with days of a life in it: what succeeded, failed, was skipped, is overdue, runs and waits.

The real engine lives the days in virtual time, and its changes are committed to SQLite as those of a daemon are. So
every record has the same ids and instants each time.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from rae_auto.engine.effects import Change
from rae_auto.model.run import Result, TreeEnd
from rae_auto.offline.project import Project
from rae_auto.paths import output_path
from rae_auto.reading.record_source_base import RecordSourceBase
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.runtime.repository import encode
from rae_auto.runtime.time.clock import SystemClock
from rae_auto.simulation.virtual_engine import VirtualWorld
from rae_auto.simulation.virtual_store import ValueStore
from rae_plugins.stores.sqlite import SqliteStore

CONFIG = """
timezone = "Europe/Berlin"
max_parallel = 4

[history]
keep = "36500d"
keep_failures = "36500d"

[resources]
db = 1

[jobs.backup]
command = ["restic", "backup"]
schedule = "0 3 * * *"
expect = { every = "1d", grace = "2h" }

[jobs.fetch-mail]
command = ["fetchmail"]
schedule = "*/10 * * * *"

[jobs.index]
command = ["index"]
schedule = "*/15 * * * *"
resources = ["db"]

[jobs.nightly-report]
command = ["report", "--all"]
schedule = "30 6 * * 1-5"
retry = { attempts = 2, delay = "5m" }

[jobs.old-import]
command = ["import"]
schedule = "0 * * * *"

[jobs.vacuum]
command = ["vacuum"]
schedule = "0 2 * * *"
resources = ["db"]

[jobs.by-hand]
command = ["true"]
"""
START = datetime(2026, 3, 23, 0, 0, tzinfo=UTC)
DAYS = 3
KILLED = Result(
    signal=9, error="killed", tree=TreeEnd(timedelta(seconds=1), timedelta(seconds=6), timedelta(seconds=1))
)


class _KeptStore(ValueStore):
    """Values in memory, which a store on disk keeps, too."""

    def __init__(self, store: SqliteStore) -> None:
        super().__init__()
        self._store = store

    def commit(self, changes: Sequence[Change]) -> None:
        super().commit(changes)
        self._store.commit(list(encode(changes)))


def live(home: Path) -> tuple[Path, datetime]:
    """Live some days with the configuration; return its file, and the instant at which the days are over."""
    config = home / "rae.toml"
    config.write_text(CONFIG.replace("max_parallel", f'state = "{home}/state"\nmax_parallel', 1))
    config.chmod(0o600)
    plan = Project.load(config).plan()
    store = SqliteStore()
    store.open(claim_state_directory(home / "state"))
    world = VirtualWorld(*plan.plans, settings=plan.settings, start=START, store=_KeptStore(store))
    world.pause("old-import", note="the old server is gone")
    lengths = {"backup": 14, "fetch-mail": 1, "index": 4, "nightly-report": 6, "vacuum": 50, "by-hand": 1}
    ends: dict[Any, datetime] = {}
    until = START + timedelta(days=DAYS, hours=11, minutes=33)
    while world.now.wall < until:
        for run, start in list(world.active_starts.items()):
            if run not in ends:
                world.confirm(run)
                ends[run] = world.now.wall + timedelta(minutes=_length(start.run.job, world.now.wall, lengths))
            elif ends[run] <= world.now.wall:
                world.end(run, _result(start.run.job, world.now.wall))
        world.advance(timedelta(minutes=1))
    for run, start in world.active_starts.items():
        output = output_path(home / "state", start.run.job, run, start.run.attempt)
        output.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        output.write_text(f"{start.run.job}: at work\n")
    store.close()
    return config, world.now.wall


def _length(job: str, now: datetime, lengths: dict[str, int]) -> int:
    is_last_day = now >= START + timedelta(days=DAYS)
    # The last index of all takes so long that its next ones are skipped.
    return 600 if job == "index" and is_last_day and now.hour >= 10 else lengths.get(job, 1)


def _result(job: str, now: datetime) -> Result | None:
    day = (now - START).days
    if job == "backup" and day >= 2:
        return Result(exit_code=1, error=None)
    if job == "nightly-report" and day == DAYS:
        return KILLED
    return Result(exit_code=2) if job == "fetch-mail" and (now.hour, now.minute) == (4, 11) else None


def stop_clocks(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """Have everything that reads a store see this time, for ever."""
    monkeypatch.setattr(RecordSourceBase, "now", lambda _: now)
    real = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda self: evolve(real(self), wall=now))
