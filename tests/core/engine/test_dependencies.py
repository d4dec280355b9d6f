"""A job needs others: it waits for those that are at work, and is skipped where one did not succeed."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.errors import InvalidJob, JobInUse, NotStarted
from rae_auto.model.primitives.graphs import find_cycle, sort_by_successors
from rae_auto.model.reasons import Manual, NeedFailed, NeedNeverRan, NeedRunning
from rae_auto.model.run import RunState


def test_need_that_never_ran_skips_the_run(world, job):
    w = world(job("backup"), job("report", needs=("backup",)))
    with pytest.raises(NotStarted, match='"backup", which it needs, has no result yet') as refused:
        w.trigger("report")
    assert refused.value.reason == NeedNeverRan.code


def test_need_that_failed_skips_the_run_until_it_succeeds(world, job):
    w = world(job("backup"), job("report", needs=("backup",)))
    w.fail(w.trigger("backup"))
    with pytest.raises(NotStarted, match='latest run of "backup", which it needs, did not succeed'):
        w.trigger("report")
    w.end(w.trigger("backup"))
    w.trigger("report")


def test_run_waits_for_a_running_need_and_then_starts(world, job):
    w = world(job("backup"), job("report", needs=("backup",)))
    backup = w.trigger("backup")
    report = w.trigger("report")
    assert w.engine.waiting_for(report) == NeedRunning("backup")
    w.end(backup)
    assert list(w.active_starts) == [report]


def test_run_is_skipped_when_the_need_it_waited_for_fails(world, job):
    w = world(job("backup"), job("report", needs=("backup",)))
    backup, report = w.trigger("backup"), w.trigger("report")
    w.fail(backup)
    assert (w.run(report).state, w.run(report).reason) == (RunState.SKIPPED, NeedFailed("backup"))


def test_forced_run_starts_whatever_the_state_of_its_needs(world, job):
    w = world(job("backup"), job("report", needs=("backup",)), max_parallel=2)
    w.end(w.trigger("report", forced=True))
    backup = w.trigger("backup")
    report = w.trigger("report", forced=True)
    assert list(w.active_starts) == [backup, report]
    assert w.run(report).cause == Manual(forced=True)


def test_forced_run_respects_the_overlap_of_its_job(world, job):
    w = world(job("backup"), max_parallel=2)
    w.trigger("backup")
    with pytest.raises(NotStarted, match="of the same job has been open"):
        w.trigger("backup", forced=True)


def test_due_jobs_are_decided_in_the_order_of_their_needs(world, job):
    w = world(job("c", every=60, needs=("b",)), job("b", every=60, needs=("a",)), job("a", every=60), max_parallel=3)
    w.advance(timedelta(hours=1))
    assert [start.run.job for start in w.started] == ["a"]
    for name in ("a", "b", "c"):
        (run,) = w.active_starts
        assert w.active_starts[run].run.job == name
        w.end(run)


def test_cyclic_and_unknown_needs_are_refused(world, job):
    w = world(job("a", needs=()), job("b", needs=("a",)))
    with pytest.raises(InvalidJob, match="would need itself: a -> b -> a"):
        w.add(job("a", needs=("b",)), replace=True)
    with pytest.raises(InvalidJob, match='needs "aa", which does not exist; did you mean "a"'):
        w.add(job("c", needs=("aa",)))


def test_needed_job_cannot_be_removed(world, job):
    w = world(job("a"), job("b", needs=("a",)))
    with pytest.raises(JobInUse, match='is needed by "b"; remove that job first'):
        w.remove("a")


graphs = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3), max_size=6)


@given(graphs)
def test_find_cycle_returns_a_cycle_of_the_graph(graph):
    cycle = find_cycle(graph)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert all(later in graph[earlier] for earlier, later in pairwise(cycle))


@given(graphs)
def test_sort_by_successors_puts_successors_first(graph):
    if find_cycle(graph) is None:
        order = sort_by_successors(graph, lambda job: graph.get(job, ()))
        assert sorted(order) == sorted(graph)
        for job in graph:
            for need in graph[job]:
                assert need not in graph or order.index(need) < order.index(job)
