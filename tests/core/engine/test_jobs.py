"""Jobs come, change, pause and go; requests are decided once; a stop is orderly."""

from datetime import timedelta

import pytest

from rae_auto.engine.commands import AddJobs, Reconfigure
from rae_auto.engine.effects import Reply
from rae_auto.engine.events import AttemptFound, AttemptStarted
from rae_auto.engine.lifecycle import START_SECONDS
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.errors import DuplicateJob, JobInUse, JobNotFound, NotStarted, RunNotFound, SchedulerClosed
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.policies import NotifyOn, NotifyPolicy
from rae_auto.model.reasons import DaemonStopping, Disabled, Paused, Removed, RepeatedAfterCrash
from rae_auto.model.reasons.requesters import Requester, RequestWay
from rae_auto.model.run import Result, Run, RunState
from rae_auto.simulation.virtual_engine import EPOCH

MINUTE = timedelta(minutes=1)


def configured(plan: Plan) -> Plan:
    return Plan(plan.job, plan.schedules, JobOrigin.CONFIG)


def reload(w, *plans, **settings):
    (reply,) = [e for e in w.feed(Reconfigure(Settings(**settings), plans, ask=1)).effects if isinstance(e, Reply)]
    return reply.value


class TestAdding:
    def test_add_job_refuses_a_known_id_unless_it_replaces(self, world, job):
        w = world(job("a"))
        with pytest.raises(DuplicateJob, match='job "a" exists'):
            w.add(job("a", timeout="1m"))
        w.add(job("a", timeout="1m"), replace=True)
        assert w.engine.job("a").job.timeout == MINUTE

    def test_add_job_refuses_a_job_of_the_configuration(self, world, job):
        w = world(configured(job("a")))
        with pytest.raises(DuplicateJob, match="defined in the configuration"):
            w.add(job("a"), replace=True)
        with pytest.raises(JobInUse, match="remove it there"):
            w.remove("a")

    @pytest.mark.parametrize("every", [1, None])
    @pytest.mark.parametrize("added_by", [Requester(at=EPOCH, via=RequestWay.PYTHON, user="ann"), None])
    def test_state_of_an_added_job_is_saved_once(self, world, job, every, added_by):
        w = world()
        plan = job("a") if every is None else job("a", every=every)
        step = w.feed(AddJobs((plan,), added_by=added_by))
        saved = [change.value for change in step.changes if isinstance(change.value, JobState)]
        assert saved == [w.engine.job("a").state] * (every is not None or added_by is not None)
        assert w.engine.job("a").state.added_by == added_by

    def test_state_of_a_replaced_job_has_who_added_it_last(self, world, job):
        w = world(job("a", every=1))
        by = Requester(at=EPOCH, via=RequestWay.PYTHON, user="bob")
        changes = w.feed(AddJobs((job("a", every=2),), True, added_by=by)).changes
        assert [change.value for change in changes if isinstance(change.value, JobState)][-1].added_by == by
        assert w.engine.job("a").state.added_by == by

    def test_open_run_keeps_the_definition_it_was_decided_under(self, world, job):
        w = world(job("a", timeout="10m"))
        run = w.trigger("a")
        w.add(job("a", timeout="1m"), replace=True)
        w.advance(9 * MINUTE)
        assert not w.cancelled
        w.advance(MINUTE)
        assert [c.run for c in w.cancelled] == [run]


class TestRemoving:
    def test_remove_job_finishes_active_and_cancels_waiting_runs(self, world, job):
        w = world(job("a", overlap="queue"))
        running, waiting = w.trigger("a"), w.trigger("a")
        w.remove("a")
        assert (w.run(waiting).state, w.run(waiting).reason) == (RunState.CANCELLED, Removed())
        w.end(running)
        assert w.run(running).state is RunState.SUCCEEDED
        assert [w.stored(kind) for kind in (JobState, Run, SeenOccurrence)] == [(), (), ()]

    def test_unknown_job_is_refused_with_a_suggestion(self, world, job):
        with pytest.raises(JobNotFound, match='no job "backpu"; did you mean "backup"'):
            world(job("backup")).remove("backpu")


class TestAsking:
    def test_trigger_repeated_returns_the_same_run(self, world, job):
        w = world(job("a", overlap="allow"))
        assert w.trigger("a", "r1") == w.trigger("a", "r1")
        assert len(w.started) == 1

    @pytest.mark.requirement("R1")
    def test_trigger_repeated_after_a_restart_returns_the_same_run(self, world, job):
        w = world(job("a", overlap="allow"))
        run = w.trigger("a", "r1")
        w.end(run)
        w.crash()
        assert w.trigger("a", "r1") == run

    def test_trigger_repeated_after_a_refusal_says_so(self, world, job):
        w = world(job("a"))
        w.trigger("a")
        for message in ("has been open since", "decided before"):
            with pytest.raises(NotStarted, match=message):
                w.trigger("a", "r2")

    @pytest.mark.requirement("R1")
    def test_trigger_fired_twice_is_decided_once(self, world, job):
        w = world(job("a", overlap="allow"))
        w.fire("a", "file", "x")
        w.fire("a", "file", "x")
        w.fire("a", "file", "y")
        assert len(w.started) == 2


class TestPausing:
    def test_paused_job_skips_its_schedule_but_runs_by_hand(self, world, job):
        w = world(job("a", every=1))
        w.pause("a")
        w.advance(MINUTE)
        assert [d.reason for d in w.decisions] == [Paused()]
        w.trigger("a")
        assert len(w.active_starts) == 1

    @pytest.mark.parametrize(
        "keep_from_starting",
        [
            lambda w, job: w.pause("a"),
            lambda w, job: w.add(job("a", every=1, enabled=False), replace=True),
            lambda w, job: reload(w, enabled=False),
            lambda w, job: w.stop(),
        ],
        ids=["paused", "disabled", "all disabled", "stopping"],
    )
    def test_next_start_is_none_while_the_schedule_starts_nothing(self, world, job, keep_from_starting):
        w = world(job("a", every=1), job("busy"))
        w.trigger("busy")
        assert w.engine.next_at("a") is not None
        keep_from_starting(w, job)
        assert w.engine.next_at("a") is None

    def test_paused_job_blocks_waiting_runs_until_it_is_resumed(self, world, job):
        w = world(job("busy"), job("a", every=1), max_parallel=1)
        busy = w.trigger("busy")
        w.advance(MINUTE)
        w.pause("a")
        w.end(busy)
        (waiting,) = w.engine.runs()
        assert w.engine.waiting_for(waiting.run.id) == Paused()
        w.resume("a")
        assert list(w.active_starts) == [waiting.run.id]

    def test_pause_survives_a_restart(self, world, job):
        w = world(job("a", every=1))
        w.pause("a")
        w.crash()
        w.advance(MINUTE)
        assert not w.started

    def test_disabled_job_starts_only_by_hand(self, world, job):
        w = world(job("a", every=1), enabled=False)
        w.advance(MINUTE)
        assert [d.reason for d in w.decisions] == [Disabled()]
        w.trigger("a")
        assert len(w.active_starts) == 1


class TestReloading:
    def test_reconfigure_reports_added_changed_and_removed_jobs(self, world, job):
        w = world(configured(job("same")), configured(job("changed")), configured(job("gone")))
        summary = reload(w, configured(job("same")), configured(job("changed", timeout="1m")), configured(job("new")))
        assert summary == {"added": ["new"], "changed": ["changed"], "removed": ["gone"]}

    def test_reconfigure_keeps_unchanged_triggers_armed(self, world, job):
        w = world(configured(job("a", every=10)))
        w.advance(6 * MINUTE)
        reload(w, configured(job("a", every=10, timeout="1m")))
        w.advance(4 * MINUTE)
        assert [start.run.job for start in w.started] == ["a"]

    def test_reconfigure_keeps_stored_jobs(self, world, job):
        w = world(job("mine"), configured(job("theirs")))
        reload(w)
        assert [entry.job.id for entry in w.engine.jobs()] == ["mine"]

    def test_reconfigure_replaces_a_stored_job_of_the_same_id(self, world, job):
        w = world(job("mine"), job("other"))
        summary = reload(w, configured(job("new")), configured(job("mine", timeout="1m")))
        assert summary == {"added": ["new"], "changed": ["mine"], "removed": [], "replaced": ["mine"]}
        assert {entry.job.id: entry.plan.origin for entry in w.engine.jobs()} == {
            "mine": JobOrigin.CONFIG,
            "other": JobOrigin.STORE,
            "new": JobOrigin.CONFIG,
        }
        assert reload(w)["removed"] == ["mine", "new"]

    def test_reconfigure_with_more_slots_fills_them_at_once(self, world, job):
        w = world(configured(job("a", overlap="allow")), max_parallel=1)
        w.trigger("a")
        w.trigger("a")
        reload(w, configured(job("a", overlap="allow")), max_parallel=2)
        assert len(w.active_starts) == 2


class TestCancelling:
    def test_cancel_ends_a_waiting_run_at_once(self, world, job):
        w = world(job("a"), job("b"), max_parallel=1)
        w.trigger("a")
        waiting = w.trigger("b")
        w.cancel(job="b")
        assert w.run(waiting).state is RunState.CANCELLED

    def test_cancel_refuses_a_finished_run(self, world, job):
        w = world(job("a"))
        run = w.trigger("a")
        w.end(run)
        with pytest.raises(RunNotFound, match=f'no open run "{run}"'):
            w.cancel(run=run)
        with pytest.raises(JobNotFound):
            w.cancel(job="b")


class TestStopping:
    def test_stop_starts_nothing_and_gives_active_runs_the_grace(self, world, job):
        w = world(job("a", every=1), job("b"), max_parallel=1)
        w.advance(MINUTE)
        waiting = w.trigger("b")
        w.stop(30 * timedelta(seconds=1))
        with pytest.raises(SchedulerClosed):
            w.trigger("b")
        assert w.engine.waiting_for(waiting) == DaemonStopping()
        w.end(next(iter(w.active_starts)))
        assert w.stopped
        assert w.run(waiting).state is RunState.QUEUED

    def test_stop_interrupts_active_runs_after_the_grace(self, world, job):
        w = world(job("a"))
        run = w.trigger("a")
        w.stop(30 * timedelta(seconds=1))
        w.advance(MINUTE)
        assert [c.run for c in w.cancelled] == [run]
        assert not w.stopped
        w.end(run, Result(signal=15))
        assert w.run(run).state is RunState.INTERRUPTED
        assert w.stopped

    def test_second_stop_shortens_the_grace(self, world, job):
        w = world(job("a"))
        run = w.trigger("a")
        w.stop(MINUTE)
        w.stop()
        assert [c.run for c in w.cancelled] == [run]

    def test_stop_leaves_adoptable_runs_to_the_next_daemon(self, world, job):
        w = world(job("a"))
        run = w.trigger("a")
        w.stop(MINUTE, leave_running=True)
        # It is being started, so it can't be found yet.
        assert not w.stopped
        w.confirm(run)
        assert w.stopped
        assert not w.cancelled
        w.crash(alive=[run])
        w.end(run)
        assert w.run(run).state is RunState.SUCCEEDED

    def test_stop_ends_runs_that_cannot_be_adopted(self, world, job):
        w = world(job("a"), job("b"))
        kept, call = w.trigger("a"), w.trigger("b")
        w.confirm(kept)
        w.feed(AttemptStarted(call, 1, {}))
        w.stop(30 * timedelta(seconds=1), leave_running=True)
        w.advance(MINUTE)
        assert [c.run for c in w.cancelled] == [call]
        w.end(call, Result(signal=15))
        assert w.stopped

    def test_stop_without_a_grace_leaves_what_is_being_started(self, world, job):
        w = world(job("a"), job("b"))
        kept, hanging = w.trigger("a"), w.trigger("b")
        w.stop(timedelta(0), leave_running=True)
        assert not w.cancelled
        w.confirm(kept)
        w.advance(timedelta(seconds=START_SECONDS))
        assert [c.run for c in w.cancelled] == [hanging]
        w.end(hanging, Result(error="its executor did not start it in time"))
        assert w.stopped
        w.crash(alive=[kept])
        w.end(kept)
        assert w.run(kept).state is RunState.SUCCEEDED

    def test_stop_ends_an_idle_engine_at_once(self, world, job):
        w = world(job("a"))
        w.stop(MINUTE)
        assert w.stopped


class TestAfterACrash:
    def test_adopted_attempt_has_the_rest_of_its_timeout(self, world, job):
        w = world(job("a", timeout="10m"))
        run = w.trigger("a")
        w.confirm(run)
        w.crash(alive=[run], down=4 * MINUTE)
        w.advance(6 * MINUTE - timedelta(seconds=1))
        assert not w.cancelled
        w.advance(timedelta(seconds=1))
        assert [c.run for c in w.cancelled] == [run]

    @pytest.mark.requirement("R8")
    def test_lost_attempt_is_repeated_only_if_it_was_not_scheduled(self, world, job):
        w = world(job("s", every=1), job("m"))
        w.advance(MINUTE)
        scheduled = w.started[0].run.id
        asked = w.trigger("m")
        w.crash()
        assert w.run(scheduled).state is RunState.LOST
        assert (w.run(asked).state, w.run(asked).reason) == (RunState.RETRYING, RepeatedAfterCrash())
        w.advance(MINUTE / 2)
        assert w.active_starts[asked].run.attempt == 2

    @pytest.mark.requirement("R8")
    def test_job_that_kills_the_daemon_is_given_up(self, world, job):
        w = world(job("m", on_crash="rerun"))
        run = w.trigger("m")
        for _ in range(6):
            w.crash()
            w.advance(10 * MINUTE)
        assert w.run(run).state is RunState.LOST

    @pytest.mark.requirement("R4")
    def test_attempt_that_never_started_is_started_for_any_on_crash(self, world, job):
        w = world(job("a", every=5, on_crash="fail"))
        w.advance(timedelta(minutes=5))
        (start,) = w.started
        w.crash(never_started=[start.run.id])
        again = w.started[-1].run
        assert (again.id, again.attempt) == (start.run.id, 2)
        assert again.attempts[0].state is RunState.LOST
        assert "before the attempt started" in again.attempts[0].result.error

    @pytest.mark.requirement("R8")
    def test_attempt_that_never_starts_is_given_up(self, world, job):
        w = world(job("a", every=5, on_crash="fail"))
        w.advance(timedelta(minutes=5))
        run = w.started[0].run.id
        for _ in range(5):
            w.crash(never_started=[run])
        assert w.run(run).state is RunState.LOST
        assert len(w.run(run).attempts) < 5

    def test_runs_of_a_removed_job_end_after_a_restart(self, world, job):
        w = world(job("a", overlap="queue"))
        running, waiting = w.trigger("a"), w.trigger("a")
        w._plans.clear()
        w.crash()
        assert w.run(running).state is RunState.LOST
        assert w.run(waiting).state is RunState.CANCELLED

    @pytest.mark.requirement("R2")
    def test_event_of_an_earlier_attempt_changes_nothing(self, world, job):
        w = world(job("a"))
        run = w.trigger("a")
        w.end(run)
        assert not w.feed(AttemptStarted(run, 1)).changes
        assert not w.feed(AttemptFound(run, 1)).changes


class TestNotifications:
    def test_notices_are_requested_for_failure_recovery_and_success(self, world, job):
        w = world(job("a", notify=NotifyPolicy(on=["failure", "recovery"], via=["ops"])))
        for exit_code in (0, 1, 0, 0):
            w.fail(w.trigger("a"), exit_code)
        assert [notice.kind for notice in w.notices] == [NotifyOn.FAILURE, NotifyOn.RECOVERY]


def test_job_that_cannot_be_used_starts_nothing_and_keeps_its_cursor(world, job):
    w = world(job("a", every=1))
    w.advance(timedelta(minutes=1))
    w.end(*w.active_starts)
    (before,) = [state.cursors for state in w.stored(JobState)]
    usable = w._plans["a"]
    w.put_plan(Plan(usable.job, problem="its plugin is gone"))
    w.crash(down=timedelta(minutes=5))
    with pytest.raises(NotStarted, match="its plugin is gone"):
        w.trigger("a")
    w.fire("a", "source", "event")
    assert not w.active_starts
    assert [state.cursors for state in w.stored(JobState)] == [before]
    w.put_plan(usable)
    w.crash()
    assert [start.run.scheduled_for for start in w.active_starts.values()] == [EPOCH + timedelta(minutes=6)]


@pytest.mark.parametrize("held", ["paused", "disabled", "failed need", "no need yet"])
def test_an_event_waits_for_a_job_that_may_not_run(world, job, held):
    needs = ["b"] if "need" in held else []
    w = world(job("b"), job("a", needs=needs, enabled=held != "disabled"))
    if held == "paused":
        w.pause("a")
    if held == "failed need":
        w.fail(w.trigger("b"))
    w.fire("a", "source", "event")
    w.crash()
    assert not w.active_starts
    if held == "paused":
        w.resume("a")
    elif held == "disabled":
        w.add(job("a"), replace=True)
    else:
        w.end(w.trigger("b"))
    assert [(start.job.id, start.run.key) for start in w.active_starts.values()] == [("a", "event")]
