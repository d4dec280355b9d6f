"""Cron files of agents and of GitHub Actions as jobs."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rae_auto.errors import BadRequest
from rae_plugins.commands.importing.imported import Import, ImportedJob
from rae_plugins.commands.importing.readers import OFF_SWITCHES, read_files
from rae_plugins.commands.importing.readers.claude_tasks import read_claude_tasks
from rae_plugins.commands.importing.readers.github_workflows import read_workflows
from rae_plugins.commands.importing.readers.openclaw_jobs import read_openclaw_jobs

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def claude(folder: Path, **task: Any) -> Import:
    (folder / ".claude").mkdir(exist_ok=True)
    path = folder / ".claude" / "scheduled_tasks.json"
    path.write_text(json.dumps({"tasks": [{"id": "1", "cron": "7 9 * * 1-5", "prompt": "Review the day", **task}]}))
    return read_claude_tasks([str(path)], NOW)


def openclaw(folder: Path, **job: Any) -> Import:
    path = folder / "jobs.json"
    payload = {"kind": "agentTurn", "message": "Go"}
    every = {"kind": "every", "everyMs": 60000}
    path.write_text(json.dumps({"version": 1, "jobs": [{"name": "a", "schedule": every, "payload": payload, **job}]}))
    return read_openclaw_jobs([str(path)])


def workflow(folder: Path, steps: str, keys: str = "") -> ImportedJob:
    path = folder / ".github" / "workflows" / "night.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"on: {{schedule: [{{cron: '5 4 * * *'}}]}}\njobs:\n  a:\n    runs-on: x\n{keys}    steps:\n{steps}"
    )
    (job,) = read_workflows([str(path)]).jobs
    return job


def test_recurring_task_of_claude_code_runs_in_its_project(tmp_path: Path) -> None:
    (job,) = claude(tmp_path, recurring=True).jobs
    assert job.table == {
        "command": ["claude", "-p", "Review the day"],
        "cwd": str(tmp_path),
        "schedule": "7 9 * * 1-5",
    }
    assert any("seven days" in remark for remark in job.remarks)
    (forever,) = claude(tmp_path, recurring=True, permanent=True).jobs
    assert not forever.remarks


def test_task_that_comes_once_is_due_at_its_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1000)
    (job,) = claude(tmp_path, cron="7 9 12 5 *", createdAt=made).jobs
    at = datetime.fromisoformat(job.table["trigger"]["at"])
    assert (at.month, at.day, at.hour, at.minute, at.year) == (5, 12, 9, 7, 2026)
    (left,) = claude(tmp_path, cron="7 9 12 2 *", createdAt=made).left_out
    assert "that is over" in left.remark


@pytest.mark.parametrize(
    ("job", "command"),
    [
        ({}, ["openclaw", "agent", "--agent", "main", "--message", "Go"]),
        (
            {"agentId": "ops", "delivery": {"mode": "announce", "channel": "slack"}},
            ["openclaw", "agent", "--agent", "ops", "--message", "Go", "--deliver", "--reply-channel", "slack"],
        ),
        (
            {"payload": {"kind": "systemEvent", "text": "Hi"}, "wakeMode": "next-heartbeat"},
            ["openclaw", "system", "event", "--mode", "next-heartbeat", "--text", "Hi"],
        ),
    ],
)
def test_payload_of_openclaw_is_a_command(tmp_path: Path, job: dict[str, Any], command: list[str]) -> None:
    assert openclaw(tmp_path, **job).jobs[0].table["command"] == command


@pytest.mark.parametrize(
    ("schedule", "trigger"),
    [
        (
            {"kind": "cron", "expr": "0 7 * * *", "tz": "Asia/Tokyo", "staggerMs": 0},
            {"type": "cron", "expression": "0 7 * * *", "timezone": "Asia/Tokyo"},
        ),
        ({"kind": "cron", "expr": "0 * * * *"}, {"type": "cron", "expression": "0 * * * *", "jitter": "5m"}),
        ({"kind": "every", "everyMs": 86400000}, {"type": "interval", "every": "24h"}),
        ({"kind": "at", "at": "2027-02-01T16:00:00"}, {"type": "once", "at": "2027-02-01T16:00:00+00:00"}),
        ({"kind": "at", "atMs": 1801497600000}, {"type": "once", "at": "2027-02-01T16:00:00+00:00"}),
    ],
)
def test_schedule_of_openclaw_is_a_trigger(tmp_path: Path, schedule: Any, trigger: dict[str, Any]) -> None:
    assert openclaw(tmp_path, schedule=schedule).jobs[0].table["trigger"] == trigger


@pytest.mark.parametrize(
    "job",
    [{"schedule": {"kind": "moon"}}, {"payload": {"kind": "dream"}}, {"schedule": {"kind": "at", "at": "soon"}}],
)
def test_job_of_openclaw_that_is_not_known_is_left_out(tmp_path: Path, job: dict[str, Any]) -> None:
    assert len(openclaw(tmp_path, **job).left_out) == 1


def test_steps_of_a_workflow_run_one_after_the_other(tmp_path: Path) -> None:
    job = workflow(
        tmp_path,
        "      - {run: 'echo one; X=1', working-directory: sub}\n      - {run: false, continue-on-error: true}\n"
        "      - {run: 'echo $Y $X end', env: {Y: two words}}\n      - run: exit 3\n      - run: echo never\n",
    )
    (tmp_path / "sub").mkdir()
    done = subprocess.run(["bash", "-c", job.table["shell"]], cwd=job.table["cwd"], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("one\ntwo words end\n", 3)
    assert job.table["cwd"] == str(tmp_path)


def test_what_only_github_can_fill_in_disables_the_job(tmp_path: Path) -> None:
    job = workflow(tmp_path, "      - run: deploy ${{ github.sha }}\n", "    env: {T: '${{ secrets.TOKEN }}'}\n")
    assert (job.table["enabled"], job.table["env"]) == (False, {"T": "${env:TOKEN}"})
    assert any("github.sha" in remark for remark in job.remarks)


def test_workflow_without_a_schedule_or_a_command_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("on: push\njobs: {}\n")
    assert "starts by push" in read_workflows([str(path)]).left_out[0].remark
    path.write_text("on: {schedule: [{cron: '5 4 * * *'}]}\njobs: {a: {steps: [{uses: actions/stale@v9}]}}\n")
    assert "runs actions of GitHub alone" in read_workflows([str(path)]).left_out[0].remark


@pytest.mark.parametrize("kind", ["claude-code", "openclaw"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"{}", "has no list"),
        (b"\0\1", "is a binary file"),
        (b"not json", "is not valid JSON"),
    ],
)
def test_file_of_another_kind_is_refused(tmp_path: Path, kind: str, content: bytes, problem: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(BadRequest, match=problem):
        read_files(kind, [str(path)])


@pytest.mark.parametrize("kind", [kind for kind in OFF_SWITCHES if kind != "apscheduler"])
def test_every_kind_refuses_what_is_not_a_file(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadRequest, match="does not exist"):
        read_files(kind, [str(tmp_path / "nowhere")])
    with pytest.raises(BadRequest, match="there is no"):
        read_files(kind, [str(tmp_path)])
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(BadRequest, match="has 17 MB"):
        read_files(kind, [str(huge)])


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of POSIX")
def test_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")

    def refuse(_: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BadRequest, match="permission denied"):
        read_files("openclaw", [str(path)])
