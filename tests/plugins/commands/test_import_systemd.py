"""Timers of systemd as jobs: what starts them, what they run, and a remark at all that has no equivalent."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.commands.importing.imported import ImportedJob, Leftover
from rae_plugins.commands.importing.proofs.comparison import prove_job
from rae_plugins.commands.importing.systemd_timers import TimerReader
from rae_plugins.commands.importing.toml_text import format_value
from rae_plugins.commands.importing.unit_files import SystemdUnit, parse_bytes, parse_span

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SERVICE = "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n"


def read(folder: Path, timer: str, service: str = SERVICE) -> ImportedJob | Leftover:
    (folder / "backup.timer").write_text(f"[Timer]\n{timer}\n")
    if service:
        (folder / "backup.service").write_text(service)
    return TimerReader().read(folder / "backup.timer")


def job_of(folder: Path, timer: str = "OnCalendar=daily", service: str = SERVICE) -> ImportedJob:
    found = read(folder, timer, service)
    assert isinstance(found, ImportedJob), found
    return found


@pytest.mark.parametrize(
    ("timer", "trigger"),
    [
        ("OnCalendar=weekly", {"type": "cron", "expression": "0 0 * * 1"}),
        ("OnCalendar=Mon..Fri 03:00", {"type": "cron", "expression": "0 3 * * mon-fri"}),
        (
            "OnCalendar=*-*-* 04:00 Europe/Berlin\nRandomizedDelaySec=10min",
            {"type": "cron", "expression": "0 4 * * *", "timezone": "Europe/Berlin", "jitter": "10m"},
        ),
        ("OnBootSec=15min", {"type": "system", "on": ["boot"], "delay": "15m"}),
        ("OnBootSec=0", {"type": "system", "on": ["boot"]}),
        ("OnUnitActiveSec=1d", {"type": "interval", "every": "24h", "from": "start"}),
        ("OnUnitInactiveSec=1h 30min", {"type": "interval", "every": "1h30m", "from": "end"}),
    ],
)
def test_timer_becomes_a_trigger(tmp_path: Path, timer: str, trigger: dict[str, Any]) -> None:
    assert job_of(tmp_path, timer).table["trigger"] == trigger


def test_several_timers_become_several_triggers(tmp_path: Path) -> None:
    found = job_of(tmp_path, "OnBootSec=5min\nOnUnitActiveSec=1h\nOnCalendar=daily")
    assert [trigger["type"] for trigger in found.table["triggers"]] == ["cron", "system", "interval"]


def test_empty_value_forgets_those_before_it_and_drop_ins_count(tmp_path: Path) -> None:
    (tmp_path / "backup.timer.d").mkdir()
    (tmp_path / "backup.timer.d" / "time.conf").write_text("[Timer]\nOnCalendar=\nOnCalendar=monthly\n")
    assert job_of(tmp_path).table["trigger"]["expression"] == "0 0 1 * *"


def test_missed_starts_are_caught_up_where_they_are_persistent(tmp_path: Path) -> None:
    assert job_of(tmp_path).table["catch_up"] == "none"
    assert job_of(tmp_path, "OnCalendar=daily\nPersistent=true\nWakeSystem=yes").table["catch_up"] == "latest"
    assert job_of(tmp_path, "OnCalendar=daily\nWakeSystem=yes").table["wake"] is True


def test_service_becomes_the_keys_of_a_job(tmp_path: Path) -> None:
    service = """[Unit]
ConditionACPower=true
ConditionPathIsMountPoint=/mnt/backup
[Service]
Type=oneshot
ExecStart=/usr/bin/rsync -a "/srv/my data" /mnt/backup
WorkingDirectory=/srv
Environment=A=1 "B=2 3"
TimeoutStartSec=2h
TimeoutStopSec=30
MemoryMax=512M
Nice=10
IOSchedulingClass=idle
SuccessExitStatus=24
UMask=0027
"""
    table = job_of(tmp_path, service=service).table
    assert table["command"] == ["/usr/bin/rsync", "-a", "/srv/my data", "/mnt/backup"]
    assert (table["cwd"], table["env"]) == ("/srv", {"A": "1", "B": "2 3"})
    assert (table["timeout"], table["kill_after"], table["umask"]) == ("2h", "30s", "027")
    assert table["limits"] == {"memory": 512 << 20, "nice": 10, "ionice": "idle", "best_effort": True}
    assert table["guards"] == [{"type": "power"}, {"type": "path", "path": "/mnt/backup", "is_mount": True}]
    assert table["success_codes"] == [0, 24]


def test_several_commands_become_a_line_of_a_shell_that_expands_nothing(tmp_path: Path) -> None:
    service = "[Service]\nExecStartPre=-/bin/rm -f *.old\nExecStart=/bin/echo 100%% ${HOME}\n"
    found = job_of(tmp_path, service=service)
    assert found.table["shell"] == "{ /bin/rm -f '*.old' || true; } && /bin/echo 100% ${HOME}"


def test_all_without_an_equivalent_is_named(tmp_path: Path) -> None:
    service = (
        f"{SERVICE}PrivateTmp=yes\nProtectHome=yes\nOOMScoreAdjust=500\nUser=nobody-here\n[Unit]\nOnFailure=mail\n"
    )
    remarks = "\n".join(job_of(tmp_path, "OnCalendar=daily\nOnActiveSec=5\nColour=red", service).remarks)
    for words in ("PrivateTmp, ProtectHome", "OOMScoreAdjust=500", "'nobody-here'", "OnFailure=mail", "Colour=red"):
        assert words in remarks
    assert "OnActiveSec counts from when the timer is started" in remarks


@pytest.mark.parametrize(
    ("timer", "service", "reason"),
    [
        ("OnCalendar=daily", "", "backup.service, which was not found"),
        ("OnCalendar=daily", "[Service]\nExecStop=/bin/true\n", "has no ExecStart"),
        ("OnCalendar=*-*-13 00:00:00.5", SERVICE, "nothing that starts it here"),
    ],
)
def test_timer_that_can_not_be_imported_is_left_out_with_its_reason(
    tmp_path: Path, timer: str, service: str, reason: str
) -> None:
    found = read(tmp_path, timer, service)
    assert isinstance(found, Leftover)
    assert reason in found.remark


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze calculates the start times of systemd")
@pytest.mark.parametrize(
    "event", ["daily", "weekly", "Mon..Fri 09:00", "*-*-01 00/6:00", "Sun *-*-1..7 03:10", "*-*~01 12:00", "quarterly"]
)
def test_start_times_are_those_that_systemd_calculates(tmp_path: Path, event: str) -> None:
    (proof,) = prove_job(job_of(tmp_path, f"OnCalendar={event} UTC"), NOW)
    assert (proof.problem, proof.differences) == (None, ())
    assert proof.compared >= 8


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze calculates the start times of systemd")
@pytest.mark.parametrize(
    ("zone", "event", "back", "forward"),
    [
        # Two springs and two autumns. systemd leaves out a time that the clock skips, and counts an hour that comes
        # twice once, whatever the event.
        ("Europe/Berlin", "*-*-* 04:00", 0, 0),
        ("America/New_York", "*-*-* 04:00", 0, 0),
        ("Europe/Berlin", "*-*-* 02:30", 0, 2),
        ("America/New_York", "*-*-* 02:30", 0, 2),
        ("America/New_York", "*-*-* 01:30", 0, 0),
        ("Europe/Berlin", "hourly", 2, 0),
        ("America/New_York", "*:0/15", 8, 0),
    ],
)
def test_days_on_which_the_clock_is_set_are_compared_with_systemd(
    tmp_path: Path, zone: str, event: str, back: int, forward: int
) -> None:
    (proof,) = prove_job(job_of(tmp_path, f"OnCalendar={event} {zone}"), NOW)
    assert proof.problem is None
    found = [sum(word in line for line in proof.differences) for word in ("set back", "set forward")]
    assert (found, len(proof.differences)) == ([back, forward], back + forward), proof.differences


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1h 30min", 5400), ("2d", 172800), ("5m", 300), ("1.5s", 1.5), ("1w", 604800)]
)
def test_time_span_is_read_as_by_systemd(text: str, seconds: float) -> None:
    assert parse_span(text) == timedelta(seconds=seconds)


def test_infinity_is_no_limit_and_other_texts_are_refused() -> None:
    assert (parse_span("infinity"), parse_bytes("infinity"), parse_bytes("1.5G")) == (None, None, 3 << 29)
    with pytest.raises(ValueError, match="not a time span"):
        parse_span("soon")


@given(st.text(max_size=200))
def test_any_text_is_read_as_a_unit(text: str) -> None:
    unit = SystemdUnit("x.timer")
    unit.add(text)
    for section in list(unit.sections):
        format_value(unit.rest(section))
