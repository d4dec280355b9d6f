"""Each fault that `rae-auto doctor` must find is put in its place, and gives one line with what to do.

The table is FAULTS, to which two modules add. A healthy world has no problem at all, so each case
fails if its check does not work.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.core.offline.doctor import configuration_faults, machine_faults
from tests.core.offline.doctor.fault_table import FAULTS, Fault
from tests.support.faulty_machine import DAEMON, World

from rae_auto.errors import DaemonUnreachable
from rae_auto.model.notices.outbox import OutboxNotice, describe_failing
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import JobId
from rae_auto.views.findings import finding_line, finding_record

assert machine_faults  # Its faults are in the table, too.


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # In a short path, because the socket of a daemon must fit below it.
    with TemporaryDirectory(prefix="rae") as home:
        yield World(Path(home).resolve(), monkeypatch)


def test_doctor_finds_no_problem_in_a_healthy_world(world: World) -> None:
    assert [finding_line(finding) for finding in world.problems()] == []


def test_doctor_knows_enough_faults() -> None:
    assert len(FAULTS) >= 30
    assert len({one.name for one in FAULTS}) == len(FAULTS)


@pytest.mark.requirement("R38")
@pytest.mark.parametrize("case", FAULTS, ids=[one.name for one in FAULTS])
def test_doctor_finds_a_fault_and_names_what_to_do(case: Fault, world: World) -> None:
    case.plant(world)
    lines = [finding_line(finding) for finding in world.problems()]
    pattern = "(problem|warning)  " + re.escape(case.line).replace("…", ".+")
    assert any(re.fullmatch(pattern, line) for line in lines), lines
    assert all(line.isprintable() and "; " in line for line in lines)


def test_doubtful_schedule_is_a_warning_and_no_problem(world: World) -> None:
    world.add('[jobs.a]\ncommand = ["true"]\nschedule = "0 0 13 * 5"\n')
    (finding,) = world.problems()
    assert finding_line(finding).startswith("warning  configuration: ")
    record = finding_record(finding)
    assert (record["ok"], record["level"], finding.is_problem) == (True, "warning", False)


def test_error_of_the_configuration_is_a_problem(world: World) -> None:
    world.add('[jobs.a]\ncommand = ["true"]\nschedule = "0 99 * * *"\n')
    assert {finding_record(finding)["level"] for finding in world.problems()} == {"problem"}


def test_a_check_that_fails_is_a_finding_and_others_go_on(world: World) -> None:
    world.facts["open_files"] = "many"
    lines = [finding_line(finding) for finding in world.find()]
    assert any(line.startswith("problem  machine: can't be checked: ") for line in lines)
    assert any("4711" in line for line in lines)


@pytest.mark.parametrize("has_daemon", [True, False])
def test_failing_notices_are_listed_once(has_daemon: bool, world: World) -> None:
    now = datetime.now(UTC)
    notices = [
        OutboxNotice(
            id=f"{number}", notifier="ops", kind=NotifyOn.FAILURE, job=JobId("noon"), at=now, text="it failed",
            decided_at=now, tries=1, error="refused",
        )
        for number in range(2)
    ]  # fmt: skip
    world.put(*notices)
    # It has delivered one since the store was read.
    found_now = {**DAEMON, "problems": describe_failing(notices[:1])}
    world.answer = found_now if has_daemon else DaemonUnreachable("no daemon is running")
    found = [finding for finding in world.problems() if "can't deliver" in finding.observation]
    assert [finding.subject for finding in found] == ["daemon" if has_daemon else "notices"]


def test_sleep_is_no_problem_without_jobs_at_night(world: World) -> None:
    world.write_system("/etc/systemd/logind.conf", "[Login]\nIdleAction=suspend\n")
    assert world.problems() == []
    (line,) = [finding.observation for finding in world.find() if finding.subject == "sleep"]
    assert line.endswith("no job starts at night")


def test_a_masked_sleep_target_keeps_the_machine_awake(world: World) -> None:
    configuration_faults.plant_sleep(world)
    world.write_system("/etc/systemd/system/x", "")
    (world.root / "etc/systemd/system/sleep.target").symlink_to("/dev/null")
    assert world.problems() == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("powerdevilrc", "[AC][SuspendAndShutdown]\nAutoSuspendAction=0\n"),
        ("powerdevilrc", "[Battery][SuspendAndShutdown]\nAutoSuspendAction=1\n"),
        ("powermanagementprofilesrc", "[AC][SuspendSession]\nidleTime=0\nsuspendType=1\n"),
        ("powerdevilrc", "no [file\x00 of settings"),
    ],
)
def test_a_kde_that_stays_awake_is_no_problem(file: str, text: str, world: World) -> None:
    (world.home / ".config").mkdir()
    (world.home / ".config" / file).write_text(text)
    world.add('[jobs.a]\ncommand = ["true"]\nschedule = "0 3 * * *"\n')
    assert world.problems() == []


def test_the_clock_of_a_container_is_its_hosts(world: World) -> None:
    world.write_system("/run/.containerenv", "")
    world.facts["is_clock_synchronized"] = False
    assert world.problems() == []
    said = [finding.observation for finding in world.find() if finding.subject == "clock"]
    assert said[0] == "nothing says that it is synchronized, which is a matter of the container's host"


def test_the_needs_of_triggers_are_shown_with_the_limit(world: World) -> None:
    world.add(f'[jobs.a]\ncommand = ["true"]\ntrigger = {{ type = "file", paths = ["{world.home}"] }}\n')
    said = [finding.observation for finding in world.find() if "inotify" in finding.observation]
    assert [text for text in said if re.match(r"the triggers need [1-9] of the 65,536 of fs.inotify", text)]
    assert world.problems() == []


def test_the_zone_is_shown_with_where_it_is_set(world: World) -> None:
    world.write_system("/etc/timezone", "Europe/Rome\n")
    (world.root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    first, second = [finding.observation for finding in world.find() if finding.subject == "time zones"]
    assert first == f"the machine's is Asia/Tokyo, from {world.root}/etc/localtime → /usr/share/zoneinfo/Asia/Tokyo"
    assert second == "/etc/timezone says Europe/Rome, which the C library and rae-auto don't read"
    assert world.problems() == []


def test_clock_may_be_a_little_behind(world: World) -> None:
    world.facts["now"] = datetime.now(UTC) - timedelta(minutes=4)
    assert world.problems() == []


def test_differences_of_environments_are_no_problem(world: World) -> None:
    world.set_environment(PATH=f"{world.programs}:{world.home}:/usr/bin:/bin", SSH_AUTH_SOCK="/x", LANG="de_DE.UTF-8")
    world.give_daemon(PATH=f"{world.programs}:/usr/bin:/bin", LANG="C.UTF-8", SSH_AUTH_SOCK="")
    assert world.problems() == []
    said = [finding.observation for finding in world.find() if finding.subject == "environment"]
    assert said == [
        f"jobs have a PATH without {world.home}, which this shell has",
        "jobs have other values than this shell for LANG, SSH_AUTH_SOCK",
    ]
