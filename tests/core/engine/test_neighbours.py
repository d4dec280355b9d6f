"""The instants of a schedule just before and after a time, against a search through all of them."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.engine.time.catch_up import MAX_LOOK_BACK, find_neighbours

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Listed:
    """A schedule of given instants that counts the questions."""

    jitter = timedelta(0)

    def __init__(self, instants):
        self.instants, self.questions = sorted(set(instants)), 0

    def next_after(self, instant):
        self.questions += 1
        place = bisect_right(self.instants, instant)
        return self.instants[place] if place < len(self.instants) else None


@frozen
class Burst:
    first: int
    count: int
    step: timedelta

    def instants(self):
        return [START + timedelta(seconds=self.first) + self.step * number for number in range(self.count)]


bursts = st.builds(
    Burst,
    st.integers(0, 40_000_000),
    st.integers(1, 60),
    st.sampled_from((timedelta(microseconds=1), SECOND, 90 * SECOND, timedelta(days=1))),
)


@settings(max_examples=300)
@given(st.lists(bursts, max_size=4), st.integers(0, 45_000_000), st.sampled_from((timedelta(0), SECOND / 3)))
def test_neighbours_are_those_of_a_search_through_all(found, seconds, fraction) -> None:
    instants = [instant for burst in found for instant in burst.instants()]
    at = START + timedelta(seconds=seconds) + fraction
    before = max((one for one in instants if at - MAX_LOOK_BACK < one <= at), default=None)
    after = min((one for one in instants if one > at), default=None)
    assert find_neighbours([Listed(instants)], at) == (before, after)


def test_neighbours_at_an_instant_are_it_and_the_next() -> None:
    minutely = Listed(START + number * 60 * SECOND for number in range(10))
    assert find_neighbours([minutely], START + 120 * SECOND) == (START + 120 * SECOND, START + 180 * SECOND)


def test_neighbours_of_a_dense_schedule_need_few_questions() -> None:
    ended = Listed(START + number * SECOND for number in range(100_000))
    assert find_neighbours([ended], START + timedelta(days=90))[0] == ended.instants[-1]
    assert ended.questions < 120
