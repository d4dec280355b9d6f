"""Regular expressions with a mistake, which is described in words and not in those of Python's parser."""

import re

import pytest

from rae_auto.toolkit.validators import describe_pattern_error


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a(b", "a ( has no ), at character 2"),
        ("a)b", "a ) has no (, at character 2"),
        ("[ab", "a [ has no ], at character 1"),
        ("*a", "there is nothing to repeat, at character 1"),
        ("a**", "two repetitions follow each other, at character 3"),
        ("a\\", "it ends with a backslash, at character 2"),
    ],
)
def test_problem_of_a_pattern_is_said_with_its_place(pattern: str, text: str) -> None:
    with pytest.raises(re.error) as found:
        re.compile(pattern)
    assert describe_pattern_error(found.value) == text


def test_pattern_that_is_too_much_is_too_complicated() -> None:
    assert describe_pattern_error(RecursionError("maximum recursion depth exceeded")) == "it is too complicated"
