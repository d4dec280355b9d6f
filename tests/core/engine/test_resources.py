"""Named resources bound what runs together across jobs."""

from datetime import timedelta

import pytest

from rae_auto.engine.commands import Reconfigure
from rae_auto.engine.plan import Settings
from rae_auto.errors import InvalidJob
from rae_auto.model.policies import Priority, RetryPolicy
from rae_auto.model.reasons import ResourceBusy, ResourceReserved, ResourceTooSmall


def running(w):
    return [o.run.job for o in w.engine.runs() if o.run.state.active]


def test_resource_limits_active_runs(world, job):
    w = world(*(job(name, resources=["db"]) for name in "abc"), job("d"), resources={"db": 2})
    for name in "abcd":
        w.trigger(name)
    assert running(w) == ["a", "b", "d"]
    (waiting,) = [o.run for o in w.engine.runs("c")]
    assert w.engine.waiting_for(waiting.id) == ResourceBusy("db", 2, 2)


def test_resource_that_is_released_goes_to_a_waiting_run(world, job):
    w = world(*(job(name, resources=["db"]) for name in "abc"), resources={"db": 1})
    runs = [w.trigger(name) for name in "abc"]
    w.end(runs[0])
    assert running(w) == ["b"]
    w.fail(runs[1])
    assert running(w) == ["c"]


def test_run_that_waits_for_a_retry_uses_no_resource(world, job):
    w = world(
        job("a", resources=["db"], retry_policy=RetryPolicy(attempts=2)),
        job("b", resources=["db"]),
        resources={"db": 1},
    )
    first, _ = w.trigger("a"), w.trigger("b")
    w.fail(first)
    assert running(w) == ["b"]


def test_run_takes_all_its_resources_or_none(world, job):
    w = world(
        job("a", resources=["x"]), job("b", resources=["y", "x"]), job("c", resources=["y"]), resources={"x": 1, "y": 1}
    )
    for name in "abc":
        w.trigger(name)
    # b waits for x, and doesn't keep y from c meanwhile.
    assert running(w) == ["a", "c"]


def test_resource_units_of_a_job_are_taken_together(world, job):
    w = world(
        job("a", resources={"db": 2}), job("b", resources={"db": 2}), job("c", resources=["db"]), resources={"db": 3}
    )
    runs = {name: w.trigger(name) for name in "abc"}
    assert running(w) == ["a", "c"]
    w.end(runs["a"])
    assert sorted(running(w)) == ["b", "c"]


def test_resource_smaller_than_a_stored_job_wants_holds_it_alone(world, job):
    plans = [job("a", resources={"db": 3}), job("b", resources=["db"])]
    w = world(*plans, resources={"db": 1})
    held, _ = w.trigger("a"), w.trigger("b")
    assert running(w) == ["b"]
    waiting = w.engine.waiting_for(held)
    assert waiting == ResourceTooSmall("db", 3, 1)
    assert waiting.text == (
        'it takes 3 units of resource "db", which has 1; raise resources.db, or let the job take fewer'
    )
    w.advance(timedelta(minutes=2))
    w.end(*w.active_starts)
    w.trigger("b")
    assert running(w) == ["b"], "nothing is reserved for a run that can't start"
    w.end(*w.active_starts)
    w.feed(Reconfigure(Settings(resources={"db": 3}), ()))
    assert running(w) == ["a"]


def test_adopted_run_still_uses_its_resources(world, job):
    w = world(job("a", resources=["db"]), job("b", resources=["db"]), resources={"db": 1})
    a = w.trigger("a")
    w.confirm(a)
    w.trigger("b")
    w.crash(alive=[a])
    assert running(w) == ["a"]
    w.end(a)
    assert running(w) == ["b"]


def test_reload_with_more_units_starts_more_runs(world, job):
    plans = [job(name, resources=["db"]) for name in "ab"]
    w = world(*plans, resources={"db": 1})
    w.trigger("a")
    w.trigger("b")
    w.feed(Reconfigure(Settings(resources={"db": 2}), ()))
    assert running(w) == ["a", "b"]


def test_add_job_refuses_an_unknown_resource(world, job):
    w = world(resources={"database": 1})
    with pytest.raises(InvalidJob, match=r'unknown resource "databse"; did you mean .database'):
        w.add(job("a", resources=["databse"]))


def test_add_job_refuses_more_units_than_there_are(world, job):
    w = world(resources={"database": 1})
    with pytest.raises(InvalidJob, match=r'takes 3 of 1 unit of "database"; take fewer'):
        w.add(job("a", resources={"database": 3}))


@pytest.mark.parametrize("priority", list(Priority))
def test_a_run_that_needs_several_resources_does_not_starve(world, job, priority):
    small = [
        job(f"{name}{n}", every=1, resources=[name], overlap="allow", overlap_max=3) for name in "xy" for n in range(2)
    ]
    w = world(*small, job("both", resources=["x", "y"], priority=priority), resources={"x": 1, "y": 1})
    # The attempts of one resource never end together, so that both are never free by chance.
    ends: dict[str, float] = {}
    started_at, since = None, w.now.mono
    w.advance(timedelta(minutes=2))
    wanted = w.trigger("both")
    for _ in range(4000):
        for run, start in list(w.active_starts.items()):
            offset = 7 if "x" in start.job.resources else 13
            if w.now.mono >= ends.setdefault(run, w.now.mono + 60 + offset):
                w.end(run)
        if wanted in w.active_starts:
            started_at = w.now.mono
            break
        w.advance(timedelta(seconds=1))
    assert started_at is not None, "it waits for ever"
    assert started_at - since < 3600


def test_what_is_reserved_is_free_again_when_the_run_is_gone(world, job):
    w = world(
        job("x", resources=["x"]),
        job("y", resources=["y"]),
        job("both", resources=["x", "y"]),
        resources={"x": 1, "y": 1},
    )
    for gone in ("cancel", "pause", "remove"):
        holder = w.trigger("x")
        w.fire("both", "source", gone)
        (first,) = w.engine.runs("both")
        w.advance(timedelta(minutes=2))
        late = w.trigger("y")
        assert w.engine.waiting_for(late) == ResourceReserved("y", first.run.id)
        getattr(w, gone)(job="both")
        assert late in w.active_starts
        w.end(late)
        w.end(holder)
        w.resume("both") if gone == "pause" else None
        for run in list(w.active_starts):
            w.end(run)


def test_a_run_of_higher_rank_may_take_what_is_reserved(world, job):
    w = world(
        job("x", resources=["x"]),
        job("urgent", resources=["y"], priority=Priority.CRITICAL),
        job("both", resources=["x", "y"]),
        resources={"x": 1, "y": 1},
    )
    w.trigger("x")
    w.trigger("both")
    w.advance(timedelta(minutes=2))
    assert w.trigger("urgent") in w.active_starts


def test_a_large_run_gets_its_units(world, job):
    w = world(
        *(job(f"one{n}", resources=["db"]) for n in range(20)),
        job("all", resources={"db": 3}),
        resources={"db": 3},
        max_parallel=8,
    )
    runs = [w.trigger(f"one{n}") for n in range(3)]
    whole = w.trigger("all")
    w.advance(timedelta(minutes=2))
    runs += [w.trigger(f"one{n}") for n in range(3, 20)]
    for run in runs[:3]:
        assert whole not in w.active_starts
        w.end(run)
    assert list(w.active_starts) == [whole]
    w.end(whole)
    assert len(w.active_starts) == 3
