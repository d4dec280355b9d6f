"""Jobs in the forms of other schedulers: what starts them stays the same, and what gets lost is said."""

import os
import shlex
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.testing.commands import CommandConformance
from rae_plugins.commands.exporting import ExportCommand
from rae_plugins.commands.exporting.crontab_form import format_crontab
from rae_plugins.commands.exporting.forms import format_calendar
from rae_plugins.commands.exporting.systemd_form import format_units, translate_expression
from rae_plugins.commands.importing.crontab_jobs import CrontabReader
from rae_plugins.commands.importing.imported import FireTimes, ImportedJob
from rae_plugins.commands.importing.proofs.comparison import prove_job

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class TestExportCommand(CommandConformance):
    @pytest.fixture
    def plugin(self) -> ExportCommand:
        return ExportCommand(what="crontab")


def definition(trigger: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    cron = {"type": "cron", "options": {"expression": "30 2 * * *"}}
    return {"id": "a", "command": ["backup"], "schedule": [trigger or cron], **fields}


def interval(**options: Any) -> dict[str, Any]:
    return {"type": "interval", "options": options}


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (definition(), "30 2 * * * backup"),
        (definition(command=["echo", "a b", "100%"]), r"30 2 * * * echo 'a b' 100\%"),
        (definition(command=None, shell="a | b", stdin="x\ny%\n"), r"30 2 * * * a | b%x%y\%"),
        (definition(cwd="/srv", env={"A": "1 2"}), "30 2 * * * cd /srv || exit; export A='1 2'; backup"),
        (definition(interval(every="15m")), "*/15 * * * * backup"),
        (definition(interval(every="6h")), "0 */6 * * * backup"),
        (definition({"type": "system", "options": {"on": ["boot"]}}), "@reboot backup"),
        (definition(enabled=False), "# disabled: 30 2 * * * backup"),
    ],
)
def test_job_is_a_line_of_a_crontab(found: dict[str, Any], line: str) -> None:
    assert line in format_crontab([found], "local").splitlines()


@pytest.mark.parametrize(
    "trigger",
    [
        interval(every="7m"),
        interval(every="1h", **{"from": "end"}),
        {"type": "cron", "options": {"expression": "0 0 12 * * *"}},
        {"type": "cron", "options": {"expression": "0 0 L * *"}},
        {"type": "file", "options": {"paths": ["/x"]}},
        {"type": "system", "options": {"on": ["boot"], "delay": "15m"}},
    ],
)
def test_trigger_that_cron_does_not_know_is_a_comment(trigger: dict[str, Any]) -> None:
    lines = format_crontab([definition(trigger, timeout="1h")], "local").splitlines()
    assert any(line.startswith("# a, without timeout") and "trigger" in line for line in lines)
    assert "# nothing that cron knows starts it: backup" in lines
    assert all(not line or line.startswith("#") for line in lines)


def test_what_cron_does_anyway_is_no_loss() -> None:
    text = format_crontab([definition(catch_up="none", overlap="allow", retry_policy={})], "UTC")
    assert "# a, without retry" in text.splitlines()
    assert "CRON_TZ=UTC" in text


FIELDS = ["0", "5,35", "*/15", "7-9", "*"]
LINES = st.builds(
    "{} {} {} {} {}".format,
    st.sampled_from(FIELDS),
    st.sampled_from(["*", "3", "*/6", "0-4", "22"]),
    st.sampled_from(["*", "1", "*/10", "13"]),
    st.sampled_from(["*", "3,10", "jan"]),
    st.sampled_from(["*", "1-5", "sun", "0,6"]),
)
COMMANDS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(LINES, COMMANDS.map(str.strip).filter(bool))
def test_crontab_comes_back_from_an_import_and_an_export(schedule: str, command: str) -> None:
    # Percent signs and what follows are standard input; `#` and the like are of the shell.
    written = f"{schedule} x {command}".replace("%", "\\%").rstrip("\\ ")
    (job,) = CrontabReader(own_user="nobody-here").read(f"{written}\n", "x", has_users=False).jobs
    trigger = {"type": "cron", "options": {"expression": job.table["schedule"]}}
    fields = {key: value for key, value in job.table.items() if key in ("shell", "stdin")}
    back = format_crontab([definition(trigger, command=None, **fields)], "local")
    assert written in back.splitlines()


def read_as_cron(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield time zone, schedule, command and input of each line, as do_command.c of cronie takes them apart."""
    zone = ""
    for line in text.splitlines():
        if line.startswith("CRON_TZ="):
            zone = line.removeprefix("CRON_TZ=")
        elif line and not line.startswith("#"):
            words = line.split(None, 1 if line.startswith("@") else 5)
            command, is_escaped, rest = "", False, iter(words[-1])
            for character in rest:
                if not is_escaped and character == "%":
                    break
                command = command[:-1] + "%" if is_escaped and character == "%" else command + character
                is_escaped = not is_escaped and character == "\\"
            given = "".join(rest).replace("\\%", "\0").replace("%", "\n").replace("\0", "%")
            yield zone, " ".join(words[:-1]), command, given if given.endswith("\n") or not given else f"{given}\n"


def run_shell(command: str, given: str, program: str = "/bin/sh", **options: Any) -> tuple[int, bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/", **options.pop("env", {})}
    done = subprocess.run(
        [program, "-c", command], input=given.encode(), stdout=subprocess.PIPE, env=environment, timeout=30, **options
    )
    return done.returncode, done.stdout


TEXTS = st.lists(st.sampled_from(["a", " ", "%", "\\", "'", '"', "$HOME", "\n", ";"]), max_size=5).map("".join)
JOBS = st.fixed_dictionaries(
    {
        "shell": st.lists(
            st.sampled_from(
                [
                    "cat",
                    "pwd",
                    'printf \'%s|\' "$A" "$B"',
                    "for x in 1 2\ndo echo $x\ndone",
                    "# only a comment",
                    "echo 'a\\%b' 50% it\\'s",
                    "false",
                ]
            ),
            min_size=1,
            max_size=3,
        ).map("\n".join)
    },
    optional={
        "stdin": TEXTS.map("{}\n".format),
        "env": st.fixed_dictionaries({"A": TEXTS}, optional={"B": TEXTS}),
        "cwd": st.sampled_from(["/", "/usr"]),
        "shell_program": st.just("bash"),
    },
)


@pytest.mark.skipif(not shutil.which("bash"), reason="a job here names bash as its shell")
@settings(max_examples=25, deadline=None)
@given(JOBS)
def test_cron_runs_what_the_job_runs_also_after_the_way_back(job: dict[str, Any]) -> None:
    program = shutil.which(job.get("shell_program", "sh")) or ""
    given_text, folder = job.get("stdin", ""), job.get("cwd", "/")
    expected = run_shell(job["shell"], given_text, program, env=job.get("env", {}), cwd=folder)
    text = format_crontab([definition(command=None, **job)], "local")
    ((_, _, command, given_by_cron),) = read_as_cron(text)
    assert run_shell(command, given_by_cron, cwd="/") == expected
    (back,) = CrontabReader(own_user="nobody-here").read(text, "x", has_users=False).jobs
    assert run_shell(back.table["shell"], back.table.get("stdin", ""), cwd="/") == expected


SCHEDULES = st.one_of(LINES, st.sampled_from(["@daily", "@hourly"]))
ZONES = st.sampled_from([None, "America/New_York", "Asia/Kolkata"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.tuples(SCHEDULES, ZONES), min_size=1, max_size=2), max_size=4), ZONES)
def test_each_line_is_in_the_time_zone_of_its_trigger(
    jobs: list[list[tuple[str, str | None]]], configured: str | None
) -> None:
    definitions = []
    for number, triggers in enumerate(jobs):
        options = [{"expression": text} | ({"timezone": zone} if zone else {}) for text, zone in triggers]
        schedule = [{"type": "cron", "options": one} for one in options]
        definitions.append({"id": f"job-{number}", "command": [f"job-{number}"], "schedule": schedule})
    expected = [
        (zone or configured or "", text, f"job-{number}")
        for number, triggers in enumerate(jobs)
        for text, zone in triggers
    ]
    text = format_crontab(definitions, configured or "local")
    found = [(zone, schedule, command) for zone, schedule, command, _ in read_as_cron(text)]
    assert sorted(found) == sorted(expected)
    back = CrontabReader(own_user="nobody-here").read(text, "x", has_users=False).jobs
    read = [
        (options.get("timezone", ""), options["expression"], job.table["shell"])
        for job in back
        for options in [job.table.get("trigger") or {"expression": job.table.get("schedule")}]
    ]
    assert sorted(read) == sorted(expected)


def test_job_without_a_folder_of_its_own_runs_in_that_of_its_file() -> None:
    job = definition(directory="/srv/jobs")
    assert "30 2 * * * cd /srv/jobs || exit; backup" in format_crontab([job], "local").splitlines()
    home = definition(directory=os.path.expanduser("~"))
    assert "30 2 * * * backup" in format_crontab([home], "local").splitlines()


def test_unit_has_each_text_as_systemd_reads_it() -> None:
    job = definition(
        command=None,
        shell="for x in $A\ndo echo 50%\ndone",
        env={"A": "$HOME 1%\n"},
        cwd="/srv/a%b c",
        stdin="one\\\n%two",
        limits={"nice": 5, "cpu_time": "1m"},
    )
    units, skipped = format_units([job], "local")
    assert skipped == []
    lines = units["a.service"].splitlines()
    assert lines[0] == "# Exported by 'rae-auto export systemd', without limits.cpu_time."
    assert {
        r'ExecStart=/bin/sh -c "for x in $$A\ndo echo 50%%\ndone"',
        r'Environment="A=$HOME 1%%\n"',
        "WorkingDirectory=/srv/a%%b c",
        "StandardInput=data",
        f"StandardInputData={b64encode(str(job['stdin']).encode()).decode()}",
        "Nice=5",
    } <= set(lines)


def test_user_of_a_job_is_lost_in_a_crontab_and_not_in_units() -> None:
    job = definition(user="backup")
    assert "# a, without user" in format_crontab([job], "local").splitlines()
    assert "without user" not in "".join(format_units([job], "local")[0].values())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze calculates the start times of systemd")
@pytest.mark.parametrize("expression", ["30 2 * * *", "*/20 3 1,15 * *", "0 9 * 3-5 1-5", "15 4 */10 * sun", "@weekly"])
def test_start_times_of_units_are_those_of_the_job(expression: str) -> None:
    (event,) = translate_expression(expression) or ()
    times = (FireTimes("calendar", event, "UTC"),)
    (proof,) = prove_job(ImportedJob(id="a", table={"schedule": expression}, times=times), NOW)
    assert (proof.problem, proof.differences) == (None, ())


def test_days_of_month_and_of_week_are_two_calendar_events() -> None:
    assert translate_expression("0 7 13 * fri") == ["*-*-13 7:0:00", "Fri *-*-* 7:0:00"]
    assert translate_expression("0 7 L * *") is None


def test_units_have_what_systemd_knows_and_name_the_rest() -> None:
    units, skipped = format_units(
        [
            definition(interval(every="2h", **{"from": "end"}), guards=[{"type": "power"}], timeout="5m", user="ann"),
            {"id": "by-hand", "command": ["x"], "schedule": [{"type": "manual"}]},
        ],
        "local",
    )
    assert units.keys() == {"a.timer", "a.service"}
    assert "OnUnitInactiveSec=2h" in units["a.timer"]
    assert {"TimeoutStartSec=5m", "User=ann", "ExecStart=backup"} <= set(units["a.service"].splitlines())
    assert units["a.timer"].startswith("# Exported by 'rae-auto export systemd', without guards.")
    assert skipped == ["by-hand is not exported: nothing that systemd knows starts it"]


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), min_size=1), min_size=1))
def test_words_of_a_command_are_those_that_systemd_reads(words: list[str]) -> None:
    units, _ = format_units([definition(command=["/bin/x", *words])], "local")
    (line,) = [line for line in units["a.service"].splitlines() if line.startswith("ExecStart=")]
    read = shlex.split(line.removeprefix("ExecStart=").replace("$$", "$").replace("%%", "%").replace("'", "\\'"))
    assert [word.replace("\\'", "'") for word in read] == ["/bin/x", *words]


def test_calendar_has_an_event_for_each_start() -> None:
    text = format_calendar({"a": [NOW]}, NOW)
    assert text.count("BEGIN:VEVENT") == 1
    assert "DTSTART:20260301T000000Z\r\n" in text
