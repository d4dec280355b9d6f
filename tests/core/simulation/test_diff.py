"""Differences between two forecasts."""

from tests.support.forecasting import at, forecast, job

from rae_auto.model.policies import Overlap
from rae_auto.model.run import RunState
from rae_auto.simulation.diff import Difference, ForecastOutcome, differences

SUCCEEDED = RunState.SUCCEEDED


def test_a_forecast_does_not_differ_from_itself() -> None:
    result = forecast(job("a", 10), job("b", 15), max_parallel=1, durations={"a": 12}, down=[("00:20", "00:40")])
    assert result.runs
    assert result.skips
    assert differences(result, result) == ()


def test_a_job_that_comes_or_goes_has_no_counterpart() -> None:
    with_it, without = forecast(job("a", 60), job("b", 60)), forecast(job("a", 60))
    outcome = ForecastOutcome(at("00:00"), SUCCEEDED, None)
    assert differences(with_it, without) == (Difference(at("00:00"), job("b").job.id, "t", outcome, None),)
    assert differences(without, with_it) == (Difference(at("00:00"), job("b").job.id, "t", None, outcome),)


def test_another_schedule_changes_only_the_instants_that_are_not_in_both() -> None:
    found = differences(forecast(job("a", 30)), forecast(job("a", 20)))
    assert [(f"{d.at:%H:%M}", d.before is None, d.after is None) for d in found] == [
        ("00:20", True, False),
        ("00:30", False, True),
        ("00:40", True, False),
    ]


def test_a_skip_that_becomes_a_wait_is_a_difference() -> None:
    durations = {"a": 15.0}
    before = forecast(job("a", 10), durations=durations, minutes=20)
    after = forecast(job("a", 10, overlap=Overlap.QUEUE), durations=durations, minutes=20)
    (found,) = differences(before, after)
    assert found.before == ForecastOutcome(None, RunState.SKIPPED, "overlap")
    assert found.after is not None
    assert found.after.started_at == at("00:15")


def test_a_start_that_moves_is_a_difference() -> None:
    plans = job("a", 60), job("b", 60)
    (found,) = differences(forecast(*plans), forecast(*plans, max_parallel=1))
    assert found.before is not None
    assert found.after is not None
    assert (found.job, found.before.started_at, found.after.started_at) == ("b", at("00:00"), at("00:01"))


def test_another_end_is_a_difference() -> None:
    (found,) = differences(forecast(job("a", 60)), forecast(job("a", 60, timeout="30s")))
    assert found.after == ForecastOutcome(at("00:00"), RunState.TIMED_OUT, "timeout")


def test_differences_come_in_the_order_of_time() -> None:
    found = differences(forecast(), forecast(job("b", 10), job("a", 20)))
    assert [(f"{d.at:%M}", d.job) for d in found][:4] == [("00", "a"), ("00", "b"), ("10", "b"), ("20", "a")]
