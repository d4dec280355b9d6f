"""Job stores that APScheduler 3 made itself, as jobs; and pickles that were made to do harm."""

import contextlib
import os
import pickle
import re
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("apscheduler.schedulers.background", exc_type=ImportError)

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from rae_auto.errors import BadRequest
from rae_auto.toolkit.extras import install_command
from rae_plugins.commands.importing.imported import Import, ImportedJob
from rae_plugins.commands.importing.proofs.comparison import prove_job
from rae_plugins.commands.importing.readers.apscheduler_stores.pickled_values import StandIn, read_pickle
from rae_plugins.commands.importing.readers.apscheduler_stores.stored_jobs import mask_password, read_job_stores

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/New_York"]


def work(*args: Any, **kwargs: Any) -> None:
    """The function of all jobs here."""


class Worker:
    """A class whose method is a job."""

    def work(self) -> None:
        """Do nothing."""


def store(path: Path, fill: Callable[[BackgroundScheduler], None], zone: str = "Europe/Berlin") -> Import:
    address = f"sqlite:///{path}"
    jobs = SQLAlchemyJobStore(address)
    scheduler = BackgroundScheduler(jobstores={"default": jobs}, timezone=zone)
    scheduler.start(paused=True)
    fill(scheduler)
    scheduler.shutdown()
    # Its thread may connect once more after the store was shut down.
    jobs.engine.dispose()
    return read_job_stores([address], NOW)


def job_of(folder: Path, *arguments: Any, **options: Any) -> ImportedJob:
    zone = options.pop("zone", "Europe/Berlin")
    found = store(folder / "jobs.db", lambda one: one.add_job(work, *arguments, id="a", **options), zone)
    assert not found.left_out, found.left_out
    return found.jobs[0]


def reason_of(folder: Path, *arguments: Any, **options: Any) -> str:
    found = store(folder / "jobs.db", lambda one: one.add_job(work, *arguments, id="a", **options))
    return found.left_out[0].remark


CRON: list[tuple[dict[str, Any], str]] = [
    ({"hour": 18, "day_of_week": "mon-fri"}, "0 18 * * mon-fri"),
    ({"hour": "*/3"}, "0 */3 * * *"),
    ({"minute": "5-50/15"}, "5-50/15 * * * *"),
    ({"second": "*/20"}, "*/20 * * * * *"),
    ({"day": "last", "hour": 3}, "0 3 L * *"),
    ({"day": "3rd fri,last sun", "hour": 3}, "0 3 * * fri#3,0L"),
    ({"day": "last,1st fri", "hour": 3}, "0 3 L * fri#1"),
    ({"day_of_week": "0", "hour": 9}, "0 9 * * mon"),
    ({"day_of_week": "*/2", "hour": 9}, "0 9 * * mon,wed,fri,sun"),
    ({"day_of_week": "2-4", "hour": 9}, "0 9 * * wed,thu,fri"),
    ({"month": "jan-mar,12", "day": 15}, "0 0 15 jan-mar,12 *"),
    ({"year": 2027, "month": 5, "day": 1}, "0 0 0 1 5 * 2027"),
    ({"hour": 2, "minute": 30}, "30 2 * * *"),
    ({"minute": "*/15"}, "*/15 * * * *"),
    ({"hour": 0}, "0 0 * * *"),
]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("fields", "expression"), CRON)
def test_cron_trigger_starts_when_apscheduler_does(
    tmp_path: Path, fields: dict[str, Any], expression: str, zone: str
) -> None:
    job = job_of(tmp_path, "cron", zone=zone, **fields)
    assert job.table["trigger"] == {"type": "cron", "expression": expression, "timezone": zone}
    (proof,) = prove_job(job, NOW)
    assert proof.problem is None
    assert proof.compared >= 1
    # Where the clock skips or repeats an hour the two have rules of their own; nowhere else.
    assert all(": the clock is set " in line for line in proof.differences), proof.differences


@pytest.mark.parametrize("zone", ZONES)
def test_time_in_the_gap_is_the_only_difference_of_a_daily_job(tmp_path: Path, zone: str) -> None:
    (proof,) = prove_job(job_of(tmp_path, "cron", hour=2, minute=30, zone=zone), NOW)
    # Two springs, here at the end of the gap and by APScheduler half an hour later. In Berlin the time comes twice on
    # two days in autumn, and APScheduler starts it twice.
    assert len(proof.differences) == {"Europe/Berlin": 6, "America/New_York": 4}[zone]
    assert sum("set back" in line for line in proof.differences) == {"Europe/Berlin": 2, "America/New_York": 0}[zone]
    again = job_of(tmp_path, "cron", hour=4, zone=zone, replace_existing=True)
    assert not prove_job(again, NOW)[0].differences


@pytest.mark.parametrize("zone", ZONES)
def test_both_days_must_match_as_there(tmp_path: Path, zone: str) -> None:
    job = job_of(tmp_path, "cron", day="8-14", day_of_week="tue", hour=9, zone=zone)
    assert job.table["trigger"]["expression"] == "0 9 8-14 * *"
    assert job.table["guards"] == [{"type": "weekday", "days": ["tue"], "timezone": zone}]
    (proof,) = prove_job(job, NOW)
    assert (proof.problem, proof.differences) == (None, ())
    assert proof.compared >= 24


@pytest.mark.parametrize(
    ("options", "every"),
    [({"seconds": 90}, "1m30s"), ({"hours": 6}, "6h"), ({"days": 1}, "24h"), ({"weeks": 2}, "336h")],
)
def test_interval_is_elapsed_time_from_its_start(tmp_path: Path, options: dict[str, int], every: str) -> None:
    start = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
    job = job_of(tmp_path, "interval", start_date=start, jitter=30, **options)
    assert job.table["trigger"] == {
        "type": "interval",
        "every": every,
        "from": "2026-01-01T10:00:00+00:00",
        "jitter": "30s",
    }
    (proof,) = prove_job(job, NOW)
    assert (proof.problem, proof.differences) == (None, ())
    assert proof.compared >= 50


def test_calendar_interval_keeps_its_time_of_day(tmp_path: Path) -> None:
    trigger = CalendarIntervalTrigger(weeks=2, hour=9, start_date="2026-01-05", timezone="Europe/Berlin")
    job = job_of(tmp_path, trigger)
    assert job.table["trigger"] == {
        "type": "interval",
        "every": "14d",
        "from": "2026-01-05T09:00:00+01:00",
        "timezone": "Europe/Berlin",
    }
    (proof,) = prove_job(job, NOW)
    assert (proof.problem, proof.differences) == (None, ())


def test_date_is_once_and_one_that_is_past_is_by_hand(tmp_path: Path) -> None:
    job = job_of(tmp_path, "date", run_date="2099-01-01 12:00:00")
    assert job.table["trigger"] == {"type": "once", "at": "2099-01-01T12:00:00+01:00"}


def test_either_of_several_triggers_starts_it(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=2))
    trigger = OrTrigger([CronTrigger(hour=3, timezone=UTC), IntervalTrigger(hours=5, timezone=zone)], jitter=5)
    first, second = job_of(tmp_path, trigger).table["triggers"]
    assert (first["timezone"], first["jitter"], second["every"], second["jitter"]) == ("UTC", "5s", "5h", "5s")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"misfire_grace_time": 3600, "coalesce": False}, {"catch_up": "all", "catch_up_window": "1h"}),
        ({"misfire_grace_time": 3600}, {"catch_up_window": "1h"}),
        ({"misfire_grace_time": None}, {"catch_up": None, "catch_up_window": None}),
        ({"misfire_grace_time": 1}, {"catch_up": "none"}),
        ({"max_instances": 3}, {"overlap": "allow", "overlap_max": 3}),
        ({"max_instances": 1}, {"overlap": None}),
        ({"args": [1, "two", [3.5, True]], "kwargs": {"a": {"b": 1}}}, {"args": (1, "two", [3.5, True])}),
        ({"name": "My job"}, {"name": "My job"}),
        ({"next_run_time": None}, {"enabled": False}),
    ],
)
def test_option_of_a_job_has_its_equivalent(tmp_path: Path, options: Any, expected: dict[str, Any]) -> None:
    table = job_of(tmp_path, "cron", hour=3, **options).table
    assert {key: table.get(key) for key in expected} == expected


def test_arguments_that_json_can_not_say_disable_the_job(tmp_path: Path) -> None:
    for arguments in ([datetime(2026, 1, 1)], [None], [Worker()], [{1: 2}]):
        job = job_of(tmp_path, "cron", hour=3, args=arguments, replace_existing=True)
        assert job.table["enabled"] is False
        assert "which JSON can't say" in job.remarks[0]
    assert "an object of" in job_of(tmp_path, "cron", hour=3, args=[Worker()], replace_existing=True).remarks[0]


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (AndTrigger([CronTrigger(hour=3), CronTrigger(minute=0)]), "an AndTrigger"),
        (CronTrigger(week="*/2", hour=3), "no weeks of the year"),
        (CronTrigger(day="1st fri", day_of_week="mon"), "together with day_of_week"),
        (CalendarIntervalTrigger(months=1), "months or years"),
        (CronTrigger(hour=3, timezone=timezone(timedelta(minutes=330))), "a fixed offset of 5.5 hours"),
    ],
)
def test_trigger_without_an_equivalent_is_left_out(tmp_path: Path, trigger: Any, reason: str) -> None:
    assert reason in reason_of(tmp_path, trigger)


class Harmful:
    """An object whose pickle would run a command."""

    def __reduce__(self) -> Any:
        return os.system, ("touch /nowhere/harm; exit 1",)


def test_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    harmful = pickle.dumps({"args": (Harmful(),)})
    monkeypatch.setattr(os, "system", ran.append)
    found = read_pickle(harmful)
    assert isinstance(found["args"][0], StandIn)
    assert found["args"][0].class_name.endswith(".system")
    assert not ran
    job = job_of(tmp_path, "cron", hour=3, args=[1])
    database = sqlite3.connect(tmp_path / "jobs.db")
    with database:
        state = pickle.loads(database.execute("SELECT job_state FROM apscheduler_jobs").fetchone()[0])
        changed = pickle.dumps({**state, "args": [Harmful()]})
        database.execute("UPDATE apscheduler_jobs SET job_state = ?", (changed,))
    database.close()
    (again,) = read_job_stores([str(tmp_path / "jobs.db")], NOW).jobs
    assert (job.table["args"], again.table["enabled"]) == ((1,), False)
    assert not ran


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"cos\nsystem\n(S'touch x'\ntR.",
        b"cbuiltins\neval\n(S'1/0'\ntR.",
        b"Pevil\n.",
        b"\x80\x05\x95garbage",
        b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR.",
        pickle.dumps(5),
        pickle.dumps({"trigger": 1}),
    ],
)
def test_damaged_or_harmful_row_is_left_out(tmp_path: Path, content: bytes) -> None:
    database = sqlite3.connect(tmp_path / "jobs.db")
    with database:
        database.execute("CREATE TABLE mine (id VARCHAR, next_run_time FLOAT, job_state BLOB)")
        database.execute("INSERT INTO mine VALUES ('a', 1.0, ?)", (content,))
    database.close()
    found = read_job_stores([f"sqlite:///{tmp_path / 'jobs.db'}"], NOW)
    assert (len(found.jobs), len(found.left_out)) == (0, 1)


def test_importing_needs_no_module_of_the_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job_of(tmp_path, "cron", hour=3, args=[Worker()])
    for name in [name for name in sys.modules if name.partition(".")[0] in ("apscheduler", "sqlalchemy")]:
        monkeypatch.setitem(sys.modules, name, None)
    (job,) = read_job_stores([str(tmp_path / "jobs.db")], NOW).jobs
    assert prove_job(job, NOW)[0].problem == (
        "apscheduler is not installed; 'pip install apscheduler' lets the start times be compared"
    )
    with pytest.raises(BadRequest, match=re.escape(install_command("apscheduler"))):
        read_job_stores(["postgresql://u:p@127.0.0.1/x"], NOW)


def test_address_that_is_no_store_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="does not exist"):
        read_job_stores([f"sqlite:///{tmp_path}/none.db"], NOW)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(BadRequest, match="is not a database of SQLite"):
        read_job_stores([str(tmp_path / "text")], NOW)
    with contextlib.closing(sqlite3.connect(tmp_path / "empty.db")) as database, database:
        database.execute("CREATE TABLE x (y)")
    with pytest.raises(BadRequest, match="has no table of jobs"):
        read_job_stores([str(tmp_path / "empty.db")], NOW)
    with pytest.raises(BadRequest, match="name the address"):
        read_job_stores([], NOW)
    with pytest.raises(BadRequest, match="can't be read as a job store"):
        read_job_stores(["nonsense://u:secret@host/x"], NOW)
    assert mask_password("postgresql://ann:secret@db/x") == "postgresql://ann:…@db/x"


def test_store_is_read_through_sqlalchemy_as_well(tmp_path: Path) -> None:
    from rae_plugins.commands.importing.readers.apscheduler_stores.stored_jobs import _read_database

    job_of(tmp_path, "cron", hour=3)
    ((name, content),) = _read_database(f"sqlite:///{tmp_path / 'jobs.db'}")
    assert (name, isinstance(read_pickle(content)["trigger"], StandIn)) == ("a", True)
