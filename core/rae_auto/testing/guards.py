"""Conformance suite of guards."""

from typing import Any

from rae_auto.api.guard import ComputedGuard, GuardResult, ReadGuard, Verdict
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.time_limits import call_pure, run_within_limit
from rae_auto.testing.triggers import INSTANTS, assert_pure

READ_TIMEOUT_SECONDS = 10.0
"""Time after which the daemon takes a guard as UNKNOWN."""


def _check_result(result: Any) -> None:
    assert isinstance(result, GuardResult), f"the guard returned {result!r}; return a GuardResult"
    assert isinstance(result.verdict, Verdict), f"the verdict is {result.verdict!r}; use Verdict.YES, NO or UNKNOWN"
    assert result.reason, "the reason is empty; say in one line what the guard observed"
    assert "\n" not in result.reason, f"the reason has more than one line: {result.reason!r}"


class GuardConformance(PluginConformance):
    """Conformance suite of guards. A subclass has a fixture `plugin`, the guard to test."""

    def test_result_has_a_reason_of_one_line(self, plugin: Any) -> None:
        if isinstance(plugin, ComputedGuard):
            for instant in INSTANTS:
                _check_result(call_pure(plugin.evaluate, instant))
        else:
            assert isinstance(plugin, ReadGuard)
            _check_result(run_within_limit(plugin.read(), "read", READ_TIMEOUT_SECONDS))

    def test_guard_is_hashable(self, plugin: Any) -> None:
        assert hash(plugin) == hash(plugin), "make the class attrs.frozen, with options that can be hashed"

    def test_computed_guard_is_pure(self, plugin: Any) -> None:
        if not isinstance(plugin, ComputedGuard):
            return
        for instant in INSTANTS:
            change = call_pure(plugin.changes_after, instant)
            if change is not None:
                assert change.tzinfo is not None, f"changes_after({instant}) has no time zone"
                assert change > instant, f"changes_after({instant}) is {change}; it must be later"
            assert_pure(plugin, instant)
