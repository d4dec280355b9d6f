"""What the conformance suites say to an author whose plugin isn't right yet."""

import asyncio
from datetime import UTC, datetime

import pytest
from attrs import frozen

from rae_auto.api import ComputedGuard, GuardResult, ReadGuard, Verdict
from rae_auto.testing.guards import GuardConformance
from rae_auto.testing.sources import Listener, RealTimer


@frozen
class OnTheHour(ComputedGuard):
    """Looks at the clock of whoever asks."""

    def evaluate(self, instant):
        return GuardResult(Verdict.YES if instant.minute == 0 else Verdict.NO, f"minute {instant.minute}")

    def changes_after(self, instant):
        return None


@frozen
class Talkative(ReadGuard):
    """Says what it is given."""

    what: object

    async def read(self):
        return self.what


@pytest.mark.parametrize(
    ("timer", "message"),
    [
        (
            None,
            "^it emitted 0 occurrences instead of 1 within 0 s; its clocks stand still: advance them",
        ),
        (RealTimer(), "^it emitted 0 occurrences instead of 1 within 0 s$"),
    ],
)
def test_a_source_that_tells_nothing_is_told_how_its_clocks_move(tmp_path, timer, message):
    async def wait():
        await Listener(tmp_path, timer).wait_for(1, patience=0)

    with pytest.raises(TimeoutError, match=message):
        asyncio.run(wait())


def test_a_guard_whose_answer_depends_on_the_zone_is_told_so():
    with pytest.raises(AssertionError, match="where the same instant comes in another zone"):
        GuardConformance().test_what_is_computed_depends_on_nothing_but_the_instant(OnTheHour())
    assert OnTheHour().evaluate(datetime(2026, 1, 1, tzinfo=UTC)).verdict is Verdict.YES


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (None, "it answered None, which isn't a GuardResult"),
        (GuardResult("maybe", "well"), "it answered 'maybe', which isn't a Verdict"),
        (GuardResult(Verdict.NO, ""), "it doesn't tell what it saw"),
        (GuardResult(Verdict.NO, "two\nlines"), "more than one line"),
    ],
)
def test_a_guard_whose_answer_is_none_is_told_what_is_wrong_with_it(what, message):
    with pytest.raises(AssertionError, match=message):
        GuardConformance().test_it_says_what_it_saw_in_one_line(Talkative(what))
