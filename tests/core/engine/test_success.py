"""Success: which exit codes count, and output on standard error."""

import pytest

from rae_auto import Job, RetryPolicy
from rae_auto.engine.lifecycle import job_of_terms
from rae_auto.engine.runs.judgement import judge_result
from rae_auto.errors import InvalidJob
from rae_auto.model.reasons import OtherExitCode, SuccessCode, WroteToStderr
from rae_auto.model.run import Result, RunState


def end_of(world, job, result, **fields):
    """Return the state and the reason of a run whose attempt had this result."""
    w = world(job("a", **fields))
    w.end(run := w.trigger("a"), result)
    return w.run(run).state, w.run(run).reason


def test_success_codes_make_an_exit_code_a_success(world, job):
    state, reason = end_of(world, job, Result(exit_code=24), success_codes=[0, 24])
    assert (state, reason) == (RunState.SUCCEEDED, SuccessCode(24))
    assert reason.text == "exit code 24 is one of success_codes"
    assert end_of(world, job, Result(exit_code=0), success_codes=[0, 24]) == (RunState.SUCCEEDED, None)


def test_success_codes_make_other_exit_codes_a_failure(world, job):
    state, reason = end_of(world, job, Result(exit_code=0), success_codes=[1, 2])
    assert (state, reason) == (RunState.FAILED, OtherExitCode(0, (1, 2)))
    assert reason.text == "exit code 0 is not one of success_codes = [1, 2]"
    assert end_of(world, job, Result(exit_code=24)) == (RunState.FAILED, None)


@pytest.mark.parametrize("result", [Result(signal=9), Result(exit_code=24, error="memory limit of 1MB exceeded")])
def test_success_codes_excuse_neither_signal_nor_error(world, job, result):
    state, reason = end_of(world, job, result, success_codes=[0, 9, 24, 137])
    assert state is RunState.FAILED
    assert reason.code in ("killed", "error")


def test_fail_on_stderr_makes_a_success_a_failure(world, job):
    state, reason = end_of(world, job, Result(exit_code=0, stderr="no such table"), fail_on="stderr")
    assert (state, reason) == (RunState.FAILED, WroteToStderr("no such table"))
    assert reason.text == 'it wrote to standard error (fail_on = ["stderr"]): "no such table"'
    assert end_of(world, job, Result(exit_code=0), fail_on=["stderr"]) == (RunState.SUCCEEDED, None)


def test_failure_by_the_terms_of_a_job_is_retried(world, job):
    w = world(job("a", success_codes=[3], fail_on=["stderr"], retry_policy=RetryPolicy(attempts=2, jitter=0)))
    w.end(run := w.trigger("a"), Result(exit_code=3, stderr="late"))
    assert w.run(run).state is RunState.RETRYING
    w.advance(w.run(run).not_before - w.now.wall)
    w.end(run, Result(exit_code=3))
    assert (w.run(run).state, w.run(run).exit_code) == (RunState.SUCCEEDED, 3)


def test_success_is_decided_by_the_terms_of_a_job_that_is_gone(world, job):
    w = world(job("a", success_codes=[0, 24]))
    run = w.trigger("a")
    assert judge_result(job_of_terms(w.run(run)), Result(exit_code=24)) == (RunState.SUCCEEDED, SuccessCode(24))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"success_codes": []}, "must not be empty"),
        ({"success_codes": [0, 256]}, "must be an exit code from 0 to 255, not the number 256"),
        ({"success_codes": [True]}, "must be an exit code from 0 to 255"),
        ({"fail_on": "stdout"}, "stderr"),
        (
            {"success_codes": [0, 24], "retry_policy": RetryPolicy(attempts=2, exit_codes=[24])},
            "exit code 24 is a success, so it is never retried",
        ),
    ],
)
def test_job_refuses_success_that_contradicts_itself(fields, problem):
    with pytest.raises((InvalidJob, ValueError), match=problem):
        Job(id="a", command="true", **fields)
