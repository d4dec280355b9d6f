"""Two daemons with one store keep the promises, whatever is killed, stopped, delayed or lost."""

import pytest
from tests.fuzz.two_daemons import failures


@pytest.mark.requirement("R10")
def test_two_daemons_keep_the_promises_in_a_hundred_seeds() -> None:
    assert failures(range(1, 101)) == []


@pytest.mark.parametrize("mistake", [{"believes_in_death": True}, {"checks_tokens": False}])
def test_play_of_two_daemons_finds_a_planted_mistake(mistake: dict[str, bool]) -> None:
    assert failures(range(1, 31), **mistake) != []
