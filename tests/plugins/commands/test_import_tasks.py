"""Tasks of Windows Task Scheduler as jobs: encodings, triggers, settings, actions, start times."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.errors import BadRequest
from rae_plugins.commands.importing.imported import Import, ImportedJob
from rae_plugins.commands.importing.proofs.comparison import prove_job
from rae_plugins.commands.importing.readers.scheduled_tasks import read_scheduled_tasks
from rae_plugins.commands.importing.readers.task_values import parse_period, split_arguments

FILES = Path(__file__).parent / "imported_files" / "task-scheduler"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
EXEC = "<Exec><Command>x.exe</Command></Exec>"
START = "<StartBoundary>2026-01-05T03:00:00</StartBoundary>"
DAILY = "<ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>"


def read(folder: Path, triggers: str = "", settings: str = "", actions: str = EXEC, begin: str = "") -> Import:
    path = folder / "task.xml"
    path.write_text(
        f'{begin}<Task xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"><Triggers>{triggers}</Triggers>'
        f"<Settings>{settings}</Settings><Actions>{actions}</Actions></Task>"
    )
    return read_scheduled_tasks([str(path)], NOW)


def job_of(folder: Path, triggers: str = "", settings: str = "", actions: str = EXEC) -> ImportedJob:
    (job,) = read(folder, triggers, settings, actions).jobs
    return job


def calendar(schedule: str, start: str = "2026-01-05T03:00:00", rest: str = "") -> str:
    return f"<CalendarTrigger>{rest}<StartBoundary>{start}</StartBoundary>{schedule}</CalendarTrigger>"


def repetition(interval: str, duration: str = "") -> str:
    span = f"<Duration>{duration}</Duration>" if duration else ""
    return f"<Repetition><Interval>{interval}</Interval>{span}</Repetition>"


@pytest.mark.parametrize("name", ["nightly-utf16", "weekly-utf8", "monthly-broken"])
def test_bytes_decide_on_the_encoding(name: str) -> None:
    found = read_scheduled_tasks([str(FILES / f"{name}.xml")], NOW)
    assert found.jobs[0].table["command"][:3] == ["C:\\Program Files\\Backup\\backup.exe", "--source", "D:\\My Data\\"]
    assert name != "weekly-utf8" or "Größe: Übersicht" in found.jobs[0].comments


@pytest.mark.parametrize("declared", ["UTF-8", "UTF-16", "windows-1252"])
@pytest.mark.parametrize("real", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_any_encoding_is_read_whatever_is_declared(tmp_path: Path, declared: str, real: str) -> None:
    text = (
        f'<?xml version="1.0" encoding="{declared}"?><Task><RegistrationInfo><Description>Größe</Description>'
        f"</RegistrationInfo><Actions>{EXEC}</Actions></Task>"
    )
    path = tmp_path / "x.xml"
    path.write_bytes(text.encode(real))
    (job,) = read_scheduled_tasks([str(path)], NOW).jobs
    assert job.comments == ("x", "Größe")


def test_several_documents_in_one_file_are_several_tasks() -> None:
    found = read_scheduled_tasks([str(FILES / "all.xml")], NOW)
    assert [job.id for job in found.jobs] == [
        "Poll", "Office-hours", "Every-third-day", "In-Tokyo", "Once", "Over", "Events",
    ]  # fmt: skip
    assert [left.remark for left in found.left_out] == ["Defrag: it calls an object of COM, which has no command line"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<!DOCTYPE lolz [<!ENTITY lol "lol">]><Task>&lol;</Task>', "defines a document type"),
        ('<!doctype x SYSTEM "file:///etc/passwd"><Task/>', "defines a document type"),
        ("<Task>&lol;</Task>", "is not valid XML"),
        ("<Task>", "is not valid XML"),
        ("<plist/>", "has no Task"),
        ("  ", "is empty"),
    ],
)
def test_file_of_another_kind_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(BadRequest, match=problem):
        read_scheduled_tasks([str(path)], NOW)


def _week(*days: str, every: int = 1) -> str:
    names = "".join(f"<{day}/>" for day in days)
    return f"<ScheduleByWeek><WeeksInterval>{every}</WeeksInterval><DaysOfWeek>{names}</DaysOfWeek></ScheduleByWeek>"


@pytest.mark.parametrize(
    ("schedule", "rest", "expressions"),
    [
        (DAILY, "", ["0 3 * * *"]),
        (DAILY, repetition("PT15M"), ["*/15 * * * *"]),
        (DAILY, repetition("PT1H", "PT8H"), ["0 3,4,5,6,7,8,9,10 * * *"]),
        (DAILY, repetition("PT90M", "P1D"), ["0 */3 * * *", "30 1-23/3 * * *"]),
        (_week("Monday", "Friday"), "", ["0 3 * * mon,fri"]),
        (
            "<ScheduleByMonth><DaysOfMonth><Day>1</Day><Day>Last</Day></DaysOfMonth><Months><May/></Months></ScheduleByMonth>",
            "",
            ["0 3 1,L 5 *"],
        ),
        (
            "<ScheduleByMonthDayOfWeek><Weeks><Week>1</Week><Week>Last</Week></Weeks><DaysOfWeek><Sunday/></DaysOfWeek>"
            "</ScheduleByMonthDayOfWeek>",
            "",
            ["0 3 * * sun#1,0L"],
        ),
    ],
)
def test_calendar_is_an_expression(tmp_path: Path, schedule: str, rest: str, expressions: list[str]) -> None:
    job = job_of(tmp_path, calendar(schedule, rest=rest))
    triggers = job.table.get("triggers") or [job.table["trigger"]]
    assert [one["expression"] for one in triggers] == expressions
    for proof in prove_job(job, NOW):
        assert (proof.problem, proof.differences) == (None, ())


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(
    "schedule", [DAILY, "<ScheduleByDay><DaysInterval>10</DaysInterval></ScheduleByDay>", _week("Sunday", every=3)]
)
def test_times_on_days_of_the_clock_change_differ_in_the_gap_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schedule: str, zone: str
) -> None:
    # At 02:30 the clock skips an hour in spring: the rule has 03:30 then, and rae-auto the end of the gap.
    monkeypatch.setenv("TZ", zone)
    job = job_of(tmp_path, calendar(schedule, "2026-01-04T02:30:00"))
    differences = [line for proof in prove_job(job, NOW) for line in proof.differences]
    assert all("the clock is set" in line for line in differences)
    assert len(differences) <= 4
    assert all(proof.compared >= 30 for proof in prove_job(job, NOW))


def test_every_second_week_counts_from_the_week_of_the_start(tmp_path: Path) -> None:
    # The start is a Thursday: the Tuesday of that week is past, so the next one is two weeks later.
    job = job_of(tmp_path, calendar(_week("Tuesday", "Saturday", every=2), "2026-01-08T22:15:00Z"))
    assert [trigger["from"] for trigger in job.table["triggers"]] == [
        "2026-01-20T22:15:00+00:00",
        "2026-01-10T22:15:00+00:00",
    ]


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("<BootTrigger><Delay>PT5M</Delay></BootTrigger>", {"type": "system", "on": ["boot"], "delay": "5m"}),
        ("<LogonTrigger><UserId>PC\\ann</UserId></LogonTrigger>", {"type": "system", "on": ["login"], "user": "ann"}),
        (
            "<SessionStateChangeTrigger><StateChange>SessionLock</StateChange></SessionStateChangeTrigger>",
            {"type": "system", "on": ["lock"]},
        ),
        (
            f"<TimeTrigger>{repetition('PT10M')}{START.replace('03:00:00', '03:00:00Z')}</TimeTrigger>",
            {"type": "interval", "every": "10m", "from": "2026-01-05T03:00:00+00:00"},
        ),
        (
            "<TimeTrigger><StartBoundary>2027-01-05T03:00:00+02:00</StartBoundary></TimeTrigger>",
            {"type": "once", "at": "2027-01-05T03:00:00+02:00"},
        ),
        (
            calendar(DAILY, "2026-01-05T03:00:00+02:00", "<RandomDelay>PT10M</RandomDelay>"),
            {"type": "cron", "expression": "0 3 * * *", "timezone": "Etc/GMT-2", "jitter": "10m"},
        ),
    ],
)
def test_trigger_has_its_equivalent(tmp_path: Path, trigger: str, expected: dict[str, Any]) -> None:
    found = dict(job_of(tmp_path, trigger).table["trigger"])
    if "at" in found:
        assert datetime.fromisoformat(found["at"]) == datetime.fromisoformat(str(expected["at"]))
        found["at"] = expected["at"]
    assert found == expected


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        ("<IdleTrigger/>", "idle guard"),
        ("<EventTrigger><Subscription>Path</Subscription></EventTrigger>", "EventTrigger (Path)"),
        ("<RegistrationTrigger/>", "when the task is registered"),
        (f"<TimeTrigger>{START}</TimeTrigger>", "that is over"),
        (f"<TimeTrigger><Enabled>false</Enabled>{START}</TimeTrigger>", "is disabled"),
        (calendar(DAILY, rest="<EndBoundary>2026-02-01T00:00:00</EndBoundary>"), "ended on 2026-02-01"),
        ("<MoonTrigger/>", "a MoonTrigger has no equivalent"),
    ],
)
def test_trigger_without_an_equivalent_is_a_remark(tmp_path: Path, trigger: str, words: str) -> None:
    job = job_of(tmp_path, trigger)
    assert job.table["trigger"] == {"type": "manual"}
    assert words in "\n".join(job.remarks)


def test_task_that_says_nothing_has_the_defaults_of_the_schema(tmp_path: Path) -> None:
    table = job_of(tmp_path).table
    assert {key: table[key] for key in ("timeout", "guards", "limits")} == {
        "timeout": "72h",
        "guards": [{"type": "power"}],
        "limits": {"nice": 10, "best_effort": True},
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("<MultipleInstancesPolicy>StopExisting</MultipleInstancesPolicy>", {"overlap": "replace"}),
        ("<StartWhenAvailable>true</StartWhenAvailable>", {"catch_up": "latest"}),
        ("<Enabled>false</Enabled>", {"enabled": False}),
        ("<Priority>10</Priority>", {"limits": {"nice": 19, "best_effort": True}}),
        ("<ExecutionTimeLimit>PT90M</ExecutionTimeLimit>", {"timeout": "1h30m"}),
        ("<WakeToRun>true</WakeToRun>", {"wake": True}),
        (
            "<RunOnlyIfIdle>true</RunOnlyIfIdle><RunOnlyIfNetworkAvailable>true</RunOnlyIfNetworkAvailable>",
            {"guards": [{"type": "power"}, {"type": "network"}, {"type": "idle", "for": "10m"}], "guard_timeout": "1h"},
        ),
        (
            "<RestartOnFailure><Interval>PT1M</Interval><Count>2</Count></RestartOnFailure>",
            {"retry": {"attempts": 3, "delay": "1m", "backoff": "constant", "max_delay": "1m", "jitter": 0}},
        ),
    ],
)
def test_setting_has_its_equivalent(tmp_path: Path, settings: str, expected: dict[str, Any]) -> None:
    table = job_of(tmp_path, settings=settings).table
    assert {key: table.get(key) for key in expected} == expected


def test_no_time_limit_is_none(tmp_path: Path) -> None:
    assert "timeout" not in job_of(tmp_path, settings="<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>").table


def test_further_actions_start_after_the_one_before(tmp_path: Path) -> None:
    first, second = read(
        tmp_path, actions=f"{EXEC}<Exec><Command>y.exe</Command><Arguments>a b</Arguments></Exec>"
    ).jobs
    assert (first.id, second.id, second.table["command"]) == ("task", "task-2", ["y.exe", "a", "b"])
    assert second.table["trigger"] == {"type": "job", "jobs": ["task"], "on": "any"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('a "b c" d', ["a", "b c", "d"]),
        (r'--dir "C:\x y\\" z', ["--dir", "C:\\x y\\", "z"]),
        (r'"a\"b" c\d', ['a"b', r"c\d"]),
        ('"" x', ["", "x"]),
        ('"a""b"', ['a"b']),
        ("", []),
    ],
)
def test_arguments_are_those_that_programs_of_windows_read(line: str, words: list[str]) -> None:
    assert split_arguments(line) == words


@given(st.lists(st.text(max_size=20)))
def test_arguments_that_python_quotes_for_windows_come_back(words: list[str]) -> None:
    from subprocess import list2cmdline

    plain = [word.replace("\0", "") for word in words]
    if all(character not in word for word in plain for character in "\n\r\v\f"):
        assert split_arguments(list2cmdline(plain)) == plain


def test_periods_are_read() -> None:
    assert [str(parse_period(text)) for text in ("PT15M", "P1DT2H", "PT0S", "")] == [
        "0:15:00", "1 day, 2:00:00", "0:00:00", "None",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="is not a duration"):
        parse_period("soon")
