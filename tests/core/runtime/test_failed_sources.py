"""Sources and what is known of them for the health of the daemon: failures, and when they reported something last."""

from tests.core.runtime.test_source_supervisor import AT, ends, forever, job, run_with_scheduler, stage
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


def test_report_of_a_source_goes_with_it(tmp_path):
    """A source keeps when it reported last under a new id of its job, and one that comes after it begins without."""

    async def work(scheduler):
        def reports():
            return {one.place: one.reported_at is not None for one in scheduler.runtime.inputs.list_sources()}

        await scheduler.add_job(job())
        await (await stage.begins("x")).emit("key", {}, AT)
        await ends(scheduler)
        first = reports()
        await scheduler.rename_job("a", "b")
        renamed = reports()
        # One that is cancelled before its first step reports no end.
        await stage.begins("x")
        await scheduler.remove_job("b")
        for _ in range(2):
            await stage.ends.get()
        for name in ("a", "b"):
            await scheduler.add_job(job(name))
            await stage.begins("x")
        return first, renamed, reports()

    assert run_with_scheduler(tmp_path, work) == (
        {"a.on-x": True},
        {"b.on-x": True},
        {"a.on-x": False, "b.on-x": False},
    )
