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


def test_sources_are_listed_with_what_they_do_and_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(source_supervisor, "MIN_RESTART_DELAY_SECONDS", 600.0)

    async def script(watch):
        if watch.job == "bad":
            raise OSError("no such place")
        if watch.job == "good":
            await watch.emit("one")
        await forever(watch)

    async def work(scheduler):
        inputs = scheduler.runtime.inputs
        await until(lambda: inputs.failed_sources() and any(one.reported_at for one in inputs.list_sources()))
        return inputs.list_sources()

    monkeypatch.setattr(stage, "script", script)
    found = run_with_scheduler(tmp_path, work, job("good"), job("quiet"), job("bad"))
    assert found[0].place == "bad.on-x"
    assert {one.place: (one.state, one.reported_at is not None) for one in found} == {
        "bad.on-x": ("failed", False), "good.on-x": ("watching", True), "quiet.on-x": ("watching", False),
    }  # fmt: skip
