"""The conformance suite of guards."""

import asyncio
from datetime import timedelta, timezone
from typing import Any

from rae_auto.api.guard import ComputedGuard, GuardResult, ReadGuard, Verdict
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.triggers import INSTANTS

PATIENCE = 10.0
"""Seconds after which the daemon waits no more for an answer."""


def _check(result: Any) -> None:
    assert isinstance(result, GuardResult), f"it answered {result!r}, which isn't a GuardResult"
    assert isinstance(result.verdict, Verdict), f"it answered {result.verdict!r}, which isn't a Verdict"
    assert result.reason, "it doesn't tell what it saw"
    assert "\n" not in result.reason, f"its reason has more than one line: {result.reason!r}"


class GuardConformance(PluginConformance):
    """Conformance suite of guards. A subclass has a fixture `plugin`, the guard to test."""

    def test_it_says_what_it_saw_in_one_line(self, plugin: Any) -> None:
        if isinstance(plugin, ComputedGuard):
            for instant in INSTANTS:
                _check(plugin.evaluate(instant))
        else:
            assert isinstance(plugin, ReadGuard)
            _check(asyncio.run(asyncio.wait_for(plugin.read(), PATIENCE)))

    def test_it_can_be_shared(self, plugin: Any) -> None:
        assert hash(plugin) == hash(plugin), "make the class attrs.frozen, with options that can be hashed"

    def test_what_is_computed_depends_on_nothing_but_the_instant(self, plugin: Any) -> None:
        if not isinstance(plugin, ComputedGuard):
            return
        elsewhere = timezone(timedelta(hours=-9, minutes=-30))
        for instant in INSTANTS:
            said = plugin.evaluate(instant)
            again = plugin.evaluate(instant.astimezone(elsewhere))
            assert again == said, f"it says {again} instead of {said} where the same instant comes in another zone"
            change = plugin.changes_after(instant)
            if change is not None:
                assert change.tzinfo is not None, f"changes_after({instant}) has no time zone"
                assert change > instant, f"changes_after({instant}) is {change}, which isn't later"
                between = instant + (change - instant) / 2
                assert plugin.evaluate(between).verdict is said.verdict, f"it changes its mind before {change}"
