"""`why` agrees with the engine's own trace in a sample of random worlds."""

import pytest
from tests.fuzz.why_trace import find_differences

pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do


@pytest.mark.parametrize("first", [0, 5000])
def test_why_says_what_the_engine_found(first: int) -> None:
    assert [text for seed in range(first, first + 25) for text in find_differences(seed)] == []
