"""Sources that failed and wait to be started again are known, for the health of the daemon."""

from tests.core.runtime.test_source_supervisor import forever, job, run_with_scheduler, stage
from tests.support.waiting import until

from rae_auto.runtime import source_supervisor


def test_source_that_waits_to_be_started_again_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(source_supervisor, "MIN_RESTART_DELAY_SECONDS", 600.0)

    async def script(watch):
        if watch.job == "bad":
            raise OSError("no such place")
        await forever(watch)

    async def work(scheduler):
        await scheduler.add_job(job("bad"))
        failed = scheduler.runtime.inputs.failed_sources()
        await until(lambda: failed)
        found = dict(failed)
        await scheduler.remove_job("bad")
        await until(lambda: not failed)
        return found

    monkeypatch.setattr(stage, "script", script)
    found = run_with_scheduler(tmp_path, work, job("good"))
    assert found == {"bad.on-x": "OSError('no such place')"}
