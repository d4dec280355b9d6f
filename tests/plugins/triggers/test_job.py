"""The job trigger fires when other jobs end."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.api import Event
from rae_auto.model.run import RunState
from rae_auto.testing.sources import START, Listener, SourceConformance
from rae_auto.toolkit.pattern_run import PatternRun
from rae_plugins.triggers import job as module
from rae_plugins.triggers.job import EndKind, JobTrigger, JobTriggerMode

MINUTE = timedelta(minutes=1)


def end(
    run: str, job: str = "a", at: float = 0, state: RunState = RunState.SUCCEEDED, seconds: float | None = 1.0
) -> Event:
    """Return the end of a run so many minutes after the start."""
    data = {"job": job, "run_id": run, "trigger": "t", "state": str(state), "exit_code": 0, "seconds": seconds}
    return Event(run, f"run.{state}", START + at * MINUTE, data)


def fired(trigger: JobTrigger, *events: Event) -> list[Any]:
    """Return the firings of a trigger that follows its events among these."""
    play = PatternRun.start(trigger, START)
    return [firing for event in events if event.name in trigger.event_names() for firing in play.handle(event)]


def all_of(*jobs: str, within: str = "10m", **options: Any) -> JobTrigger:
    return JobTrigger(jobs=jobs, mode=JobTriggerMode.ALL, within=within, **options)  # type: ignore[arg-type]  # as people write


class TestConforms(SourceConformance):
    @pytest.fixture(params=[JobTriggerMode.ANY, JobTriggerMode.ALL])
    def plugin(self, request: pytest.FixtureRequest) -> JobTrigger:
        return JobTrigger(jobs=["a"], mode=request.param, within="1h" if request.param is JobTriggerMode.ALL else None)

    async def provoke(self, listener: Listener, number: int) -> None:
        event = await listener.events.record("run.succeeded", {"job": "a", "state": "succeeded", "seconds": 1.0})
        assert event.id == f"event-{number - 1}"


@pytest.mark.requirement("R37")
def test_each_end_fires_once_with_the_run_as_key():
    first, second = fired(JobTrigger(jobs=["a"]), end("r1"), end("x", job="b"), end("r2", at=1))
    assert (first.key, first.at) == ("r1", START)
    assert first.event == {"job": "a", "run_id": "r1", "state": "succeeded", "exit_code": 0, "seconds": 1.0}
    assert (second.key, second.at) == ("r2", START + MINUTE)


@pytest.mark.parametrize("state", [state for state in RunState if state.final])
def test_job_trigger_counts_the_chosen_ends(state):
    counts = {on for on in EndKind if fired(JobTrigger(jobs=["a"], on=on), end("r", state=state))}
    expected = {
        RunState.SUCCEEDED: {EndKind.SUCCESS, EndKind.ANY},
        RunState.CANCELLED: {EndKind.ANY},
        RunState.SKIPPED: set(),
    }
    assert counts == expected.get(state, {EndKind.FAILURE, EndKind.ANY})


def test_run_cancelled_before_its_start_has_no_end():
    assert fired(JobTrigger(jobs=["a"], on=EndKind.ANY), end("r", state=RunState.CANCELLED, seconds=None)) == []


def test_mode_all_fires_once_every_job_ended_and_restarts():
    trigger = all_of("a", "b")
    (first,) = fired(trigger, end("r1", "a"), end("r2", "a", 1), end("r3", "b", 2), end("r4", "b", 3))
    assert first.at == START + 2 * MINUTE
    assert [run["run_id"] for run in first.event["runs"]] == ["r2", "r3"]
    assert first.event["runs"][1] == {"job": "b", "run_id": "r3", "state": "succeeded", "exit_code": 0, "seconds": 1.0}


def test_trace_of_an_end_is_that_of_the_firing():
    traced = evolve(end("r2", "b", 1), data={**end("r2", "b").data, "traceparent": "00-1-2-01"})
    (single,), (both,) = fired(JobTrigger(jobs=["b"]), traced), fired(all_of("a", "b"), end("r1", "a"), traced)
    assert (single.event["traceparent"], both.event["traceparent"]) == ("00-1-2-01", "00-1-2-01")


def test_mode_all_key_derives_from_the_runs():
    ends = (end("r1", "a"), end("r2", "b", 1))
    (one,), (other,) = fired(all_of("a", "b"), *ends), fired(all_of("b", "a"), *reversed(ends))
    assert one.key == other.key != fired(all_of("a", "b"), end("r1", "a"), end("r3", "b"))[0].key


def test_ends_outside_the_window_do_not_combine():
    assert fired(all_of("a", "b"), end("r1", "a"), end("r2", "b", 10.01)) == []
    assert len(fired(all_of("a", "b"), end("r1", "a"), end("r2", "b", 10))) == 1


def test_failure_between_keeps_an_earlier_success():
    failed = end("r2", "a", 1, RunState.FAILED)
    assert len(fired(all_of("a", "b"), end("r1", "a"), failed, end("r3", "b", 2))) == 1


def test_late_end_counts_by_its_instant():
    assert len(fired(all_of("a", "b"), end("r1", "a", 5), end("r2", "b", 0))) == 1
    assert fired(all_of("a", "b"), end("r1", "a", 15), end("r2", "b", 0)) == []


def test_clock_set_back_keeps_no_end_beyond_the_window():
    play = PatternRun.start(all_of("a", "b"), START)
    play.handle(end("r1", "a", 600))
    play.skip(START + 600 * MINUTE, START, "set_back")
    assert len(play.handle(end("r2", "b", 1))) == 1
    play.handle(end("r3", "a", 600))
    play.skip(START + 600 * MINUTE, START, "set_back")
    assert play.handle(end("r4", "b", 11)) == []


ends = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), max_size=25)


@given(ends, st.integers(1, 15))
def test_mode_all_agrees_with_the_whole_history(events, window):
    """Compared with the definition: each job has an end within the window since the last firing."""
    trigger = all_of("a", "b", "c", within=f"{window}m")
    play = PatternRun.start(trigger, START)
    since_last: list[tuple[str, int]] = []
    for number, (job, at) in enumerate(events):
        firings = play.handle(end(f"r{number}", job, at))
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
        ({"jobs": ["a"], "mode": JobTriggerMode.ALL}, "'within' must give"),
        ({"jobs": ["a"], "mode": JobTriggerMode.ALL, "within": "0s"}, "'within' must be more than 0s"),
        ({"jobs": ["a"], "mode": JobTriggerMode.ALL, "within": "soon"}, "invalid duration"),
    ],
)
def test_invalid_job_options_are_refused(options, why):
    with pytest.raises(ValueError, match=why) as caught:
        JobTrigger(**options)
    assert "\n" not in str(caught.value)


def test_job_trigger_lists_its_upstream_jobs():
    assert JobTrigger(jobs=["a", "b"]).upstream_jobs() == ("a", "b")


def test_window_without_mode_all_gives_a_warning():
    trigger = JobTrigger(jobs=["a"], within="1h")
    assert trigger.warnings() == ('within has no effect without mode = "all"',)
    assert evolve(trigger, within=None).warnings() == ()


def test_job_module_offers_one_trigger():
    assert module.rae_triggers() == [JobTrigger]


def test_time_alone_fires_no_job_trigger():
    play = PatternRun.start(all_of("a", "b"), START)
    assert play.advance(datetime.max.replace(tzinfo=START.tzinfo)) == []
    assert play.pattern.step(play.state, None, START).firings == ()
