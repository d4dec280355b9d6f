"""A scheduler on a store that was restored from a backup with an open run."""

import asyncio
from pathlib import Path

import pytest

from rae_auto import Job, Scheduler
from rae_auto.offline.project import Project
from rae_auto.offline.restore import restore
from rae_auto.paths import RESTORED_MARK
from rae_auto.records.setbacks import read_setbacks


@pytest.mark.requirement("R7")
@pytest.mark.parametrize("kind", ["sqlite", "json"])
def test_restored_backup_with_open_runs_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    config = tmp_path / "rae.toml"
    config.write_text(f'store = "{kind}"\n')
    config.chmod(0o600)
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
