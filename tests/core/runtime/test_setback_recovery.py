"""A scheduler on a store that was restored from a backup with an open run."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from rae_auto import Job, Run, Scheduler
from rae_auto.model.reasons import StoreReverted
from rae_auto.offline.project import Project
from rae_auto.offline.restore import restore
from rae_auto.paths import RESTORED_MARK
from rae_auto.records.setbacks import read_setbacks


@pytest.fixture(params=["sqlite", "json"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> Path:
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "rae.toml"
    path.write_text(f'store = "{kind}"\n')
    path.chmod(0o600)
    return path


@pytest.mark.requirement("R7")
def test_restored_backup_with_open_runs_repeats_nothing(tmp_path: Path, config: Path, kind: str) -> None:
    script = f"echo x >> {tmp_path}/begun; until [ -e {tmp_path}/go ]; do sleep 0.02; done; exit 3"
    job = Job(id="work", shell=script, overlap="queue", on_crash="rerun")

    def open_scheduler() -> Scheduler:
        return Scheduler(directory=tmp_path / "state", store=kind, jobs=[job])

    async def work() -> list[str]:
        async with asyncio.timeout(60), open_scheduler() as scheduler:
            runs = [await scheduler.trigger("work") for _ in range(2)]
            while not (tmp_path / "begun").exists():  # noqa: ASYNC110 - nothing else tells it
                await asyncio.sleep(0.01)
            await scheduler.backup(tmp_path / "backup")
            (tmp_path / "go").touch()
            for run in runs:
                await scheduler.wait(run)
            return [str(run) for run in runs]

    async def go_on() -> list[tuple[str, str, str]]:
        async with asyncio.timeout(60), open_scheduler() as scheduler:
            assert not (tmp_path / "state" / RESTORED_MARK).exists()
            return [
                (str(run.id), str(run.state), run.reason.code if run.reason else "")
                for run in await scheduler.history()
            ]

    runs = asyncio.run(work())
    restore(Project.load(config), tmp_path / "backup", replace=True)
    ends = asyncio.run(go_on())
    [noted] = read_setbacks(tmp_path / "state")
    assert noted.setback.since is not None
    assert sorted(run for run, _, _ in ends) == sorted(runs)
    assert {(state, reason) for _, state, reason in ends} <= {("lost", "store_reverted"), ("failed", "")}
    assert len((tmp_path / "begun").read_text().split()) == 2


@pytest.mark.requirement("R7")
def test_runs_that_ended_after_the_backup_are_recorded_as_lost(tmp_path: Path, config: Path, kind: str) -> None:
    job = Job(id="work", shell=f"echo x | tee -a {tmp_path}/begun", on_crash="rerun")

    def open_scheduler() -> Scheduler:
        return Scheduler(directory=tmp_path / "state", store=kind, jobs=[job])

    async def run_before_and_after_backup() -> list[Run]:
        async with asyncio.timeout(60), open_scheduler() as scheduler:
            before = await scheduler.wait(await scheduler.trigger("work"))
            await scheduler.backup(tmp_path / "backup")
            return [before, await scheduler.wait(await scheduler.trigger("work"))]

    async def read_history() -> tuple[list[Run], str]:
        async with asyncio.timeout(60), open_scheduler() as scheduler:
            runs = await scheduler.history()
            return runs, "".join([await scheduler.read_output(run.id) for run in runs])

    before, after = asyncio.run(run_before_and_after_backup())
    restore(Project.load(config), tmp_path / "backup", replace=True)
    for _ in range(2):  # the second start finds it recorded
        runs, output = asyncio.run(read_history())
        assert [(run.id, str(run.state)) for run in runs] == [(after.id, "lost"), (before.id, "succeeded")]
        assert abs(runs[0].queued_at - after.queued_at) < timedelta(milliseconds=1)
        assert runs[0].reason == StoreReverted()
        assert output == "x\nx\n"
    assert (tmp_path / "begun").read_text() == "x\nx\n"
