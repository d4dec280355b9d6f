"""Sources: their occurrences lead to runs, and none can disturb another."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from tests.support.control_peer import in_time
from tests.support.log_lines import captured_log
from tests.support.refusing_store import RefusingStore

from rae_auto import Interval, Job, Overlap, RunState, Scheduler, TriggerRef
from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.engine.plan import Settings
from rae_auto.registry import Registry
from rae_auto.runtime import engine_loop, inputs, source_supervisor

AT = datetime(2026, 1, 31, 18, tzinfo=UTC)


class Stage:
    """The script of a test's sources, and their progress."""

    def __init__(self) -> None:
        self.script: Callable[[TriggerContext], Awaitable[None]] = forever
        self.sweep()

    def sweep(self) -> None:
        self.starts: list[str] = []
        self.ended: list[str] = []
        self.watches: asyncio.Queue[tuple[str, TriggerContext]] = asyncio.Queue()
        self.ends: asyncio.Queue[str] = asyncio.Queue()

    async def begins(self, name: str) -> TriggerContext:
        """The watch of the next source to begin, which is called so."""
        starts, watch = await self.watches.get()
        return watch if starts == name else pytest.fail(f"{starts} began")


async def forever(context: TriggerContext) -> None:
    await asyncio.Event().wait()


stage = Stage()


@frozen
class Scripted(SourceTrigger):
    type = "scripted"
    name: str = ""

    async def watch(self, context: TriggerContext) -> None:
        stage.starts.append(self.name)
        stage.watches.put_nowait((self.name, context))
        try:
            await stage.script(context)
        finally:
            stage.ended.append(self.name)
            stage.ends.put_nowait(self.name)


class WithScripted:
    """The installed plugins, and the source of this page."""

    def __init__(self) -> None:
        self._installed = Registry()

    def names(self, kind: Kind) -> Any:
        return [*self._installed.names(kind), *({Scripted.type} if kind is Kind.TRIGGER else ())]

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        return Scripted if (kind, name) == (Kind.TRIGGER, Scripted.type) else self._installed.get(kind, name)


@pytest.fixture(autouse=True)
def _empty_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "script", forever)
    # What is restarted is restarted at once.
    monkeypatch.setattr(source_supervisor, "MIN_RESTART_DELAY_SECONDS", 0.0)


@pytest.fixture
def log() -> Iterator[list[str]]:
    with captured_log("{level} {extra} {message}", "ERROR") as lines:
        yield lines


def job(id: str = "a", *names: str, **fields: Any) -> Job:
    """A job with a source of each name, called after itself."""
    refs = [TriggerRef("scripted", {"name": name}, f"on-{name}") for name in names or ("x",)]
    return Job(id=id, python="time:time", schedule=refs, **{"overlap": Overlap.ALLOW, **fields})


def run_with_scheduler(directory: Path, work: Callable[[Scheduler], Awaitable[Any]], *jobs: Job) -> Any:
    """Return the result of `work` with an open scheduler and a clean stage."""

    async def main() -> Any:
        stage.sweep()
        async with Scheduler(directory=directory, store="json", plugins=WithScripted(), jobs=jobs) as scheduler:
            return await work(scheduler)

    return in_time(main)


async def ends(scheduler: Scheduler) -> list[Any]:
    """The runs so far, once they are over."""
    return [await scheduler.wait(run.id) for run in await scheduler.history()]


# What is told


def test_emitted_occurrence_leads_to_a_run_with_its_event(tmp_path):
    async def work(scheduler):
        watch = await stage.begins("x")
        await watch.emit("key", {"path": "/tmp/new"}, AT)
        return watch, await ends(scheduler)

    watch, (run,) = run_with_scheduler(tmp_path, work, job())
    assert (run.job, run.trigger, run.key, run.event) == ("a", "on-x", "key", {"path": "/tmp/new"})
    assert (run.state, run.scheduled_for) == (RunState.SUCCEEDED, AT)
    assert (watch.job, watch.trigger, watch.directory) == ("a", "on-x", tmp_path / "triggers" / "a" / "on-x")


def test_occurrence_without_an_instant_happened_now(tmp_path):
    async def work(scheduler):
        before = scheduler.runtime.now()
        await (await stage.begins("x")).emit("key")
        (run,) = await ends(scheduler)
        return before <= run.scheduled_for <= scheduler.runtime.now()

    assert run_with_scheduler(tmp_path, work, job())


@pytest.mark.requirement("R3")
def test_repeated_key_leads_to_one_run_also_after_a_restart(tmp_path):
    async def work(scheduler):
        watch = await stage.begins("x")
        await asyncio.gather(*(watch.emit("same") for _ in range(3)))
        return await ends(scheduler)

    first = run_with_scheduler(tmp_path, work, job())
    assert len(first) == 1
    assert run_with_scheduler(tmp_path, work, job()) == first


def test_other_keys_triggers_and_jobs_lead_to_runs_of_their_own(tmp_path):
    async def work(scheduler):
        watches = {watch.job + watch.trigger: watch for _, watch in [await stage.watches.get() for _ in range(3)]}
        for name in ("aon-x", "aon-y", "bon-x"):
            await watches[name].emit("key")
        await watches["aon-x"].emit("another")
        return sorted((run.job, run.trigger, run.key) for run in await ends(scheduler))

    assert run_with_scheduler(tmp_path, work, job("a", "x", "y"), job("b")) == [
        ("a", "on-x", "another"),
        ("a", "on-x", "key"),
        ("a", "on-y", "key"),
        ("b", "on-x", "key"),
    ]


def test_occurrence_is_durable_when_emit_returns(tmp_path):
    async def work(scheduler):
        await (await stage.begins("x")).emit("key")
        return await scheduler.history()

    (run,) = run_with_scheduler(tmp_path, work, job())
    assert run.key == "key"


@pytest.mark.requirement("R23")
def test_occurrence_emitted_while_commits_fail_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_loop, "COMMIT_RETRY_SECONDS", (0.01,))
    monkeypatch.setattr(inputs, "RETRY_OCCURRENCE_SECONDS", 0.01)
    store = RefusingStore()

    async def work():
        stage.sweep()
        async with Scheduler(directory=tmp_path, store=store, plugins=WithScripted(), jobs=[job()]) as scheduler:
            watch = await stage.begins("x")
            store.refusals = 5
            await watch.emit("k")
            return await scheduler.history("a")

    assert [run.key for run in in_time(work)] == ["k"]
    assert store.refusals == 0


def test_a_policy_that_says_no_is_no_error_of_the_source(tmp_path):
    async def work(scheduler):
        await scheduler.pause("a")
        watch = await stage.begins("x")
        waiting = await watch.emit("key")
        refused = await watch.emit("other key")
        runs = await scheduler.history()
        return [run.id for run in runs] == [waiting.run], refused.reason.code

    assert run_with_scheduler(tmp_path, work, evolve(job(), overlap="skip")) == (True, "overlap")
    assert stage.starts == ["x"]


# What goes wrong


def test_a_source_that_fails_is_logged_and_started_again_ever_later(tmp_path, log, monkeypatch):
    monkeypatch.setattr(source_supervisor, "MIN_RESTART_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(source_supervisor, "MAX_RESTART_DELAY_SECONDS", 0.003)
    delays = []
    sleep = asyncio.sleep

    async def noting_sleep(delay):
        delays.append(delay)
        await sleep(0)

    async def script(watch):
        if len(stage.starts) <= 4:
            monkeypatch.setattr(source_supervisor.asyncio, "sleep", noting_sleep)
            raise OSError("no such\nplace")
        monkeypatch.setattr(source_supervisor.asyncio, "sleep", sleep)
        await watch.emit("key")
        await forever(watch)

    async def work(scheduler):
        for _ in range(5):
            await stage.begins("x")
        async for event in scheduler.events():
            if event["kind"] == "run" and event["run"]["state"] == "succeeded":
                return

    stage.script = script
    run_with_scheduler(tmp_path, work, job())
    assert [delay for delay in delays if delay] == [0.001, 0.002, 0.003, 0.003]
    assert len(log) == 4
    assert all('trigger "on-x" starts again in' in line and "\n" not in line for line in log)


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("error", [RuntimeError("oh no"), SystemExit(3)], ids=repr)
def test_a_source_that_fails_is_in_nobodys_way(tmp_path, log, error):
    async def script(watch):
        if watch.job == "bad":
            raise error
        await forever(watch)

    async def work(scheduler):
        watches = {}
        while "good" not in watches or len(stage.starts) < 3:
            _, watch = await stage.watches.get()
            watches[watch.job] = watch
        await watches["good"].emit("key")
        await scheduler.trigger("bad")
        return sorted(run.job for run in await ends(scheduler))

    stage.script = script
    assert run_with_scheduler(tmp_path, work, job("bad"), job("good")) == ["bad", "good"]
    assert repr(error) in log[0]


def test_a_source_that_returns_has_ended_for_good(tmp_path):
    async def script(watch):
        await watch.emit("last")

    async def work(scheduler):
        await stage.ends.get()
        await scheduler.runtime.reconfigure([job()], Settings(), "UTC", {})
        return [run.key for run in await ends(scheduler)]

    stage.script = script
    with captured_log(level="WARNING") as lines:
        assert run_with_scheduler(tmp_path, work, job()) == ["last"]
    assert stage.starts == ["x"]
    assert lines == ['trigger "on-x" has ended, so it reports nothing more']


@pytest.mark.requirement("R35")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"event": {"size": float("nan")}}, "size: invalid number nan"),
        ({"event": ["no object"]}, "must be a JSON object"),
        ({"event": {"deep": [{1: "number"}]}}, "deep.0.: a key is not text"),
        ({"event": {1: "number"}}, "a key is not text"),
        ({"event": {"what": object()}}, "what: object is not a JSON value"),
        ({"at": datetime(2026, 1, 31)}, "has no offset"),
        ({"key": 7}, "key"),
    ],
)
def test_what_can_not_be_kept_is_an_error_of_the_source_alone(tmp_path, arguments, why):
    async def work(scheduler):
        watch = await stage.begins("x")
        with pytest.raises(ValueError, match=why):
            await watch.emit(**{"key": "bad", **arguments})
        await watch.emit("good")
        return [run.key for run in await ends(scheduler)]

    assert run_with_scheduler(tmp_path, work, job()) == ["good"]


# Jobs come and go


def test_a_job_that_is_added_is_watched_and_one_that_is_removed_no_more(tmp_path):
    async def work(scheduler):
        await scheduler.add_job(job())
        await stage.begins("x")
        await scheduler.remove_job("a")
        await stage.ends.get()

    run_with_scheduler(tmp_path, work)
    assert (stage.starts, stage.ended) == (["x"], ["x"])


def test_a_job_that_is_kept_is_watched_after_a_restart(tmp_path):
    async def first(scheduler):
        await scheduler.add_job(job())

    async def second(scheduler):
        await (await stage.begins("x")).emit("key")
        return [run.key for run in await ends(scheduler)]

    run_with_scheduler(tmp_path, first)
    assert run_with_scheduler(tmp_path, second) == ["key"]


def test_of_a_job_that_is_replaced_equal_sources_watch_on(tmp_path):
    async def work(scheduler):
        await scheduler.add_job(job("a", "x", "y"))
        kept = await stage.begins("x")
        await stage.begins("y")
        await scheduler.add_job(job("a", "x", "z", timeout="1h"), replace=True)
        await stage.begins("z")
        await stage.ends.get()
        assert stage.ended == ["y"]
        await kept.emit("key")
        return [run.trigger for run in await ends(scheduler)]

    assert run_with_scheduler(tmp_path, work) == ["on-x"]
    assert stage.starts == ["x", "y", "z"]


def test_a_source_of_other_options_begins_when_the_old_one_has_tidied_up(tmp_path):
    def with_option(name):
        return Job(id="a", python="time:time", schedule=TriggerRef("scripted", {"name": name}, "same"))

    async def script(watch):
        try:
            await forever(watch)
        finally:
            for _ in range(20):
                await asyncio.sleep(0)

    async def work(scheduler):
        await scheduler.add_job(with_option("old"))
        await stage.begins("old")
        await scheduler.add_job(with_option("new"), replace=True)
        await stage.begins("new")
        return list(stage.ended)

    stage.script = script
    assert run_with_scheduler(tmp_path, work) == ["old"]


def test_a_configuration_that_is_read_again_begins_and_ends_sources(tmp_path):
    async def work(scheduler):
        await stage.begins("x")
        plain = Job(id="plain", python="time:time", schedule=Interval("1d"))
        await scheduler.runtime.reconfigure([job("b", "y"), plain], Settings(), "UTC", {})
        await stage.begins("y")
        await stage.ends.get()
        return list(stage.ended)

    assert run_with_scheduler(tmp_path, work, job("a", "x")) == ["x"]


# The end


def test_closing_ends_every_source(tmp_path, log):
    async def work(scheduler):
        for name in ("x", "y"):
            await stage.begins(name)

    run_with_scheduler(tmp_path, work, job("a", "x", "y"))
    assert sorted(stage.ended) == ["x", "y"]
    assert log == []


def test_what_fails_while_it_is_ended_is_not_started_again(tmp_path):
    async def script(watch):
        try:
            await forever(watch)
        finally:
            raise OSError("can't tidy up")

    async def work(scheduler):
        await stage.begins("x")
        await stage.begins("y")
        await scheduler.remove_job("b")
        await stage.ends.get()

    async def adding(scheduler):
        await scheduler.add_job(job("b", "y"))
        await work(scheduler)

    stage.script = script
    run_with_scheduler(tmp_path, adding, job("a", "x"))
    assert (stage.starts, sorted(stage.ended)) == (["x", "y"], ["x", "y"])


def test_close_waits_for_cleanup_of_all_sources(tmp_path):
    may_end = asyncio.Event()
    tidied = []

    async def script(watch):
        try:
            await forever(watch)
        finally:
            await may_end.wait()
            tidied.append(watch.job)

    async def work(scheduler):
        await scheduler.add_job(job("b", "y"))
        assert await stage.begins("x") and await stage.begins("y")
        await scheduler.remove_job("b")
        closing = asyncio.ensure_future(scheduler.close(timedelta(0)))
        await scheduler.wait_stopped()
        may_end.set()
        await closing
        return list(tidied)

    stage.script = script
    assert sorted(run_with_scheduler(tmp_path, work, job("a", "x"))) == ["a", "b"]
