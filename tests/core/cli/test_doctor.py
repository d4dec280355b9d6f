"""doctor: with a daemon and without, and each problem with its remedy."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rae_auto.api import Put
from rae_auto.api.store import Setback
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.offline.doctor import state
from rae_auto.records.setbacks import record_setback
from rae_plugins.stores.sqlite import SqliteStore

resource = pytest.importorskip("resource", reason="needs the limits of POSIX")


def by_subject(found: Any) -> dict[str, Any]:
    return {finding["subject"]: finding for finding in found["findings"]}


def test_doctor_finds_nothing_on_a_healthy_machine(cli, daemon):
    said = cli("doctor", "--json")
    assert [finding for finding in said.json["findings"] if not finding["ok"]] == []
    assert (said.code, said.json["ok"]) == (0, True)
    found = by_subject(said.json)
    assert f"pid {daemon.pid}" in found["daemon"]["observation"]
    assert found["store"]["observation"] == "in use"
    assert "4 jobs" in found["configuration"]["observation"]


def test_doctor_without_a_daemon_and_a_configuration(offline):
    said = offline("doctor")
    assert said.code == 1
    (problem,) = [line for line in said.out.splitlines() if line.startswith("problem")]
    assert problem == (
        "problem  configuration: no rae.toml here or in a parent directory; "
        "create one with 'rae-auto init', or use --config"
    )
    assert re.search("^warning  daemon: no daemon is running", said.out, re.MULTILINE), "critical for health"


def test_doctor_prints_a_line_with_a_hint_for_each_problem(offline, tmp_path, monkeypatch):
    (tmp_path / "rae.toml").write_text('max_paralel = 3\n[jobs.a]\ncommand = ["true"]\nschedule = "61 * * * *"\n')
    (tmp_path / "rae.toml").chmod(0o600)
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    monkeypatch.setattr(state, "MIN_FREE_BYTES", 1 << 60)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 4096))
    said = offline("doctor", "--json")
    assert said.code == 1
    hints = {f["subject"]: f["hint"] for f in said.json["findings"] if not f["ok"]}
    assert "chmod 700" in hints["state"]
    assert "free some space" in hints["disk"]
    assert "ulimit" in hints["open files"]
    assert [f["observation"] for f in said.json["findings"] if "max_paralel" in f["observation"]] != []


def test_doctor_names_a_broken_plugin_with_its_version(tmp_path):
    info = tmp_path / "site" / "rae_bad-2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rae_bad\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[rae_auto.triggers]\ncron = rae_bad\n")
    command = [sys.executable, "-m", "rae_auto", "doctor", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(info.parent), "RAE_STATE_DIR": str(tmp_path / "state")}
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    problems = [f["observation"] for f in json.loads(said.stdout)["findings"] if f["subject"] == "plugin"]
    assert said.returncode == 1
    assert any('trigger "cron" of rae_bad 2.5 is never used' in problem for problem in problems)


def test_doctor_names_added_jobs_without_their_plugin(offline, tmp_path):
    config, state = tmp_path / "rae.toml", tmp_path / "state"
    config.write_text('[jobs.a]\ncommand = ["true"]\n')
    config.chmod(0o600)
    state.mkdir(mode=0o700, exist_ok=True)
    store = SqliteStore()
    store.open(state)
    gone = Job(id="b", command="work", schedule=[TriggerRef("vanished")])
    store.commit([Put(*documents.document_key(gone), documents.dump(gone))])
    store.close()
    said = offline("doctor", "--json", "--config", str(config))
    found = by_subject(json.loads(said.out))["added job"]
    assert not found["ok"]
    assert found["observation"].startswith('job "b": unknown trigger "vanished"')
    assert found["hint"].startswith("install its plugin and restart the daemon, or remove the job")


@pytest.fixture
def stored(tmp_path: Path, offline: Any) -> Path:
    """A configuration, and the state directory of its closed and empty store."""
    config, state = tmp_path / "rae.toml", tmp_path / "state"
    config.write_text('[jobs.a]\ncommand = ["true"]\n')
    config.chmod(0o600)
    state.mkdir(mode=0o700, exist_ok=True)
    store = SqliteStore()
    store.open(state)
    store.close()
    return state


def store_lines(offline: Any, state: Path) -> list[str]:
    said = offline("doctor", "--json", "--config", str(state.parent / "rae.toml"))
    return [f["observation"] for f in json.loads(said.out)["findings"] if f["subject"] == "store"]


@pytest.mark.parametrize(
    ("commits", "lost"),
    [
        ([5], "1 time and lost 5 commits"),
        ([5, 1], "2 times and lost 6 commits"),
        ([5, None], "2 times and lost 5 commits and an unknown number more"),
        ([None], "1 time and lost an unknown number of commits"),
    ],
)
def test_doctor_counts_what_steps_back_lost(offline, stored, commits, lost):
    for day, number in enumerate(commits, 1):
        record_setback(
            stored, Setback(datetime(2026, 1, day, 12, tzinfo=UTC), number), datetime(2026, 2, 1, tzinfo=UTC)
        )
    last = f"2026-01-{len(commits):02} 12:00:00 UTC"
    assert store_lines(offline, stored)[-1] == (
        f"went back to an older state {lost}; the last time on 2026-02-01 00:00:00 UTC, to the state of {last}"
    )


def test_doctor_speaks_of_a_wanted_restore_as_one(offline, stored):
    backup, restored = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    record_setback(stored, Setback(backup, None), restored, is_restore=True)
    assert store_lines(offline, stored)[-1] == (
        "restored 1 time; the last time on 2026-02-01 00:00:00 UTC, from the backup of 2026-01-01 12:00:00 UTC"
    )
    record_setback(stored, Setback(None, 3))
    restores, losses = store_lines(offline, stored)[-2:]
    assert restores.startswith("restored 1 time")
    assert "1 time and lost 3 commits" in losses


def test_doctor_counts_a_step_back_once_and_survives_damage_of_its_file(offline, stored):
    for _ in range(2):
        record_setback(stored, Setback(None, 3))
    assert "1 time and lost 3 commits" in store_lines(offline, stored)[-1]
    (stored / "setbacks.json").write_bytes(b"[{}")
    assert not any("went back" in line for line in store_lines(offline, stored))
    record_setback(stored, Setback(None, 4))
    assert "1 time and lost 4 commits" in store_lines(offline, stored)[-1]


def test_doctor_counts_damaged_data_since_its_first_day(offline, stored):
    for day, rows in ((3, 2), (1, 1)):
        (stored / f"rows.corrupt-2026020{day}T000000.000000Z.json").write_text(json.dumps([{}] * rows))
    (stored / "state.sqlite.corrupt-20250101T000000.000000Z").touch()
    files, rows = store_lines(offline, stored)[-2:]
    assert files.startswith("3 files with damaged data in ")
    assert rows == "3 damaged rows or documents since 2026-02-01"
