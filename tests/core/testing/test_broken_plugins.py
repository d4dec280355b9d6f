"""Broken plugins that the conformance suites name, each with the change to make."""

import asyncio
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from attrs import field, frozen

from rae_auto.api import Notifier, ScheduleTrigger, SourceTrigger
from rae_auto.testing import time_limits
from rae_auto.testing.notifiers import NotifierConformance
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.sources import SourceConformance
from rae_auto.testing.triggers import ScheduleConformance
from rae_auto.toolkit.threads import time_limit


@frozen
class Broken(SourceTrigger):
    """A source that does what it is given."""

    behave: Callable = field(metadata={"help": "its fault"})
    type = "broken"

    async def watch(self, context):
        await self.behave(context)


async def raise_error(context):
    raise KeyError("x")


async def end(context):
    pass


async def raise_in_a_library(context):
    json.dumps(b"x")


async def emit_set(context):
    await context.emit("a", {"x": {1}})


async def emit_set_and_swallow(context):
    with suppress(TypeError):
        await emit_set(context)
    await asyncio.Event().wait()


async def emit_number_as_key(context):
    await context.emit(5)


async def forget_await(context):
    context.emit("a")
    await asyncio.Event().wait()


async def swallow_cancellation(context):
    await context.emit("a")
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


async def block(context):
    while True:
        pass


class SuiteOfBroken(SourceConformance):
    """Suite of sources that need no provocation."""

    async def provoke(self, listener, number):
        pass


@pytest.fixture(autouse=True)
def short_limits(monkeypatch):
    monkeypatch.setattr(time_limits, "TEST_TIMEOUT_SECONDS", 3.0)
    monkeypatch.setattr(time_limits, "CANCEL_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(time_limits, "_GRACE_SECONDS", 0.0)
    monkeypatch.setattr(time_limit, "LIMIT_SECONDS", 1)


@pytest.mark.parametrize(
    ("behave", "message", "cause"),
    [
        (raise_error, r"watch raised KeyError\('x'\) at .*test_broken_plugins.py:\d+; fix it", KeyError),
        (raise_in_a_library, r"watch raised TypeError\(.*\) at .*test_broken_plugins.py:\d+; fix it", TypeError),
        (end, "watch returned; let it go on until it is cancelled", None),
        (emit_set, 'the event of the key "a" is not JSON .*; use text', TypeError),
        (emit_set_and_swallow, 'the event of the key "a" is not JSON .*; use text', TypeError),
        (emit_number_as_key, "the key is 5; use text", TypeError),
        (forget_await, 'emit was called but not awaited; write "await', RuntimeError),
        (swallow_cancellation, "the source ignores its cancellation; let watch raise CancelledError", None),
        (block, "the source blocks the event loop: .*test_broken_plugins.py.*; await what takes long", None),
    ],
)
def test_source_suite_names_the_fault_at_once(tmp_path, behave, message, cause):
    with pytest.raises(AssertionError, match=message) as caught:
        SuiteOfBroken().test_occurrence_has_a_key_and_a_json_event(Broken(behave), tmp_path)
    assert cause is None or isinstance(caught.value.__cause__, cause)


async def emit_when_the_clock_is_set(context):
    await context.emit("first")
    while True:
        await context.timer.sleep_until(context.timer.now().wall + timedelta(days=365))
        await context.emit(context.timer.now().wall.isoformat())


def test_source_suite_names_what_fires_by_the_clock(tmp_path):
    with pytest.raises(AssertionError, match=r"emitted \d more when only the clock had changed; measure spans with"):
        SuiteOfBroken().test_clock_steps_and_suspend_repeat_and_lose_nothing(
            Broken(emit_when_the_clock_is_set), tmp_path
        )


async def emit_under_a_new_key(context):
    for number in range(2):
        await context.emit(f"{number} of {os.getpid()}")
        await context.timer.sleep(1)


def test_source_suite_names_what_a_kill_repeats(tmp_path):
    class Suite(SuiteOfBroken):
        async def provoke(self, listener, number):
            if number == 2:
                await listener.timer.advance(2)

    with pytest.raises(AssertionError, match=r"emitted again what it had emitted before the kill: .*; give what is"):
        Suite().test_source_of_a_killed_daemon_repeats_nothing_and_continues(Broken(emit_under_a_new_key), tmp_path)


@frozen
class EndlessSchedule(ScheduleTrigger):
    """A schedule that searches for ever."""

    def next_after(self, instant):
        while True:
            pass


def test_schedule_suite_interrupts_an_endless_loop():
    with pytest.raises(AssertionError, match=r"next_after\(.*\) hangs: .*test_broken_plugins.py:\d+\); end its loop"):
        ScheduleConformance().test_next_after_the_last_instant_is_none(EndlessSchedule())


@frozen
class SilentNotifier(Notifier):
    """A notifier that never returns."""

    async def notify(self, notice):
        await asyncio.Event().wait()


def test_notifier_suite_ends_one_that_never_returns(monkeypatch):
    monkeypatch.setattr(time_limits, "TEST_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(time_limits, "_GRACE_SECONDS", 10.0)
    with pytest.raises(
        AssertionError, match=r"notify has not ended within 0\.1 s; give what it waits for a time limit"
    ):
        NotifierConformance().test_notice_arrives(SilentNotifier(), list)


@frozen
class TypelessOption(Notifier):
    """A notifier with an option without a type."""

    every = field(default=5, metadata={"help": "a number"})

    async def notify(self, notice):
        pass


@frozen
class PatternOption(Notifier):
    """A notifier with an option that no configuration can give."""

    pattern: re.Pattern = field(default=None, metadata={"help": "a pattern"})

    async def notify(self, notice):
        pass


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (TypelessOption(), 'option "every" has no type; write "every: int'),
        (PatternOption(), 'can become the type of option "pattern", .*re.Pattern'),
    ],
)
def test_suite_names_an_option_of_a_wrong_type(plugin, message):
    with pytest.raises(AssertionError, match=message):
        PluginConformance().test_options_have_types_that_a_configuration_can_give(plugin)
