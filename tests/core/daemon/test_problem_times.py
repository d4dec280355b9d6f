"""The instants since which problems of a daemon are known."""

from datetime import UTC, datetime, timedelta

import pytest

from rae_auto.daemon.answers.problem_times import ProblemTimes

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_problem_keeps_the_instant_at_which_it_was_first_seen() -> None:
    times = ProblemTimes()
    assert times.note(["the log can't be written"], {}, NOON) == {"the log can't be written": NOON}
    found = times.note(["the log can't be written", "another"], {}, NOON + HOUR)
    assert found == {"the log can't be written": NOON, "another": NOON + HOUR}


def test_numbers_alone_make_no_new_problem() -> None:
    times = ProblemTimes()
    times.note(["failed after 3 failures"], {}, NOON)
    assert times.note(["failed after 14 failures"], {}, NOON + HOUR) == {"failed after 14 failures": NOON}


@pytest.mark.parametrize(
    "text", ['job "job{}" is damaged', "backup{} can't be used", "/srv/{}/in is gone", "disk-{}: no room", 'x "a {}"']
)
def test_problems_with_different_names_are_two(text: str) -> None:
    times = ProblemTimes()
    times.note([text.format(1)], {}, NOON - 20 * 24 * HOUR)
    assert times.note([text.format(2)], {}, NOON) == {text.format(2): NOON}


@pytest.mark.parametrize("number", ["7", "1,234", "4.5", "06:42:00"])
def test_numbers_that_count_or_measure_make_no_new_problem(number: str) -> None:
    times = ProblemTimes()
    times.note(['notifier "ops2" failed (3 times, 2 s)'], {}, NOON)
    text = f'notifier "ops2" failed ({number} times, {number} s)'
    assert times.note([text], {}, NOON + HOUR) == {text: NOON}


def test_problem_that_went_and_came_again_is_a_new_one() -> None:
    times = ProblemTimes()
    times.note(["x"], {}, NOON)
    times.note([], {}, NOON + HOUR)
    assert times.note(["x"], {}, NOON + 2 * HOUR) == {"x": NOON + 2 * HOUR}


def test_problem_that_knows_its_begin_has_that() -> None:
    assert ProblemTimes().note(["x"], {"x": NOON - HOUR, "y": NOON}, NOON) == {"x": NOON - HOUR}
