"""job: fires when other jobs end."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.api import Event
from rae_auto.api.pattern import PatternRun
from rae_auto.model.run import RunState
from rae_auto.testing.sources import START, Listener, SourceConformance
from rae_plugins.triggers import job as module
from rae_plugins.triggers.job import JobTrigger, Mode, On

MINUTE = timedelta(minutes=1)


def end(
    run: str, job: str = "a", at: float = 0, state: RunState = RunState.SUCCEEDED, seconds: float | None = 1.0
) -> Event:
    """The end of a run so many minutes after the start."""
    data = {"job": job, "run_id": run, "trigger": "t", "state": str(state), "exit_code": 0, "seconds": seconds}
    return Event(run, f"run.{state}", START + at * MINUTE, data)


def fired(trigger: JobTrigger, *events: Event) -> list[Any]:
    """What becomes of events, of which the trigger hears those that it wants."""
    play = PatternRun.begun(trigger, START)
    return [firing for event in events if event.name in trigger.event_names() for firing in play.hear(event)]


def all_of(*jobs: str, within: str = "10m", **options: Any) -> JobTrigger:
    return JobTrigger(jobs=jobs, mode=Mode.ALL, within=within, **options)  # type: ignore[arg-type]  # as people write


class TestConforms(SourceConformance):
    @pytest.fixture(params=[Mode.ANY, Mode.ALL])
    def plugin(self, request: pytest.FixtureRequest) -> JobTrigger:
        return JobTrigger(jobs=["a"], mode=request.param, within="1h" if request.param is Mode.ALL else None)

    async def provoke(self, listener: Listener, number: int) -> None:
        event = await listener.events.record("run.succeeded", {"job": "a", "state": "succeeded", "seconds": 1.0})
        assert event.id == f"event-{number - 1}"


def test_each_end_of_the_job_fires_once_with_the_run_as_key_R37():
    first, second = fired(JobTrigger(jobs=["a"]), end("r1"), end("x", job="b"), end("r2", at=1))
    assert (first.key, first.at) == ("r1", START)
    assert first.event == {"job": "a", "run_id": "r1", "state": "succeeded", "exit_code": 0, "seconds": 1.0}
    assert (second.key, second.at) == ("r2", START + MINUTE)


@pytest.mark.parametrize("state", [state for state in RunState if state.final])
def test_which_ends_count(state):
    counts = {on for on in On if fired(JobTrigger(jobs=["a"], on=on), end("r", state=state))}
    expected = {
        RunState.SUCCEEDED: {On.SUCCESS, On.ANY},
        RunState.CANCELLED: {On.ANY},
        RunState.SKIPPED: set(),
    }
    assert counts == expected.get(state, {On.FAILURE, On.ANY})


def test_a_run_that_was_cancelled_before_it_began_is_no_end():
    assert fired(JobTrigger(jobs=["a"], on=On.ANY), end("r", state=RunState.CANCELLED, seconds=None)) == []


def test_all_fires_when_each_job_has_ended_and_then_begins_anew():
    trigger = all_of("a", "b")
    (first,) = fired(trigger, end("r1", "a"), end("r2", "a", 1), end("r3", "b", 2), end("r4", "b", 3))
    assert first.at == START + 2 * MINUTE
    assert [run["run_id"] for run in first.event["runs"]] == ["r2", "r3"]
    assert first.event["runs"][1] == {"job": "b", "run_id": "r3", "state": "succeeded", "exit_code": 0, "seconds": 1.0}


def test_the_key_of_all_follows_from_the_runs():
    ends = (end("r1", "a"), end("r2", "b", 1))
    (one,), (other,) = fired(all_of("a", "b"), *ends), fired(all_of("b", "a"), *reversed(ends))
    assert one.key == other.key != fired(all_of("a", "b"), end("r1", "a"), end("r3", "b"))[0].key


def test_ends_farther_apart_than_the_window_do_not_count_together():
    assert fired(all_of("a", "b"), end("r1", "a"), end("r2", "b", 10.01)) == []
    assert len(fired(all_of("a", "b"), end("r1", "a"), end("r2", "b", 10))) == 1


def test_a_failure_in_between_takes_nothing_back():
    failed = end("r2", "a", 1, RunState.FAILED)
    assert len(fired(all_of("a", "b"), end("r1", "a"), failed, end("r3", "b", 2))) == 1


def test_an_end_that_is_told_late_counts_where_it_belongs():
    assert len(fired(all_of("a", "b"), end("r1", "a", 5), end("r2", "b", 0))) == 1
    assert fired(all_of("a", "b"), end("r1", "a", 15), end("r2", "b", 0)) == []


def test_after_a_clock_was_set_back_what_ended_before_stays_no_longer_than_the_window():
    play = PatternRun.begun(all_of("a", "b"), START)
    play.hear(end("r1", "a", 600))
    play.miss(START + 600 * MINUTE, START, "set_back")
    assert len(play.hear(end("r2", "b", 1))) == 1
    play.hear(end("r3", "a", 600))
    play.miss(START + 600 * MINUTE, START, "set_back")
    assert play.hear(end("r4", "b", 11)) == []


ends = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), max_size=25)


@given(ends, st.integers(1, 15))
def test_all_fires_just_when_a_look_at_all_that_was_told_says_so(told, window):
    """Against the definition: of what was told since it fired last, each job has an end within the window's length."""
    trigger = all_of("a", "b", "c", within=f"{window}m")
    play = PatternRun.begun(trigger, START)
    since_last: list[tuple[str, int]] = []
    for number, (job, at) in enumerate(told):
        firings = play.hear(end(f"r{number}", job, at))
        since_last.append((job, at))
        newest = max(at for _, at in since_last)
        complete = {job for job, at in since_last if at >= newest - window} == set("abc")
        assert len(firings) == complete
        assert len(play.state) <= 3
        if complete:
            since_last = []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"jobs": []}, "'jobs' must name at least one job"),
        ({"jobs": ["a", "a"]}, "'jobs' must name each job once"),
        ({"jobs": "a"}, "'jobs' must be a list"),
        ({"jobs": ["a"], "mode": Mode.ALL}, "'within' must say"),
        ({"jobs": ["a"], "mode": Mode.ALL, "within": "0s"}, "'within' must be more than 0s"),
        ({"jobs": ["a"], "mode": Mode.ALL, "within": "soon"}, "no duration"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(options, why):
    with pytest.raises(ValueError, match=why) as caught:
        JobTrigger(**options)
    assert "\n" not in str(caught.value)


def test_it_follows_its_jobs():
    assert JobTrigger(jobs=["a", "b"]).upstream_jobs() == ("a", "b")


def test_a_window_without_all_is_doubtful():
    trigger = JobTrigger(jobs=["a"], within="1h")
    assert trigger.warnings() == ('within has no effect without mode = "all"',)
    assert evolve(trigger, within=None).warnings() == ()


def test_the_module_offers_it():
    assert module.rae_triggers() == [JobTrigger]


def test_time_alone_fires_nothing():
    play = PatternRun.begun(all_of("a", "b"), START)
    assert play.advance(datetime.max.replace(tzinfo=START.tzinfo)) == []
    assert play.pattern.step(play.state, None, START).firings == ()
