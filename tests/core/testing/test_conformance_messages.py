"""Messages of the conformance suites to authors of plugins."""

import asyncio
from datetime import UTC, datetime

import pytest
from attrs import field, frozen

from rae_auto.api import ComputedGuard, GuardResult, ReadGuard, Verdict
from rae_auto.testing.guards import GuardConformance
from rae_auto.testing.sources import Listener, RealTimer
from rae_auto.toolkit.secrets import SecretText, to_secret_text


@frozen
class OnTheHour(ComputedGuard):
    """Depends on the zone of its argument."""

    def evaluate(self, instant):
        return GuardResult(Verdict.YES if instant.minute == 0 else Verdict.NO, f"minute {instant.minute}")

    def changes_after(self, instant):
        return None


@frozen
class FixedResult(ReadGuard):
    """Returns a given value."""

    result: object

    async def read(self):
        return self.result


@pytest.mark.parametrize(
    ("timer", "message"),
    [
        (
            None,
            "^the source emitted 0 occurrences instead of 1 within 0 s; its clocks do not move by themselves",
        ),
        (RealTimer(), "^the source emitted 0 occurrences instead of 1 within 0 s$"),
    ],
)
def test_wait_for_explains_clocks_that_do_not_move(tmp_path, timer, message):
    async def wait():
        await Listener(tmp_path, timer).wait_for(1, within=0)

    with pytest.raises(TimeoutError, match=message):
        asyncio.run(wait())


def test_guard_conformance_names_dependence_on_the_zone():
    with pytest.raises(AssertionError, match=r"gave two results, .* in another zone; depend on the argument alone"):
        GuardConformance().test_computed_guard_is_pure(OnTheHour())
    assert OnTheHour().evaluate(datetime(2026, 1, 1, tzinfo=UTC)).verdict is Verdict.YES


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "the guard returned None; return a GuardResult"),
        (GuardResult("maybe", "well"), "the verdict is 'maybe'; use Verdict"),
        (GuardResult(Verdict.NO, ""), "the reason is empty"),
        (GuardResult(Verdict.NO, "two\nlines"), "more than one line"),
    ],
)
def test_guard_conformance_names_the_fault_of_a_result(result, message):
    with pytest.raises(AssertionError, match=message):
        GuardConformance().test_result_has_a_reason_of_one_line(FixedResult(result))


@frozen
class Talkative(ReadGuard):
    """Says its token to everyone."""

    type = "talkative"

    token: SecretText = field(converter=to_secret_text, metadata={"help": "token"})

    async def read(self):
        return GuardResult(Verdict.YES, "open")

    def summary(self):
        return f"talkative {self.token.unresolved_text}"


def test_conformance_names_a_secret_that_is_shown():
    with pytest.raises(AssertionError, match='the secret of option "token" is in repr'):
        GuardConformance().test_secrets_are_shown_nowhere(Talkative(token="hunter2-hunter2"))
    GuardConformance().test_secrets_are_shown_nowhere(Talkative(token="${env:TOKEN}"))
