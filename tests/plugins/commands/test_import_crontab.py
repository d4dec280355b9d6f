"""Crontabs as jobs: every line becomes a job or a comment, and starts when cron would start it."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.testing.commands import CommandConformance
from rae_plugins.commands.importing import ImportCommand
from rae_plugins.commands.importing.crontab_jobs import CrontabReader
from rae_plugins.commands.importing.crontab_lines import split_input
from rae_plugins.commands.importing.imported import Import, JobNames, share_keys
from rae_plugins.commands.importing.proofs.comparison import describe_proofs, prove_job
from rae_plugins.commands.importing.source_switch import disable_lines, restore_lines
from rae_plugins.commands.importing.toml_text import format_import
from rae_plugins.commands.importing.valid_jobs import leave_out_references
from rae_plugins.triggers.cron import CronTrigger

NOW = datetime(2026, 3, 1, tzinfo=UTC)

CRONTAB = r"""# Backups of the night
SHELL=/bin/bash
MAILTO=ops@example.org
PATH = "/usr/local/bin:/usr/bin"

# daily, before people come
30 2 * * * /usr/local/bin/backup.sh --full >> /tmp/b.log 2>&1
@reboot nohup server &
@daily mail -s today me@example.org%Hello%it is 100\% done
15~45 3 * * 1 /usr/bin/php cron.php
0 0 31 2 * by-hand
61 * * * * broken
@fortnightly foo
@every 5m foo
just wrong
CRON_TZ=America/New_York
0 9 * * mon-fri market
"""


def read(text: str, **options: Any) -> Import:
    reader = CrontabReader(own_user=options.pop("own_user", "ann"), is_root=options.pop("is_root", False))
    return reader.read(text, "a crontab", has_users=options.pop("has_users", False))


def jobs_of(text: str, **options: Any) -> dict[str, Any]:
    return dict(tomllib.loads(format_import(read(text, **options))).get("jobs", {}))


def job_of(line: str, **options: Any) -> Any:
    (job,) = jobs_of(f"{line}\n", **options).values()
    return {key: value for key, value in job.items() if key != "cwd"}


class TestImportCommand(CommandConformance):
    @pytest.fixture
    def plugin(self) -> ImportCommand:
        return ImportCommand(what="crontab")


def test_every_line_becomes_a_job_or_a_comment_with_its_reason() -> None:
    found = read(CRONTAB)
    assert [job.id for job in found.jobs] == ["backup", "server", "mail", "php", "by-hand", "market"]
    assert [one.remark.partition(",")[0] for one in found.left_out] == [
        'line 12: minute "61": write a value from 0 to 59',
        'line 13: "@fortnightly" is not a time of crontab(5)',
        'line 14: "@every 5m" is an interval; write trigger = { type = "interval"',
        "line 15 has fewer than five fields",
    ]
    text = format_import(found)
    for words in ("# Backups of the night", "# daily, before people come", "# 61 * * * * broken", "# just wrong"):
        assert words in text.splitlines()


def test_percent_signs_end_the_command_and_the_lines_of_its_input() -> None:
    assert job_of(r"0 8 * * * mail ann%Hello%it is 100\% done") == {
        "shell": "mail ann",
        "schedule": "0 8 * * *",
        "stdin": "Hello\nit is 100% done\n",
    }


@pytest.mark.parametrize(
    ("line", "command", "given"),
    [
        (r"date +\%F", "date +%F", None),
        (r"a \\%b", r"a \\", "b\n"),
        (r"a \\\%b", r"a \\%b", None),
        (r"a \x\%", r"a \x%", None),
        ("a%", "a", None),
        ("a%%", "a", "\n"),
        ("a%b%", "a", "b\n"),
        ("a%b%c", "a", "b\nc\n"),
        (r"a%b\%c\\%d\e", "a", "b%c\\%d\\e\n"),
    ],
)
def test_percent_signs_and_backslashes_are_read_as_cron_does(line: str, command: str, given: str | None) -> None:
    assert split_input(line) == (command, given)


def test_variables_count_for_the_entries_below_them() -> None:
    first, second = jobs_of("A=1\n* * * * * one\nA='2 3'\nSHELL=/bin/zsh\n* * * * * two\n").values()
    assert (first["env"], "shell_program" in first) == ({"A": "1"}, False)
    assert (second["env"], second["shell_program"]) == ({"A": "2 3"}, "/bin/zsh")


def test_zone_and_random_delay_of_cronie_are_options_of_the_trigger() -> None:
    found = job_of("CRON_TZ=Asia/Tokyo\nRANDOM_DELAY=20\n0 9 * * * x")
    assert found["trigger"] == {"type": "cron", "expression": "0 9 * * *", "timezone": "Asia/Tokyo", "jitter": "20m"}


def test_empty_zone_is_that_of_the_machine() -> None:
    first, second = jobs_of("CRON_TZ=Asia/Tokyo\n0 9 * * * x\nCRON_TZ=\n0 9 * * * y\n").values()
    assert first["trigger"]["timezone"] == "Asia/Tokyo"
    assert second["schedule"] == "0 9 * * *"


def test_unknown_zone_is_described_once_at_its_line() -> None:
    found = read("CRON_TZ=Nowhere\n0 9 * * * x\n1 9 * * * y\n@reboot z\nCRON_TZ=UTC\n0 9 * * * w\n")
    assert [one.remark.partition(";")[0] for one in found.left_out] == [
        'line 1: CRON_TZ: unknown time zone "Nowhere"',
        "line 2: its time zone is that of line 1, which is unknown",
        "line 3: its time zone is that of line 1, which is unknown",
    ]
    assert [job.table["shell"] for job in found.jobs] == ["z", "w"]


@pytest.mark.parametrize(
    ("lines", "place"),
    [("A=${env:HOME}\n* * * * * x\n", 'line 2: variable "A"'), ("* * * * * x%${file:/a}\n", "line 1: its input")],
)
def test_text_that_would_become_a_secret_is_left_out(lines: str, place: str) -> None:
    (left_out,) = leave_out_references(read(lines)).left_out
    assert left_out.remark.startswith(f"{place} has $")


def test_column_of_users_is_recognized_where_it_is_not_announced() -> None:
    lines = "17 * * * * root cd / && run-parts /etc/cron.hourly\n@daily www-data x\n5 4 * * * ann-of-nowhere y\n"
    found = read(lines, has_users=None)
    (remark,) = [remark for remark in found.remarks if "--system" in remark]
    assert '2 of 3 commands begin with the name of a user ("root" and "www-data")' in remark
    for other in (read(lines), read("0 4 * * * /bin/a\n1 4 * * * sh root\n", has_users=None)):
        assert not any("--system" in remark for remark in other.remarks)


def test_random_minutes_are_jitter_and_a_date_that_never_comes_is_by_hand() -> None:
    random = {"type": "cron", "expression": "15 3 * * 1", "jitter": "30m"}
    assert job_of("15~45 3 * * 1 x")["trigger"] == random
    assert job_of("0 0 30 2 * x")["trigger"] == {"type": "manual"}


@pytest.mark.parametrize(
    ("schedule", "place", "reading"),
    [
        ("0 5 L * *", 'day of month "L"', "Debian's cron refuses it, so it never runs this"),
        ("0 5 15W * *", 'day of month "15W"', "Debian's cron refuses it, so it never runs this"),
        ("0 5 * * 1,5L", 'day of week "5L"', "Debian's cron refuses it, so it never runs this"),
        ("0 5 ? * *", 'day of month "?"', "Debian's cron refuses it, so it never runs this"),
        ("5/15 * * * *", 'minute "5/15"', "Debian's cron refuses it, so it never runs this"),
        (
            "0 22-2 * * *",
            'hour "22-2"',
            "for Debian's cron a range that goes backwards is empty, so it never runs this",
        ),
        ("0 5 * * FRI-sun", 'day of week "FRI-sun"', "for Debian's cron a range that goes backwards is empty"),
        ("0 5 * nov-Feb *", 'month "nov-Feb"', "for Debian's cron a range that goes backwards is empty"),
        ("0 5 * * MON#1", 'day of week "MON#1"', "Debian's cron drops what follows MON, so it starts this each MON"),
    ],
)
def test_field_that_cron_reads_otherwise_is_left_out(schedule: str, place: str, reading: str) -> None:
    (left,) = read(f"1 1 * * * good\n{schedule} /bin/job\n").left_out
    assert left.text == (f"{schedule} /bin/job",)
    assert left.remark.startswith(f"line 2: {place}: {reading}")
    assert f'write schedule = "{schedule}" here if it is to do what it says' in left.remark
    CronTrigger(expression=schedule)


def test_schedule_that_cron_has_instead_is_named() -> None:
    (left,) = read("0 5 * * MON#1 /bin/job\n").left_out
    assert left.remark.endswith(', or schedule = "0 5 * * MON" for what cron does')


@pytest.mark.parametrize("line", ["@Daily /bin/job", "0 0 5 * * * /bin/job"])
def test_line_that_cron_refuses_is_left_out(line: str) -> None:
    (left,) = read(f"{line}\n").left_out
    assert "Debian's cron refuses" in left.remark


@pytest.mark.parametrize(
    "schedule",
    ["*/5,1 5-23/15 1-31 jan,FEB mon-fri", "0 5 * * 0-7", "0 5 * * 5-7", "0 5 * * sun-Tue", "5-5 05 * jan-feb/2 *"],
)
def test_field_that_cron_reads_as_well_becomes_a_job(schedule: str) -> None:
    assert job_of(f"{schedule} /bin/job")["schedule"] == schedule


def test_start_at_the_boot_and_what_goes_on_in_the_background_are_kept() -> None:
    found = job_of("@reboot nohup server &")
    assert found["trigger"] == {"type": "system", "on": ["boot"]}
    assert found["executor"] == {"type": "process", "orphans": "allow"}
    assert "executor" not in job_of("* * * * * a && b 2>&1")


@pytest.mark.parametrize(
    ("user", "is_root", "expected"), [("ann", False, None), ("root", True, "root"), ("root", False, None)]
)
def test_column_of_users_is_kept_where_the_daemon_may_use_it(user: str, is_root: bool, expected: str | None) -> None:
    found = read(f"17 * * * * {user} run-parts /etc/cron.hourly\n", has_users=True, is_root=is_root)
    assert found.jobs[0].table.get("user") == expected
    if user != "ann" and not is_root:
        assert any(f'user = "{user}"' in remark for remark in found.jobs[0].remarks)


def test_line_of_a_system_crontab_without_a_command_is_left_out() -> None:
    (left_out,) = read("17 * * * * root\n", has_users=True).left_out
    assert "line 1 has no command" in left_out.remark


def test_end_of_the_last_line_is_missed_by_cron() -> None:
    assert any("has no end" in remark for remark in read("* * * * * x").remarks)


def test_receivers_of_mail_are_named_once() -> None:
    remarks = read("MAILTO=a@b.c\n* * * * * x\nMAILTO=d@e.f\n* * * * * y\n").remarks
    assert sum("a@b.c, d@e.f" in remark for remark in remarks) == 1
    assert not any("mails" in remark for remark in read('MAILTO=""\n* * * * * x\n').remarks)


def test_remark_about_mails_leaves_out_jobs_without_a_receiver() -> None:
    (remark,) = [one for one in read('* * * * * x\nMAILTO=""\n* * * * * y\n').remarks if "mails" in one]
    assert remark.startswith('cron mails what jobs print to their user (nothing of those below MAILTO="")')
    assert not any("mails" in one for one in read('MAILTO=a@b.c\nMAILTO=""\n* * * * * y\n').remarks)


def test_folder_of_run_parts_is_a_job_for_each_program(tmp_path: Path) -> None:
    folder = tmp_path / "cron.daily"
    folder.mkdir()
    for name, mode in (("logrotate", 0o755), ("old.bak", 0o755), ("notes", 0o644), (".placeholder", 0o644)):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(mode)
    found = CrontabReader().read_folder(folder)
    assert [(job.id, job.table["schedule"]) for job in found.jobs] == [("logrotate", "25 6 * * *")]
    assert [Path(one.text[0]).name for one in found.left_out] == ["notes", "old.bak"]


def test_keys_that_all_jobs_share_stand_in_the_defaults() -> None:
    found = share_keys(read("SHELL=/bin/bash\nA=1\n* * * * * one\nB=2\n* * * * * two\n"))
    assert found.defaults["shell_program"] == "/bin/bash"
    assert "env" not in found.defaults
    assert [job.table["env"] for job in found.jobs] == [{"A": "1"}, {"A": "1", "B": "2"}]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/local/bin/backup.sh --full", "backup"),
        ("cd /srv && ./poll.py", "srv"),
        ("[ -x /usr/sbin/x ] && x", "x"),
        ("A=1 env nice -n 5 python3 -m thing", "python3"),
        ("*** ???", "job"),
    ],
)
def test_job_is_named_after_its_command(command: str, name: str) -> None:
    names = JobNames()
    assert names.choose(command) == name
    assert names.choose(command) == f"{name}-2"


def test_disabled_lines_are_restored_as_they_were() -> None:
    disabled, count = disable_lines(CRONTAB, [7, 9])
    assert count == 2
    assert disabled.splitlines()[6].startswith("#rae-auto# 30 2 * * *")
    assert disable_lines(disabled, [7, 9])[1] == 0
    assert restore_lines(disabled) == (CRONTAB, 2)
    assert not any(job.lines == (7,) for job in read(disabled).jobs)


ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]
MINUTES = st.sampled_from(["0", "30", "5,35", "*/20", "7-9"])
HOURS = st.sampled_from(["2", "3", "*/6", "0-4", "22"])
DAYS = st.sampled_from([("*", "*"), ("1", "*"), ("*", "1-5"), ("13", "5"), ("*/10", "sun")])


@settings(max_examples=25, deadline=None)
@given(MINUTES, HOURS, DAYS, st.sampled_from(["*", "3,10", "jan-jun"]), st.sampled_from(ZONES))
def test_start_times_are_those_of_an_independent_calculation(
    minute: str, hour: str, days: tuple[str, str], month: str, zone: str
) -> None:
    line = f"CRON_TZ={zone}\n{minute} {hour} {days[0]} {month} {days[1]} x\n"
    (job,) = read(line).jobs
    (proof,) = prove_job(job, NOW)
    assert (proof.problem, proof.differences) == (None, ())
    assert proof.compared > 0


def test_difference_of_start_times_is_shown_with_its_cause() -> None:
    # cronsim 2.8 is half an hour off where a clock is set by half an hour.
    (job,) = read("CRON_TZ=Australia/Lord_Howe\n*/20 2 * * * x\n").jobs
    lines = list(describe_proofs(prove_job(job, NOW)))
    assert "different" in lines[0]
    assert any("the clock is set" in line for line in lines[1:])


NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
LINES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=60),
    st.builds("{}={}".format, NAMES, st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=9)),
    st.builds("{} {} * * * {}".format, MINUTES, HOURS, st.text(st.characters(codec="ascii"), max_size=20)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, max_size=8), st.booleans())
def test_any_text_becomes_a_configuration_that_names_all_of_it(lines: list[str], has_users: bool) -> None:
    found = read("\n".join(lines) + "\n", has_users=has_users)
    document = tomllib.loads(format_import(found))
    assert document.get("jobs", {}).keys() == {job.id for job in found.jobs}
