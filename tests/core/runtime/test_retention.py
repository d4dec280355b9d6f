"""The janitor at work: on real stores and files."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from attrs import evolve
from loguru import logger
from tests.support.waiting import eventually

from rae_auto import Job, Retention, Run, RunState, Scheduler, SyncScheduler
from rae_auto.api.store import Append, Change, LogQuery, Put, RetentionRule, Store
from rae_auto.engine.effects import Record
from rae_auto.errors import StoreError
from rae_auto.model import documents
from rae_auto.model.job import JobId
from rae_auto.model.policies import Limits
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Due
from rae_auto.records.retention_rules import rules
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.runtime import retention, silence_library
from rae_auto.runtime.event_recorder import EventRecorder
from rae_auto.runtime.repository import Repository
from rae_auto.runtime.retention import HistoryBounds
from rae_auto.testing.memory_store import MemoryStore
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.sqlite import SqliteStore

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def run_id(number: int) -> RunId:
    return RunId(f"{number:026}")


def finished(number: int, *, days: float = 0, job: str = "job", state: RunState = RunState.SUCCEEDED) -> Append:
    run = a_run(number, job, state)
    return Append(documents.RUNS, run.id, job, state, NOW - timedelta(days=days), documents.dump(run))


def a_run(number: int, job: str = "job", state: RunState = RunState.RUNNING) -> Run:
    id = run_id(number)
    return Run(id=id, job=JobId(job), trigger="t", key=id, scheduled_for=NOW, queued_at=NOW, cause=Due(), state=state)


class RetentionWorld:
    """A store with what was committed, and the files of its runs."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.store, self.directory = store, directory
        self.outputs = directory / "output" / "job"
        self.outputs.mkdir(parents=True)
        store.open(directory)

    def prints(self, *numbers: int, size: int = 10) -> None:
        for number in numbers:
            for kind in ("log", "start", "exit"):
                (self.outputs / f"{run_id(number)}.1.{kind}").write_bytes(b"x" * (size if kind == "log" else 0))

    def tidy(self, retention: Retention, *, for_orphans: bool = False) -> None:
        async def main() -> None:
            opened = frozenset(body["id"] for _, body in self.store.load(documents.RUN))
            bounds = HistoryBounds(
                Repository(self.store), self.directory, lambda: retention, lambda: NOW, lambda _: opened
            )
            async with asyncio.timeout(60):
                await bounds.apply(for_orphans=for_orphans)

        asyncio.run(main())

    def runs(self) -> list[int]:
        return sorted(int(body["id"]) for body in self.store.query(documents.RUNS, LogQuery(limit=9999)))

    def printed(self) -> list[int]:
        names = [path.name for path in self.outputs.iterdir()]
        return sorted({int(name.split(".")[0]) for name in names})


@pytest.fixture(params=[SqliteStore, JsonStore, MemoryStore])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., RetentionWorld]:
    made = []

    def make(changes: Sequence[Change] = ()) -> RetentionWorld:
        world = RetentionWorld(request.param(), tmp_path)
        world.store.commit(changes)
        made.append(world)
        return world

    yield make
    for one in made:
        one.store.close()


@pytest.mark.requirement("R26")
def test_old_runs_go_with_all_their_files_and_failures_later(world) -> None:
    failed = RunState.FAILED
    w = world([finished(1, days=400, state=failed), finished(2, days=100, state=failed), finished(3, days=100)])
    w.store.commit([finished(4, days=80)])
    w.prints(1, 2, 3, 4)
    w.tidy(Retention())
    assert (w.runs(), w.printed()) == ([2, 4], [2, 4])


@pytest.mark.requirement("R26")
def test_of_each_job_the_newest_stay(world) -> None:
    w = world([finished(n, days=n / 10, job="ab"[n % 2]) for n in range(20)])
    w.prints(*range(20))
    w.tidy(Retention(runs=3))
    assert w.runs() == w.printed() == list(range(6))


@pytest.mark.requirement("R26")
def test_more_than_one_step_removes_is_removed(world) -> None:
    w = world([finished(n, days=n / 1000) for n in range(1700)])
    w.tidy(Retention(runs=7))
    assert w.runs() == list(range(7))


@pytest.mark.requirement("R26")
def test_decisions_are_bounded_for_each_job(world) -> None:
    w = world(
        [
            Append(documents.DECISIONS, str(n), "ab"[n % 2], "overlap", NOW - timedelta(days=n * 9), {"n": n})
            for n in range(20)
        ]
    )
    w.tidy(Retention(runs=4))
    assert [body["n"] for body in w.store.query(documents.DECISIONS, LogQuery())] == list(range(8))
    w.tidy(Retention(keep="30d"))
    assert [body["n"] for body in w.store.query(documents.DECISIONS, LogQuery())] == list(range(4))


@pytest.mark.requirement("R26")
def test_retention_removes_oldest_output_but_not_of_open_runs(world) -> None:
    opened = Put(documents.RUN, run_id(1), documents.dump(a_run(1)))
    w = world([opened, *(finished(n) for n in range(2, 7))])
    w.prints(1, 2, 3, 4, 5, 6, size=10)
    w.tidy(Retention(output=25))
    assert w.printed() == [1, 5, 6]
    assert w.runs() == [2, 3, 4, 5, 6]


def test_files_with_events_go_with_their_runs_and_count_as_their_output(world) -> None:
    w = world([finished(1, days=400), finished(2), finished(3)])
    for number in (1, 2, 3, 4):
        (w.outputs / f"{run_id(number)}.event.json").write_bytes(b"x" * 10)
    (w.outputs / f".{run_id(5)}.event.json.123.tmp").touch()
    (w.outputs / f"{run_id(2)}.1.start.tmp").touch()
    w.tidy(Retention(), for_orphans=True)
    assert [path.name for path in sorted(w.outputs.iterdir())] == [f"{run_id(n)}.event.json" for n in (2, 3)]
    w.tidy(Retention(output=15))
    assert [path.name for path in w.outputs.iterdir()] == [f"{run_id(3)}.event.json"]


def test_retention_removes_orphaned_output_in_the_first_round(world) -> None:
    w = world([finished(1), Put(documents.RUN, run_id(2), documents.dump(a_run(2)))])
    w.prints(1, 2, 3)
    w.tidy(Retention())
    assert w.printed() == [1, 2, 3]
    w.tidy(Retention(), for_orphans=True)
    assert w.printed() == [1, 2]
    (w.outputs / "notes.txt").write_text("mine")
    w.tidy(Retention(), for_orphans=True)
    assert (w.outputs / "notes.txt").exists()


def test_first_round_reads_no_history_for_a_few_files(world, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history of a million runs took ten seconds of processor time after each start."""
    w = world([finished(number) for number in range(1, 100)])
    w.prints(1, 200)

    def refuse(_: Store) -> None:
        raise AssertionError("the whole store is read")

    monkeypatch.setattr(type(w.store), "dump", refuse)
    w.tidy(Retention(), for_orphans=True)
    assert w.printed() == [1]


def test_without_any_output_there_is_nothing_to_do(world) -> None:
    w = world([finished(1)])
    w.outputs.rmdir()
    w.tidy(Retention(), for_orphans=True)
    assert w.runs() == [1]


@pytest.mark.requirement("R26")
def test_a_scheduler_tidies_when_it_opens(tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            async with Scheduler(directory=tmp_path) as scheduler:
                await scheduler.add_job(Job(id="job", command=["echo"]))
                runs = [(await scheduler.wait(await scheduler.trigger("job"))).id for _ in range(4)]
            async with Scheduler(directory=tmp_path, retention=Retention(runs=2)) as scheduler:
                in_thread = SyncScheduler.of(scheduler)
                await asyncio.to_thread(eventually, lambda: len(in_thread.history()) == 2)
                assert [run.id for run in await scheduler.history()] == runs[:1:-1]
                await asyncio.to_thread(eventually, lambda: printed() == set(runs[2:]))

    def printed() -> set[str]:
        return {path.name.split(".")[0] for path in (tmp_path / "output" / "job").iterdir()}

    asyncio.run(main())


def test_failed_pruning_is_reported_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[bool] = []
    said: list[str] = []
    third = asyncio.Event()

    async def failing(_: HistoryBounds, *, for_orphans: bool) -> None:
        passes.append(for_orphans)
        if len(passes) == 3:
            third.set()
        if len(passes) == 1:
            raise StoreError("the disk is full")

    async def main() -> None:
        async with asyncio.timeout(60):
            bounds = HistoryBounds(Repository(MemoryStore()), tmp_path, Retention, lambda: NOW)
            going = asyncio.create_task(bounds.run())
            await third.wait()
            going.cancel()

    monkeypatch.setattr(HistoryBounds, "apply", failing)
    monkeypatch.setattr(retention, "RETENTION_PERIOD_SECONDS", 0)
    logger.enable("rae_auto")
    sink = logger.add(lambda line: said.append(str(line)), format="{message}")
    try:
        asyncio.run(main())
    finally:
        logger.remove(sink)
        silence_library()
    # Orphans are looked for until that has succeeded once.
    assert passes[:3] == [True, True, False]
    assert said == ["old history could not be removed: the disk is full\n"]


def test_nothing_is_removed_before_the_history_is_checked(tmp_path: Path) -> None:
    """Removals find records by indexes, and a damaged one names the wrong records."""
    happened: list[str] = []

    class Unchecked(MemoryStore):
        def make_check(self) -> Callable[[], None]:
            return lambda: happened.append("checked")

        def prune(self, log: str, rule: RetentionRule) -> list[str]:
            happened.append("pruned")
            return []

        def find_keys(self, log: str, keys: Collection[str]) -> set[str]:
            happened.append("looked up")
            return set()

    async def main() -> None:
        store = Unchecked()
        store.open(tmp_path)
        bounds = HistoryBounds(Repository(store), tmp_path, Retention, lambda: NOW)
        await asyncio.gather(bounds.apply(for_orphans=True), bounds.apply(for_orphans=True))

    asyncio.run(main())
    assert happened[0] == "checked"
    assert happened.count("checked") == 1
    assert "pruned" in happened


class SlowCheck(MemoryStore):
    """A store whose check lasts until it is told to end."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end, self.pruned = Event(), list[str]()

    def make_check(self) -> Callable[[], None]:
        def check() -> None:
            self.may_end.wait(60)

        return check

    def prune(self, log: str, rule: RetentionRule) -> list[str]:
        assert self.may_end.is_set()
        self.pruned.append(log)
        return []


def test_ends_are_tidied_while_a_long_history_is_checked(tmp_path: Path) -> None:
    """Only what removes records waits for the check, and comes when that has ended."""
    store, confirmed = SlowCheck(), list[str]()

    def has_bounded_output() -> bool:
        return not list((tmp_path / "output" / "job").iterdir())

    async def main() -> None:
        store.open(tmp_path)
        (tmp_path / "output" / "job").mkdir(parents=True)
        bounds = HistoryBounds(Repository(store), tmp_path, lambda: Retention(output=0, runs=1), lambda: NOW)
        bounds.on_ends = lambda ends: confirmed.extend(run for run, _ in ends)
        going = asyncio.create_task(bounds.run())
        for number in range(3):
            (tmp_path / "output" / "job" / f"{run_id(number)}.1.log").write_text("x" * 100)
            bounds.note([Record(evolve(a_run(number, state=RunState.SUCCEEDED), attempt=1))])
            await asyncio.to_thread(eventually, lambda: has_bounded_output() and len(confirmed) == number + 1)  # noqa: B023
        assert store.pruned == []
        store.may_end.set()
        await asyncio.to_thread(eventually, lambda: documents.DECISIONS in store.pruned)
        going.cancel()

    asyncio.run(main())
    assert confirmed == [run_id(number) for number in range(3)]


def test_only_output_that_was_there_at_the_start_can_be_unknown(tmp_path: Path) -> None:
    """A store that goes back in use forgets newer runs, whose output then proves that they ran."""
    store, place = SlowCheck(), tmp_path / "output" / "job"

    async def main() -> None:
        await Repository(store).open(tmp_path)
        place.mkdir(parents=True)
        before, later = (place / f"{run_id(number)}.1.log" for number in range(2))
        before.touch()
        bounds = HistoryBounds(Repository(store), tmp_path, lambda: Retention(output=0), lambda: NOW)
        ended = asyncio.Event()
        bounds.on_ends = lambda _: ended.set()
        going = bounds.start()
        bounds.note([Record(a_run(5, state=RunState.SUCCEEDED))])
        await asyncio.wait_for(ended.wait(), 60)  # It has looked at what is there.
        later.touch()
        store.may_end.set()
        await asyncio.to_thread(eventually, lambda: not before.exists())
        assert later.exists()
        going.cancel()

    asyncio.run(main())


def test_events_are_deleted_once_the_history_is_checked(tmp_path: Path) -> None:
    store = SlowCheck()

    async def main() -> int:
        repository = Repository(store)
        await repository.open(tmp_path)
        deleting = asyncio.create_task(EventRecorder(repository, lambda: NOW, lambda _: None).delete(["*"], None))
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            while not repository.is_checking:  # noqa: ASYNC110 - until it is going on
                await asyncio.sleep(0.001)
        store.may_end.set()
        return await deleting

    assert asyncio.run(main()) == 0
    assert store.pruned == [documents.EVENTS]


def run_jobs(tmp_path: Path, job: Job, times: int, retention: Retention, check: Callable[[], object]) -> None:
    """Run a job so many times, and wait until a check holds, long before the hourly round."""

    async def main() -> None:
        async with asyncio.timeout(60):
            async with Scheduler(directory=tmp_path, jobs=[job], retention=retention) as scheduler:
                for _ in range(times):
                    await scheduler.wait(await scheduler.trigger(job.id))
                await asyncio.to_thread(eventually, check)

    asyncio.run(main())


@pytest.mark.requirement("R26")
def test_quiet_run_leaves_no_files(tmp_path: Path) -> None:
    (claim_state_directory(tmp_path) / "output" / "job").mkdir(parents=True)

    def is_empty() -> bool:
        return not list((tmp_path / "output" / "job").iterdir())

    run_jobs(tmp_path, Job(id="job", command="true"), 3, Retention(), is_empty)


@pytest.mark.requirement("R26")
def test_stop_leaves_no_files_of_the_last_run(tmp_path: Path) -> None:
    run_jobs(tmp_path, Job(id="job", command="true"), 1, Retention(), lambda: True)
    assert not list((tmp_path / "output" / "job").iterdir())


@pytest.mark.requirement("R26", "R30")
def test_output_of_a_job_is_bounded_as_its_runs_end(tmp_path: Path) -> None:
    """A flood of each run is as large as the bound for all of them."""

    def files() -> list[Path]:
        return list((tmp_path / "output" / "job").iterdir())

    def has_newest_only() -> bool:
        return [path.suffix for path in files()] == [".log"]

    flood = Job(id="job", shell="head -c 300000 /dev/zero", limits=Limits(output="10MB"))
    run_jobs(tmp_path, flood, 4, Retention(output=100_000), has_newest_only)
    (path,) = files()
    assert path.stat().st_size <= 101_000


@pytest.mark.requirement("R26")
def test_number_of_runs_is_bounded_as_runs_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine a step counts as slow, and the next one would come a minute later.
    monkeypatch.setattr(retention, "SLOW_PRUNE_PAUSE_SECONDS", 0.1)

    def has_two_runs() -> bool:
        return len({path.name.split(".")[0] for path in (tmp_path / "output" / "job").iterdir()}) <= 2

    run_jobs(tmp_path, Job(id="job", command=["echo"]), 6, Retention(runs=2), has_two_runs)


@pytest.mark.requirement("R26")
def test_pause_after_slow_pruning_is_a_minute_at_most() -> None:
    """A step of two seconds once held up all others for half an hour, while the history grew."""
    assert [retention.pause_after(seconds) for seconds in (0.01, 0.06, 2.0, 300.0)] == [0.5, 60, 60, 60]


@pytest.mark.requirement("R26")
def test_retention_of_one_job_leaves_the_others_alone(world) -> None:
    w = world([finished(n, job="ab"[n % 2]) for n in range(10)])
    ((log, rule), *_) = rules(Retention(runs=1), NOW, job="a")
    assert sorted(int(key) for key in w.store.prune(log, rule)) == [0, 2, 4, 6]
    assert w.runs() == [1, 3, 5, 7, 8, 9]


def test_clock_set_a_year_ahead_removes_no_history(tmp_path):
    store, clock = MemoryStore(), [Moment(NOW, 0.0)]
    store.open(tmp_path)
    store.commit([finished(1, days=1), finished(2, days=300)])

    async def main() -> tuple[list[str], list[str]]:
        left = []
        bounds = HistoryBounds(
            Repository(store), tmp_path, Retention, lambda: clock[0].wall, lambda _: frozenset(), lambda: clock[0]
        )
        for wall, mono in ((NOW, 0), (NOW + timedelta(days=365), 60)):
            clock[0] = Moment(wall, mono)
            await bounds.apply(for_orphans=False)
            left.append([entry["id"] for entry in store.query(documents.RUNS, LogQuery(limit=9))])
        return left[0], left[1]

    first, second = asyncio.run(main())
    assert first == second == [run_id(1)]
