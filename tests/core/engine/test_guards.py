"""Guards: a run starts only where all of them say yes, and what each said is on record."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve, frozen

from rae_auto.engine.commands import Reconfigure
from rae_auto.engine.effects import ReadGuards
from rae_auto.engine.events import TriggerFired
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.model.decision import Occurrence
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons import Due, GuardBlocked, GuardsPending
from rae_auto.model.run import RunState

NO = GuardResult(Verdict.NO, "on battery, 43 %")
YES = GuardResult(Verdict.YES, "on mains")
UNKNOWN = GuardResult(Verdict.UNKNOWN, "it has not answered")


@frozen
class Hours:
    """Lets jobs start from an hour of the day until another, in UTC."""

    since: int
    until: int

    def evaluate(self, instant: datetime) -> GuardResult:
        answer = Verdict.YES if self.since <= instant.hour < self.until else Verdict.NO
        return GuardResult(answer, f"it is {instant:%H:%M}")

    def changes_after(self, instant: datetime) -> datetime:
        midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
        bounds = [midnight + timedelta(hours=hour) for hour in (self.since, self.until, 24 + self.since)]
        return min(bound for bound in bounds if bound > instant)


@pytest.fixture
def guarded(every):
    """`guarded(read=["power"], hours=(8, 17), every=5)`: a plan of job a with such guards."""

    def make(*, read=(), hours=None, every_minutes=None, **fields):
        guards = dict.fromkeys(read)
        if hours is not None:
            guards["hours"] = Hours(*hours)
        job = Job(id="a", command="work", guards=[GuardRef("x", {}, name) for name in guards], **fields)
        schedules = {} if every_minutes is None else {"t": every(every_minutes)}
        return Plan(job, schedules, guards=guards)

    return make


def states(w):
    return [run.state for run in w.history]


def test_guards_that_say_yes_start_the_run_and_are_recorded(world, guarded):
    w = world(guarded(read=["power"], hours=(0, 24)))
    w.answer_guard = lambda job, name: YES
    w.fire("a", "file", "k")
    (start,) = w.started
    assert start.run.conditions.guards == {"power": YES, "hours": GuardResult(Verdict.YES, "it is 00:00")}
    assert start.run.waited_for == ()


@pytest.mark.parametrize("result", [NO, UNKNOWN])
def test_guard_that_says_no_or_unknown_skips_the_run(world, guarded, result):
    w = world(guarded(read=["power"], every_minutes=5))
    w.answer_guard = lambda job, name: result
    w.advance(timedelta(minutes=5))
    (run,) = w.history
    assert run.state is RunState.SKIPPED
    assert run.reason == GuardBlocked("power", result.verdict, result.reason)
    assert w.started == []


def test_computed_guard_that_blocks_for_certain_leaves_no_run(world, guarded):
    w = world(guarded(hours=(8, 17), every_minutes=5))
    w.advance(timedelta(minutes=5))
    (decision,) = w.decisions
    assert (decision.reason, decision.run) == (GuardBlocked("hours", Verdict.NO, "it is 00:05"), None)
    assert w.history == []


def test_guards_are_checked_for_each_instant_of_a_schedule(world, guarded):
    w = world(guarded(hours=(8, 9), every_minutes=30))
    for _ in range(4 * 12):
        w.advance(timedelta(minutes=15))
        for run in list(w.active_starts):
            w.end(run)
    assert [start.run.scheduled_for.strftime("%H:%M") for start in w.started] == ["08:00", "08:30"]
    assert {decision.reason.code for decision in w.decisions} == {Due.code, GuardBlocked.code}


def test_manual_run_skips_the_guards(world, guarded):
    w = world(guarded(read=["power"], hours=(8, 17)))
    w.answer_guard = lambda job, name: NO
    w.trigger("a")
    assert len(w.started) == 1


def test_retry_skips_the_guards(world, guarded):
    w = world(guarded(read=["power"], retry_policy=RetryPolicy(attempts=2, delay=timedelta(0))))
    w.fire("a", "file", "k")
    w.answer_guard = lambda job, name: NO
    w.fail(w.started[0].run.id)
    assert [start.run.attempt for start in w.started] == [1, 2]


def test_run_blocked_by_a_computed_guard_starts_when_it_changes(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="9h"))
    w.fire("a", "file", "k")
    (opened,) = w.engine.runs("a")
    assert w.engine.waiting_for(opened.run.id) == GuardBlocked("hours", Verdict.NO, "it is 00:00")
    assert w.engine.next_wake(w.now) == pytest.approx(8 * 3600)
    w.advance(timedelta(hours=8))
    (start,) = w.started
    assert start.run.started_at == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert start.run.waited_for == (GuardBlocked("hours", Verdict.NO, "it is 00:00"),)


def test_blocked_run_is_skipped_after_the_guard_timeout(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="2h"))
    w.fire("a", "file", "k")
    w.advance(timedelta(hours=2))
    (run,) = w.history
    assert (run.state, run.reason) == (RunState.SKIPPED, GuardBlocked("hours", Verdict.NO, "it is 02:00"))


def test_blocked_run_has_its_guard_read_again_at_intervals(world, guarded):
    w = world(guarded(read=["power"], guard_timeout="1h"))
    asked = []

    def say(job, name):
        asked.append(w.now.wall)
        return YES if len(asked) == 4 else NO

    w.answer_guard = say
    w.fire("a", "file", "k")
    w.advance(timedelta(minutes=10))
    assert len(w.started) == 1
    assert [later - sooner for sooner, later in itertools.pairwise(asked)] == [timedelta(seconds=15)] * 3


def test_guard_timeout_counts_on_after_a_crash(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="2h"))
    w.fire("a", "file", "k")
    w.advance(timedelta(hours=1))
    w.crash(down=timedelta(minutes=30))
    assert w.history == []
    w.advance(timedelta(minutes=30))
    assert states(w) == [RunState.SKIPPED]


def go_down(w):
    w.crash(down=timedelta(hours=1))


def go_to_sleep(w):
    w.sleep(timedelta(hours=1))


@pytest.mark.parametrize("be_away", [go_down, go_to_sleep])
@pytest.mark.parametrize("hours", [None, (0, 1)])
def test_run_with_an_expired_guard_timeout_displaces_no_occurrence(world, guarded, be_away, hours):
    w = world(guarded(read=["power"], hours=hours, every_minutes=60, guard_timeout="30m"))
    w.answer_guard = lambda job, name: NO
    w.advance(timedelta(hours=1))
    (waiting,) = w.engine.runs("a")
    w.guards_hang = True
    be_away(w)
    assert [(run.id, run.state, run.reason.code) for run in w.history] == [
        (waiting.run.id, RunState.SKIPPED, GuardBlocked.code)
    ]
    (opened,) = w.engine.runs("a")
    assert opened.run.scheduled_for == datetime(2026, 1, 1, 2, tzinfo=UTC)
    assert [decision.reason.code for decision in w.decisions if decision.run is None] == []


@pytest.mark.parametrize("be_away", [go_down, go_to_sleep])
def test_event_runs_after_one_with_an_expired_guard_timeout(world, guarded, be_away):
    w = world(guarded(read=["power"], guard_timeout="30m"))
    w.answer_guard = lambda job, name: NO
    w.fire("a", "file", "first")
    w.guards_hang = True
    be_away(w)
    w.fire("a", "file", "second")
    assert [(run.key, run.state) for run in w.history] == [("first", RunState.SKIPPED)]
    assert [opened.run.key for opened in w.engine.runs("a")] == ["second"]


@pytest.mark.parametrize("be_away", [go_down, go_to_sleep])
def test_run_that_still_may_wait_for_its_guards_keeps_its_place(world, guarded, be_away):
    w = world(guarded(read=["power"], every_minutes=60, guard_timeout="3h"))
    w.answer_guard = lambda job, name: NO
    w.advance(timedelta(hours=1))
    w.guards_hang = True
    be_away(w)
    assert w.history == []
    assert [decision.reason.code for decision in w.decisions if decision.run is None] == ["overlap"]


@pytest.mark.parametrize(("opens_at", "started", "skipped"), [(2, [1, 2], []), (3, [], [1])])
def test_guard_that_opens_as_the_timeout_ends_starts_the_run(world, guarded, opens_at, started, skipped):
    w = world(guarded(hours=(opens_at, 24), every_minutes=60, guard_timeout="1h", overlap="allow", overlap_max=9))
    w.advance(timedelta(hours=2))
    assert sorted(start.run.scheduled_for.hour for start in w.started) == started
    assert [run.scheduled_for.hour for run in w.history] == skipped
    assert all(run.state is RunState.SKIPPED for run in w.history)


def test_read_guard_that_stays_shut_displaces_no_occurrence(world, guarded):
    w = world(guarded(read=["power"], every_minutes=60, guard_timeout="1h"))
    w.answer_guard = lambda job, name: NO
    w.advance(timedelta(hours=3))
    assert [decision.reason.code for decision in w.decisions if decision.run is None] == []


def test_guards_are_checked_at_once_after_sleep(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="1d"))
    w.fire("a", "file", "k")
    w.sleep(timedelta(hours=9))
    assert len(w.started) == 1


def test_other_runs_start_while_guards_are_read(world, guarded, job):
    w = world(guarded(read=["power"]), job("b"), max_parallel=1)
    w.guards_hang = True
    w.fire("a", "file", "k")
    w.trigger("b")
    assert [start.job.id for start in w.started] == ["b"]
    (opened,) = w.engine.runs("a")
    assert w.engine.waiting_for(opened.run.id) == GuardsPending()


def test_old_guard_reading_is_read_again(world, guarded, job):
    w = world(guarded(read=["power"]), job("b"), max_parallel=1)
    asked = []
    w.guards_hang = True
    w.fire("a", "file", "k")
    b = w.trigger("b")
    # The answer comes while there is no room, and the room comes a minute later.
    w.answer_guard = lambda job, name: asked.append(name) or YES
    w.guards_hang = False
    w.pause("b")
    assert asked == ["power"]
    w.advance(timedelta(minutes=1))
    w.answer_guard = lambda job, name: NO
    w.end(b)
    assert [start.run.job for start in w.started] == ["b"]
    (waiting,) = w.engine.runs(JobId("a"))
    assert w.engine.waiting_for(waiting.run.id) == GuardBlocked("power", Verdict.NO, "on battery, 43 %")


def test_unanswered_guards_are_read_again_after_a_crash(world, guarded):
    w = world(guarded(read=["power"]))
    w.guards_hang = True
    w.fire("a", "file", "k")
    w.guards_hang = False
    w.crash()
    assert len(w.started) == 1


def test_run_cancelled_while_guards_are_read_stays_cancelled(world, guarded):
    w = world(guarded(read=["power"]))
    w.guards_hang = True
    w.fire("a", "file", "k")
    w.cancel(job="a")
    w.guards_hang = False
    w.pause("a")
    assert states(w) == [RunState.CANCELLED]
    assert w.started == []


def test_reload_that_removes_the_guard_starts_the_run(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="1d"))
    w.fire("a", "file", "k")
    w.add(Plan(Job(id="a", command="work")), replace=True)
    assert len(w.started) == 1


def test_reload_checks_changed_guards_at_once(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="1d"))
    w.fire("a", "file", "k")
    w.add(guarded(hours=(0, 17)), replace=True)
    assert [start.run.key for start in w.started] == ["k"]


def test_reload_with_a_shorter_guard_timeout_counts_at_once(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="1d"))
    w.fire("a", "file", "k")
    w.advance(timedelta(hours=2))
    w.add(guarded(hours=(8, 17), guard_timeout="1h"), replace=True)
    assert states(w) == [RunState.SKIPPED]


def test_read_guards_carries_the_readers_of_the_current_plan(world, guarded):
    w = world(guarded(read=["power"], guard_timeout="1h"))
    w.guards_hang = True
    w.fire("a", "file", "k")
    planned = guarded(read=["power"], guard_timeout="1h")
    w.guard_requests.clear()
    w.add(Plan(evolve(planned.job, timeout="1h"), guards=planned.guards, readers={"power": "another"}), replace=True)
    assert [dict(wanted.guards) for wanted in w.guard_requests] == [{"power": "another"}]


def test_finished_run_leaves_no_blocked_entry(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="1d"))
    w.fire("a", "file", "k")
    w.cancel(job="a")
    assert w.engine._state.blocked == {}


def test_repeated_rechecks_leave_one_valid_alarm(world, guarded):
    w = world(guarded(read=["power"], guard_timeout="1h"))
    asked = []
    w.answer_guard = lambda job, name: asked.append(w.now.wall) or NO
    w.fire("a", "file", "k")
    for _ in range(5):
        w.advance(timedelta(seconds=1))
        w.set_clock(timedelta(seconds=5))
    asked.clear()
    w.advance(timedelta(minutes=2))
    assert len(asked) == 8


def test_clock_set_back_does_not_extend_the_guard_timeout(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="1h"))
    w.advance(timedelta(hours=20))
    w.fire("a", "file", "k")
    w.set_clock(timedelta(hours=-2))
    w.advance(timedelta(minutes=59))
    assert w.history == []
    w.advance(timedelta(minutes=1))
    assert states(w) == [RunState.SKIPPED]


@pytest.mark.parametrize("places", [1, 2])
def test_guarded_run_gets_its_turn_among_many_others(world, guarded, job, places):
    """Its guards take a moment to answer, and by then the place is another's; but not each time."""
    b = job("b", resources=["disk"], overlap="allow", overlap_max=9)
    w = world(guarded(read=["power"], resources=["disk"]), b, max_parallel=places, resources={"disk": 1})
    w.guards_hang = True
    w.fire("a", "file", "k")
    w.trigger("b", "0")
    for number in range(1, 5):
        w.guards_hang = False
        w.answer_guards()
        w.trigger("b", f"{number}")
        w.advance(timedelta(minutes=1))
        w.guards_hang = True
        if "a" not in [start.job.id for start in w.started] and w.active_starts:
            w.end(next(iter(w.active_starts)))
    assert "a" in [start.job.id for start in w.started]


@pytest.mark.parametrize("leave", ["cancel", "remove"])
def test_reserved_slot_is_free_when_its_run_is_gone(world, guarded, job, leave):
    w = world(guarded(read=["power"]), job("b"), max_parallel=1)
    w.guards_hang = True
    w.fire("a", "file", "k")
    first = w.trigger("b")
    w.guards_hang = False
    w.answer_guards()
    w.advance(timedelta(minutes=1))
    w.guards_hang = True
    w.end(first)
    second = w.trigger("b", "second")
    assert [start.run.id for start in w.started] == [first]
    if leave == "cancel":
        w.cancel(job="a")
    else:
        w.remove("a")
    assert [start.run.id for start in w.started] == [first, second]


def test_read_guards_omits_computed_guards(world, guarded):
    w = world(guarded(read=["power", "idle"], hours=(0, 24)))
    w.guards_hang = True
    step = w.feed(TriggerFired(Occurrence(JobId("a"), "file", "k", w.now.wall)))
    wanted = [effect for effect in step.effects if isinstance(effect, ReadGuards)]
    assert [tuple(effect.guards) for effect in wanted] == [("power", "idle")]


def test_reconfigure_changes_guards(world, guarded):
    first = guarded(hours=(8, 17))
    w = world(Plan(first.job, {}, JobOrigin.CONFIG, first.guards))
    w.fire("a", "file", "1")
    assert not w.started
    w.feed(Reconfigure(Settings(), (Plan(first.job, {}, JobOrigin.CONFIG, {"hours": Hours(0, 24)}),)))
    assert [start.run.key for start in w.started] == ["1"]


@pytest.mark.parametrize("trigger", ["file", "system", "threshold", "usage", "job", "combine", "webhook"])
@pytest.mark.parametrize("is_read", [False, True])
def test_event_waits_for_guards_as_long_as_it_takes(world, guarded, trigger, is_read):
    w = world(guarded(read=["power"]) if is_read else guarded(hours=(8, 17)))
    w.answer_guard = lambda job, name: NO
    w.advance(timedelta(hours=(20 - w.now.wall.hour) % 24))
    w.fire("a", trigger, "1")
    for _ in range(11):
        w.advance(timedelta(hours=1))
    assert (w.started, w.history) == ([], [])
    w.answer_guard = lambda job, name: YES
    w.advance(timedelta(hours=2))
    assert [start.run.trigger for start in w.started] == [trigger]


def test_event_is_skipped_after_an_explicit_guard_timeout(world, guarded):
    w = world(guarded(hours=(8, 17), guard_timeout="10m"))
    w.advance(timedelta(hours=(20 - w.now.wall.hour) % 24))
    w.fire("a", "file", "1")
    w.advance(timedelta(minutes=11))
    assert states(w) == [RunState.SKIPPED]
