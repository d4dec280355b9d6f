"""Guards are read when a run could start, and a broken one does no harm to others."""

import asyncio
import re
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from attrs import field, frozen
from tests.support.control_peer import in_time

from rae_auto import Job, RunState, Scheduler, TriggerRef
from rae_auto.api import ComputedGuard, GuardResult, ReadGuard, SourceTrigger, TriggerContext, Verdict
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.errors import InvalidJob
from rae_auto.explain.engine_source import explain_job
from rae_auto.model.plugin_ref import GuardRef
from rae_auto.registry import Registry, safe_guard
from rae_auto.registry.quarantine import MAX_FAILURES_IN_A_ROW, Quarantine
from rae_auto.registry.safe_guard import SafeGuard
from rae_auto.runtime.plugins import guard_reader as guards_module
from rae_auto.testing.memory_store import MemoryStore


class Stage:
    """Results of the guards of a test, by name, and the calls that they got."""

    def __init__(self) -> None:
        self.sweep()

    def sweep(self) -> None:
        self.results: dict[str, Any] = {}
        self.asked: list[str] = []
        self.over = asyncio.Event()


stage = Stage()


@frozen
class Staged(ReadGuard):
    """Answers as its stage says: with an answer, an error, a list, nothing, or nothing even when cancelled."""

    type = "staged"
    name: str = field(metadata={"help": "which of the stage's answers"})

    async def read(self) -> GuardResult:
        stage.asked.append(self.name)
        result = stage.results[self.name]
        if isinstance(result, list):
            result = result.pop(0)
        if result == "nothing":
            await asyncio.Event().wait()
        while result == "stubborn":
            with suppress(asyncio.CancelledError):
                await stage.over.wait()
                result = None
        if isinstance(result, BaseException):
            raise result
        return result


@frozen
class Odd(ComputedGuard):
    """Answers nonsense."""

    type = "odd"
    change: datetime | None = None

    def evaluate(self, instant: datetime) -> GuardResult:
        return stage.results.get("odd", "yes")

    def changes_after(self, instant: datetime) -> datetime | None:
        return self.change or instant


@frozen
class Bell(SourceTrigger):
    """Rings once, at once."""

    type = "bell"

    async def watch(self, context: TriggerContext) -> None:
        await context.emit("ring")


@frozen
class Tabled(ReadGuard):
    """Can't be hashed."""

    type = "tabled"
    _table: dict = field(init=False, factory=dict)

    async def read(self) -> GuardResult:
        return GuardResult(Verdict.YES, "well")


class WithStaged:
    """The installed plugins, and those of this page."""

    own: ClassVar = {(Kind.GUARD, guard.type): guard for guard in (Staged, Odd, Tabled)} | {
        (Kind.TRIGGER, "bell"): Bell
    }

    def __init__(self) -> None:
        self._installed = Registry()

    def names(self, kind: Kind) -> Any:
        return [*self._installed.names(kind), *(name for of, name in self.own if of is kind)]

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        return self.own.get((kind, name)) or self._installed.get(kind, name)


@pytest.fixture(autouse=True)
def _empty_stage():
    stage.sweep()


def rung(id="a", *guards, **fields):
    refs = [GuardRef("staged", {"name": name}, name) if isinstance(name, str) else name for name in guards]
    short = {"guard_timeout": timedelta(milliseconds=1), **fields}
    return Job(id=id, python="time:time", schedule=TriggerRef("bell"), guards=refs, **short)


def run_with_scheduler(tmp_path, work, *jobs):
    async def play():
        scheduler = Scheduler(directory=tmp_path, store=MemoryStore(), jobs=jobs, plugins=WithStaged())
        async with scheduler:
            return await work(scheduler)

    return in_time(play)


async def the_end(scheduler, job="a"):
    """The job's run, once it is over."""
    async with aclosing(scheduler.events()) as events:
        while not (runs := await scheduler.history(job)):
            await anext(events)
    return await scheduler.wait(runs[0].id)


def outcome(tmp_path, *jobs):
    async def work(scheduler):
        return await the_end(scheduler), await explain_job(scheduler, "a")

    return run_with_scheduler(tmp_path, work, *jobs)


def test_run_starts_when_all_guards_allow_and_why_shows_each(tmp_path):
    stage.results = {"power": GuardResult(Verdict.YES, "on mains"), "quiet": GuardResult(Verdict.YES, "load 0.1")}
    run, result = outcome(tmp_path, rung("a", "power", "quiet"))
    assert run.state is RunState.SUCCEEDED
    facts = {fact.subject: fact.text for fact in result.facts}
    assert facts["guard power"] == "yes: on mains (staged name power)"
    assert facts["guard quiet"] == "yes: load 0.1 (staged name quiet)"


def test_why_names_the_guard_for_which_a_started_run_has_waited(tmp_path, monkeypatch):
    monkeypatch.setattr("rae_auto.engine.runs.guards.READ_INTERVAL", timedelta(milliseconds=20))
    stage.results = {"power": [GuardResult(Verdict.NO, "on battery"), GuardResult(Verdict.YES, "on mains")]}
    run, result = outcome(tmp_path, rung("a", "power", guard_timeout="1h"))
    facts = {fact.subject: fact.text for fact in result.facts}
    assert run.state is RunState.SUCCEEDED
    assert facts["waited"] == 'its guard "power" said no: on battery'
    assert facts["guard power"] == "yes: on mains (staged name power)"


def test_why_says_that_a_manual_run_checked_no_guard(tmp_path):
    async def work(scheduler):
        run = await scheduler.trigger("a")
        await scheduler.wait(run)
        return await explain_job(scheduler, "a", run=run)

    result = run_with_scheduler(
        tmp_path, work, Job(id="a", python="time:time", guards=[GuardRef("staged", {"name": "power"})])
    )
    assert ("guards", "not checked, because the run was started by hand") in [
        (fact.subject, fact.text) for fact in result.facts
    ]
    assert stage.asked == []


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (GuardResult(Verdict.NO, "on battery"), '"power" says no: on battery'),
        (GuardResult(Verdict.UNKNOWN, "no battery can be read"), '"power" can\'t tell: no battery can be read'),
        (OSError("no such device"), "\"power\" can't tell: it failed: OSError('no such device')"),
        (SystemExit(3), '"power" can\'t tell: it failed: SystemExit(3)'),
        ("yes", '"power" can\'t tell: it failed: TypeError("it answered \'yes\', which is not a GuardResult")'),
        (GuardResult(Verdict.NO, "two\nlines"), '"power" says no: two lines'),
        (asyncio.CancelledError(), '"power" can\'t tell: it was cancelled'),
    ],
)
def test_a_guard_that_does_not_say_yes_keeps_the_run_from_starting(tmp_path, result, reason):
    stage.results = {"power": result}
    run, result = outcome(tmp_path, rung("a", "power"))
    assert (run.state, run.reason.text) == (RunState.SKIPPED, f"its guard {reason}")
    assert reason.replace("says", "said").replace("can't", "couldn't") in result.answer


@pytest.fixture
def short_limit(monkeypatch):
    for module in (guards_module, safe_guard):
        monkeypatch.setattr(module, "GUARD_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(guards_module, "CANCEL_SECONDS", 0.2)


@pytest.mark.parametrize("answer", ["nothing", "stubborn"])
def test_guard_that_never_answers_is_named_for_its_author(tmp_path, short_limit, answer):
    stage.results = {"power": answer}

    async def work(scheduler):
        await the_end(scheduler)
        stage.over.set()
        return scheduler.runtime.quarantine.problems()

    (problem,) = run_with_scheduler(tmp_path, work, rung("a", "power"))
    assert problem.startswith('guard "staged" of unknown failed ({ type = "staged", name = "power" }): ')
    assert re.search(
        r"RuntimeError\('it has not answered within 0.05 s'\) \(.*test_guard_reader.py:\d+\); \d failures? in", problem
    )
    assert problem.endswith("for its author: limit the time of what read waits for, and return UNKNOWN after that")


def test_time_limit_of_a_guards_own_is_its_failure(tmp_path):
    stage.results = {"power": TimeoutError("the server is slow")}
    run, _ = outcome(tmp_path, rung("a", "power"))
    assert run.reason.text == "its guard \"power\" can't tell: it failed: TimeoutError('the server is slow')"


def test_guard_that_never_answers_is_unknown(tmp_path, short_limit):
    stage.results = {"power": "nothing"}
    run, _ = outcome(tmp_path, rung("a", "power"))
    assert run.reason.text == 'its guard "power" can\'t tell: it has not answered within 0.05 s'


def test_guard_that_ignores_cancellation_is_unknown(tmp_path, short_limit):
    stage.results = {"power": "stubborn"}

    async def work(scheduler):
        run = await the_end(scheduler)
        stage.over.set()
        return run

    assert run_with_scheduler(tmp_path, work, rung("a", "power")).reason.text == (
        'its guard "power" can\'t tell: it has not answered within 0.05 s'
    )


def test_unhashable_guard_is_unknown(tmp_path):
    run, _ = outcome(tmp_path, rung("a", GuardRef("tabled", {}, "table")))
    assert run.reason.text == 'its guard "table" can\'t tell: it failed: TypeError("unhashable type: \'dict\'")'


def test_guard_that_cancels_itself_is_unknown(tmp_path):
    stage.results = {"power": asyncio.CancelledError()}
    run, _ = outcome(tmp_path, rung("a", "power"))
    assert run.reason.text == 'its guard "power" can\'t tell: it was cancelled'


@pytest.mark.parametrize("change", [None, datetime(2027, 1, 1)])
def test_next_change_that_is_not_a_future_instant_is_none_and_reported(change):
    quarantine = Quarantine(lambda kind, name: "a distribution")
    guard = SafeGuard(Odd(change), quarantine)
    assert guard.changes_after(datetime(2026, 1, 1, tzinfo=UTC)) is None
    (result,) = quarantine.report()
    assert "which isn't an aware instant after" in result["error"]


def test_guard_that_keeps_failing_is_reported_not_quarantined():
    quarantine = Quarantine(lambda kind, name: "a distribution")
    guard, now = SafeGuard(Odd(), quarantine), datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(MAX_FAILURES_IN_A_ROW):
        assert not any("fails each time" in problem for problem in quarantine.problems())
        guard.evaluate(now)
    (problem,) = quarantine.problems()
    assert problem.startswith('guard "odd" of a distribution fails each time (odd): TypeError(')
    assert "jobs that use it do not start; fix it, or remove it from guards; for its author: " in problem

    stage.results["odd"] = GuardResult(Verdict.YES, "it is well again")
    guard.evaluate(now)
    assert quarantine.problems() == []


def test_a_guard_that_a_reload_brings_is_read_for_runs_that_wait(tmp_path):
    stage.results = {"no": GuardResult(Verdict.NO, "well"), "power": GuardResult(Verdict.YES, "on mains")}

    async def work(scheduler):
        async with aclosing(scheduler.events()) as events:
            await scheduler.add_job(rung("a", "no", guard_timeout="1h"))
            while not await scheduler.history("a"):
                await anext(events)
        await scheduler.add_job(rung("a", "power", guard_timeout="1h"), replace=True)
        return await the_end(scheduler)

    assert run_with_scheduler(tmp_path, work).conditions.guards == {"power": GuardResult(Verdict.YES, "on mains")}


def test_computed_guard_with_an_invalid_result_is_unknown(tmp_path):
    async def work(scheduler):
        return await the_end(scheduler), scheduler.runtime.quarantine.report()

    run, report = run_with_scheduler(tmp_path, work, rung("a", GuardRef("odd")))
    assert run.reason.verdict is Verdict.UNKNOWN
    assert [row["name"] for row in report] == ["odd"]


def test_equal_guards_that_are_wanted_at_once_are_read_once(tmp_path):
    stage.results = {"power": GuardResult(Verdict.YES, "on mains")}

    async def work(scheduler):
        for number in range(20):
            await the_end(scheduler, f"job-{number}")

    run_with_scheduler(tmp_path, work, *(rung(f"job-{number}", "power") for number in range(20)))
    assert len(stage.asked) < 20


def test_unknown_guard_is_refused_when_the_job_is_added(tmp_path):
    async def work(scheduler):
        with pytest.raises(InvalidJob, match='unknown guard "stagd"; did you mean "staged"'):
            await scheduler.add_job(rung("b", GuardRef("stagd")))

    run_with_scheduler(tmp_path, work)


def test_a_job_that_is_kept_has_its_guards_after_a_restart(tmp_path):
    stage.results = {"power": GuardResult(Verdict.NO, "on battery")}
    store = MemoryStore()

    async def play(work):
        async with Scheduler(directory=tmp_path, store=store, plugins=WithStaged()) as scheduler:
            return await work(scheduler)

    async def first(scheduler):
        await scheduler.add_job(rung("a", "power", guard_timeout="1h"))
        await scheduler.trigger("a")

    async def second(scheduler):
        return (await scheduler.get_job("a")).guards

    in_time(lambda: play(first))
    assert in_time(lambda: play(second)) == (GuardRef("staged", {"name": "power"}, "power"),)


def test_guarded_guards_are_equal_where_their_guards_are():
    one, other = SafeGuard(Odd(), None), SafeGuard(Odd(), None)
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == repr(Odd())
    assert one != Odd()


@frozen
class Evening(ComputedGuard):
    """Lets jobs start in the evening."""

    type = "evening"

    def evaluate(self, instant: datetime) -> GuardResult:
        return GuardResult(Verdict.YES if instant.hour >= 18 else Verdict.NO, "well")

    def changes_after(self, instant: datetime) -> datetime | None:
        return instant + timedelta(hours=1)


def test_a_good_computed_guard_passes_through():
    guard = SafeGuard(Evening(), None)
    at = datetime(2026, 1, 1, 18, tzinfo=UTC)
    assert guard.evaluate(at) == GuardResult(Verdict.YES, "well")
    assert guard.changes_after(at) == at + timedelta(hours=1)
