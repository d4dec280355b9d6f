"""Checks of what executors return: an answer of `find` that means nothing must not pass for "never started"."""

from datetime import datetime

import pytest

from rae_auto.api.executor import NeverStarted
from rae_auto.model.run import Result
from rae_auto.runtime.execution.executor_contract import check_found


def find() -> None:
    """Stand for the method of an executor."""


@pytest.mark.parametrize("answer", [False, True, 0, "running", {}, [], object()])
def test_answer_of_find_that_is_none_of_those_allowed_is_refused(answer: object) -> None:
    with pytest.raises(TypeError, match=r"find returned .* which is not a Result"):
        check_found(answer, find)


def test_result_of_find_that_no_store_can_keep_is_refused() -> None:
    with pytest.raises(TypeError, match="the value of the result is not JSON"):
        check_found(Result(value=object()), find)


@pytest.mark.parametrize("time", [datetime(2026, 3, 1), 1_772_323_200.0])
@pytest.mark.parametrize("name", ["started_at", "ended_at"])
def test_time_of_a_result_that_is_no_instant_is_refused(name: str, time: object) -> None:
    with pytest.raises(TypeError, match="which is not a datetime with a zone"):
        check_found(Result(**{name: time}), find)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [None, NeverStarted(), Result(exit_code=3)])
def test_answers_of_find_that_are_allowed_pass(answer: object) -> None:
    assert check_found(answer, find) is answer
