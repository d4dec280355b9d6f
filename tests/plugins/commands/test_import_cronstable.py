"""Configurations of cronstable and yacron as jobs: all their keys, and start times as they have them."""

import re
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from crontab import CronTab

from rae_auto.errors import BadRequest
from rae_auto.toolkit.extras import install_command
from rae_plugins.commands.importing.day_rules import require_both_days
from rae_plugins.commands.importing.imported import Import, ImportedJob
from rae_plugins.commands.importing.proofs.comparison import prove_job
from rae_plugins.commands.importing.readers.cronstable_jobs import read_cronstable
from rae_plugins.commands.importing.readers.cronstable_schedules import read_schedule
from rae_plugins.commands.importing.toml_text import format_import

FILES = Path(__file__).parent / "imported_files" / "cronstable"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def read(folder: Path, text: str, kind: str = "cronstable") -> Import:
    path = folder / "jobs.yaml"
    path.write_text(text)
    return read_cronstable([str(path)], kind)


def job_of(folder: Path, keys: str, kind: str = "cronstable") -> ImportedJob:
    indented = "\n".join(f"    {line}" for line in keys.splitlines())
    (job,) = read(folder, f'jobs:\n  - name: a\n    command: x\n    schedule: "5 4 * * *"\n{indented}\n', kind).jobs
    return job


def test_defaults_of_included_files_come_before_those_of_the_file() -> None:
    found = {job.id: job.table for job in read_cronstable([str(FILES / "nightly.yaml")], "cronstable").jobs}
    assert found["backup"]["env"] == {"STAGE": "live", "LANG": "C", "DEBUG": "0"}
    assert (found["backup"]["kill_after"], found["report"]["kill_after"]) == ("5s", "1m")
    assert "shared" in found


def test_job_that_says_nothing_is_as_there(tmp_path: Path) -> None:
    assert job_of(tmp_path, "").table == {
        "shell": "x",
        "trigger": {"type": "cron", "expression": "5 4 * * *", "timezone": "UTC"},
        "kill_after": "30s",
        "fail_on": ["stderr"],
    }


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("concurrencyPolicy: Forbid", {"overlap": "skip"}),
        ("concurrencyPolicy: Replace", {"overlap": "replace"}),
        ("executionTimeout: 7200\nkillTimeout: 0.5", {"timeout": "2h", "kill_after": "500ms"}),
        ("failsWhen: {producesStdout: false, nonzeroReturn: false}", {"success_codes": list(range(256))}),
        ("enabled: no", {"enabled": False}),
        ("onMissed: run-once\nstartingDeadlineSeconds: 600", {"catch_up": "latest", "catch_up_window": "10m"}),
        ("sla: {maxTimeSinceSuccessSeconds: 90000}", {"expect": {"every": "25h"}}),
        ("priority: idle", {"limits": {"nice": 19, "best_effort": True}}),
        ("workingDirectory: /srv", {"cwd": "/srv"}),
        ("shell: /bin/bash", {"shell_program": "/bin/bash"}),
        ("utc: false", {"trigger": {"type": "cron", "expression": "5 4 * * *"}}),
    ],
)
def test_key_becomes_its_equivalent(tmp_path: Path, keys: str, expected: dict[str, Any]) -> None:
    job = job_of(tmp_path, keys)
    assert {key: job.table[key] for key in expected} == expected
    assert not job.remarks


def test_standard_error_is_no_failure_where_it_is_not_captured(tmp_path: Path) -> None:
    assert "fail_on" not in job_of(tmp_path, "captureStderr: false").table


def test_retries_count_with_the_first_attempt(tmp_path: Path) -> None:
    retry = "{maximumRetries: 3, initialDelay: 10, maximumDelay: 300, backoffMultiplier: 2}"
    table = job_of(tmp_path, f"onFailure: {{retry: {retry}}}").table
    expected = {"attempts": 4, "delay": "10s", "backoff": "exponential", "max_delay": "5m", "jitter": 0}
    assert table["retry"] == expected


def test_reports_become_notifiers_and_secrets_are_not_copied(tmp_path: Path) -> None:
    mail = "mail: {from: a@example.org, to: 'b@example.org, c@example.org', smtpHost: mail.example.org, tls: true"
    found = read(
        tmp_path,
        "jobs:\n  - name: a\n    command: x\n    schedule: '@daily'\n    onFailure:\n      report:\n"
        f"        {mail}, username: u, password: {{value: hunter2}}}}\n"
        "        sentry: {dsn: {value: 'https://hunter3@sentry.example.org/1'}}\n"
        "    onSuccess: {report: {shell: {command: logger done}}}\n",
    )
    text = format_import(found)
    assert found.notifiers["mail"] == {
        "type": "email",
        "to": ["b@example.org", "c@example.org"],
        "from": "a@example.org",
        "host": "mail.example.org",
        "port": 25,
        "security": "tls",
        "user": "u",
        "password": "${env:SMTP_PASSWORD}",
    }
    assert found.notifiers["command"]["command"] == ["/bin/sh", "-c", "logger done"]
    assert found.jobs[0].table["notify"] == {"on": ["failure", "recovery", "success"], "via": ["mail", "command"]}
    assert "hunter" not in text
    assert "Sentry" in text


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("statsd: {prefix: x, host: y, port: 1}", "rae-auto metrics"),
        ("group: www-data", "group 'www-data'"),
        ("user: nobody-here", 'user = "nobody-here"'),
        ("env_file: /nowhere/x.env", "env_file /nowhere/x.env is not here"),
        ("sla: {lateAfterSeconds: 60}", "sla: has no equivalent: lateAfterSeconds=60"),
        ("clusterPolicy: EveryNode", "clusterPolicy: EveryNode"),
        ("secrets: [{name: a, value: hunter2}]", "secret_files"),
        ("colour: red", "has no equivalent: colour=red"),
        ("apiToken: hunter2", "apiToken=(not shown)"),
    ],
)
def test_key_without_an_equivalent_is_a_remark(tmp_path: Path, keys: str, words: str) -> None:
    remarks = "\n".join(job_of(tmp_path, keys).remarks)
    assert words in remarks
    assert "hunter2" not in remarks


@pytest.mark.parametrize(
    ("given", "expression"),
    [
        ({"minute": "*/5"}, "*/5 * * * *"),
        ({"minute": "0", "hour": "12", "dayOfWeek": "mon-fri"}, "0 12 * * mon-fri"),
        ({"second": "*/15"}, "*/15 * * * * *"),
        ({"minute": "0", "hour": "0", "dayOfMonth": "1", "month": "1", "year": "2030"}, "0 0 0 1 1 * 2030"),
        ("0 0 * * L5", "0 0 * * 5L"),
        ("*/15 * * * * * *", "*/15 * * * * *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_schedule_has_its_fields_in_our_order(given: Any, expression: str) -> None:
    assert read_schedule(given, None, [])["trigger"]["expression"] == expression


def test_both_days_must_match_as_there() -> None:
    assert require_both_days("0 0 13 * 5", "UTC") == (
        "0 0 13 * *",
        {"type": "weekday", "days": ["fri"], "timezone": "UTC"},
    )
    assert require_both_days("0 0 */2 * 5", None) == ("0 0 */2 * 5", None)
    with pytest.raises(ValueError, match="at once"):
        require_both_days("0 0 13 * fri#2", None)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("text", ["0 0 13 * 5", "*/20 8-17 * * 1-5", "30 4 1,15 * *", "15 3 * 2 sun", "5 0 8-14 * 2"])
def test_start_times_are_those_of_the_library_of_yacron(text: str, zone: str) -> None:
    schedule = read_schedule(text, zone, [])
    times = schedule.pop("times")
    (proof,) = prove_job(ImportedJob(id="a", table=schedule, times=times), NOW)
    assert (proof.problem, proof.differences) == (None, ())
    # The library that yacron itself uses; its wall clock is naive, and none of these times is skipped or comes twice.
    theirs = CronTab(text)
    wall, starts = datetime(2026, 3, 1), []
    while wall < datetime(2028, 3, 1) and len(starts) < 2000:
        wall += timedelta(seconds=theirs.next(wall, default_utc=False))
        starts.append(wall)
    ours = list(islice(_walls(schedule, times), len(starts)))
    assert ours[:500] == [start for start in starts if start > datetime(2026, 3, 1)][: len(ours[:500])]


def _walls(schedule: Any, times: Any) -> Any:
    from zoneinfo import ZoneInfo

    from rae_plugins.triggers.cron import CronTrigger

    trigger = schedule["trigger"]
    ours = CronTrigger(expression=trigger["expression"], timezone="UTC")
    days = [guard["days"] for guard in schedule.get("guards", ())]
    at = ours.next_after(NOW)
    while at is not None:
        if not days or at.strftime("%a").lower() in days[0]:
            yield at.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
        at = ours.next_after(at)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("jobs: [", "is not valid YAML"),
        ("a: 1\na: 2\n", 'the key "a" stands here twice'),
        ("- 1\n", "has no keys"),
        ("on: push\n", "has no jobs, so it is not a configuration of cronstable or yacron"),
        ("include: [jobs.yaml]\n", "includes itself"),
        ("include: [nowhere.yaml]\n", "does not exist"),
        ("\0\0\1", "is a binary file"),
    ],
)
def test_file_of_another_kind_is_refused_with_its_reason(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(BadRequest, match=problem):
        read(tmp_path, text)


def test_aliases_can_not_grow_a_small_file(tmp_path: Path) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 9))
    with pytest.raises(BadRequest, match="100,000 values"):
        read(tmp_path, f"l0: &l0 x\n{levels}jobs: *l8\n")


def test_tags_build_nothing(tmp_path: Path) -> None:
    (job,) = read(
        tmp_path, "jobs:\n  - {name: a, schedule: '@daily', command: !!python/object/apply:os.system [touch x]}\n"
    ).jobs
    assert job.table["command"] == ["touch x"]


def test_yaml_names_the_extra_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(BadRequest, match=re.escape(install_command("yaml"))):
        read(tmp_path, "jobs: []\n")


def test_long_commands_keep_their_lines(tmp_path: Path) -> None:
    found = read(tmp_path, "jobs:\n  - name: a\n    schedule: '@daily'\n    command: |\n      one\n      two\n")
    assert tomllib.loads(format_import(found))["jobs"]["a"]["shell"] == "one\ntwo\n"
    assert "one\ntwo\n" in format_import(found)


DAG = """dags:
  - name: etl
    schedule: "0 5 * * *"
    tasks:
      - {id: a, command: x, retries: 2, retryDelaySeconds: 30}
      - {id: b, command: x, dependsOn: [a]}
      - {id: c, command: x, dependsOn: [a, b], triggerRule: all_done%s}
"""


def test_tasks_of_a_dag_start_after_those_they_depend_on(tmp_path: Path) -> None:
    first, second, third = (job.table for job in read(tmp_path, DAG % "").jobs)
    assert (first["trigger"]["expression"], first["retry"]["attempts"], first["retry"]["delay"]) == (
        "0 5 * * *",
        3,
        "30s",
    )
    assert second["trigger"] == {"type": "job", "jobs": ["etl-a"]}
    assert third["trigger"]["on"] == "any"
    assert (third["trigger"]["mode"], third["trigger"]["jobs"]) == ("all", ["etl-a", "etl-b"])


@pytest.mark.parametrize("key", ["type: approval", "type: sensor", "expand: {fromTask: a, key: k}"])
def test_dag_that_can_not_be_said_is_left_out(tmp_path: Path, key: str) -> None:
    (left,) = read(tmp_path, DAG % f", {key}").left_out
    assert "no equivalent" in left.remark
