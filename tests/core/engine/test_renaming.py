"""An added job gets another id: in one commit, with all that is known of it."""

from datetime import timedelta

import pytest
from attrs import evolve

from rae_auto.engine.commands import RenameJob
from rae_auto.engine.effects import Reply
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.errors import DuplicateJob, JobInUse, JobNotFound
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.run import Run, RunState
from rae_auto.simulation.virtual_engine import EPOCH
from rae_auto.simulation.virtual_store import FaultyStore, VirtualCrash

MINUTE = timedelta(minutes=1)


def renamed(plan: Plan, id: str) -> Plan:
    return evolve(plan, job=evolve(plan.job, id=id, name=""))


def rename(w, plan, id):
    step = w.feed(RenameJob(plan.job.id, renamed(plan, id), ask=1))
    (reply,) = [effect for effect in step.effects if isinstance(effect, Reply)]
    if isinstance(reply.value, Exception):
        raise reply.value
    w.drop_plan(plan.job.id)
    w.put_plan(renamed(plan, id))
    return step


def stored_ids(w):
    states, seen, runs = w.stored(JobState), w.stored(SeenOccurrence), w.stored(Run)
    return {found.job for found in (*states, *seen, *runs)} | {job.id for job in w.stored(Job)}


class TestRenaming:
    def test_rename_keeps_pauses_skips_cursors_and_results(self, world, job):
        w = world()
        plan = job("a", every=10)
        w.add(plan)
        w.end(w.trigger("a"))
        skipped = w.skip("a")
        w.pause("a", until=EPOCH + 25 * MINUTE, note="why")
        (before,) = w.stored(JobState)
        rename(w, plan, "b")
        assert w.stored(JobState) == (evolve(before, job="b", former_ids=("a",)),)
        assert skipped == EPOCH + 10 * MINUTE
        assert stored_ids(w) == {"b"}
        w.advance(30 * MINUTE)
        assert [(start.run.job, start.run.scheduled_for) for start in w.started[1:]] == [("b", EPOCH + 30 * MINUTE)]

    def test_rename_is_one_commit(self, world, job):
        w = world()
        plan = job("a", every=10)
        w.add(plan)
        for crash, expected in (("before", {"a"}), ("after", {"b"})):
            copy = world()
            copy.add(plan)
            copy.store = FaultyStore(copy.store)
            copy.store.crash = crash
            with pytest.raises(VirtualCrash):
                rename(copy, plan, "b")
            assert stored_ids(copy) == expected

    def test_rename_takes_waiting_runs_along(self, world, job):
        w = world(max_parallel=1)
        w.add(job("other"))
        first = w.trigger("other")
        plan = job("a")
        w.add(plan)
        waiting = w.trigger("a")
        rename(w, plan, "b")
        assert (w.run(waiting).job, w.run(waiting).state) == ("b", RunState.QUEUED)
        w.crash(alive=[first])
        w.end(first)
        assert w.started[-1].run.job == "b"
        w.end(waiting)
        assert (w.history[-1].job, w.history[-1].state) == ("b", RunState.SUCCEEDED)

    def test_rename_decides_no_instant_and_no_occurrence_again(self, world, job):
        w = world()
        plan = job("a", every=10)
        w.add(plan)
        w.fire("a", "files", "key")
        w.end(w.started[-1].run.id)
        w.advance(10 * MINUTE)
        w.end(w.started[-1].run.id)
        rename(w, plan, "b")
        w.fire("b", "files", "key")
        w.pass_time()
        assert len(w.started) == 2
        w.crash(down=MINUTE)
        w.fire("b", "files", "key")
        assert len(w.started) == 2
        w.advance(9 * MINUTE)
        assert w.started[-1].run.job == "b"

    def test_rename_remembers_former_ids_until_they_are_taken(self, world, job):
        w = world()
        plan = job("a")
        w.add(plan)
        rename(w, plan, "b")
        rename(w, renamed(plan, "b"), "c")
        assert w.engine.ids_of("c") == ("c", "a", "b")
        w.add(job("a"))
        assert w.engine.ids_of("c") == ("c", "b")
        rename(w, renamed(plan, "c"), "b")
        assert w.engine.ids_of("b") == ("b", "c")

    def test_rename_that_is_refused_changes_nothing(self, world, job):
        configured = job("py")
        w = world(Plan(configured.job, configured.schedules, JobOrigin.CONFIG))
        plan = job("a", overlap="queue")
        w.add(plan)
        w.add(job("taken"))
        w.add(job("needed"))
        w.add(job("needy", needs=("needed",)))
        run = w.trigger("a")
        before = (w.stored(Job), w.stored(JobState), w.stored(Run))
        for wrong, id, error, problem in (
            (plan, "py", DuplicateJob, 'the name "py" is taken by a job of the configuration'),
            (plan, "taken", DuplicateJob, 'the name "taken" is taken; choose another one for "a"'),
            (plan, "b", JobInUse, f'job "a" has the open run {run}'),
            (job("needed"), "b", JobInUse, 'job "needed" is needed by "needy"'),
            (configured, "b", JobInUse, 'job "py" is defined in the configuration'),
            (job("nosuch"), "b", JobNotFound, 'no job "nosuch"'),
        ):
            with pytest.raises(error, match=problem):
                rename(w, wrong, id)
        assert (w.stored(Job), w.stored(JobState), w.stored(Run)) == before
