"""Broken plugins of each kind: what fails when a daemon uses them first is an error of `check`, and ends no daemon."""

import os
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from rae_auto.api.guard import ComputedGuard, GuardResult, Verdict
from rae_auto.api.logger import Logger
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger, TriggerContext
from rae_auto.checks import trial
from rae_auto.checks.check import check_file
from rae_auto.checks.trial import find_faults
from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import PluginNotFound
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef, TriggerRef
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.runtime.reporting import log_setup

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@frozen
class Good(ScheduleTrigger):
    type = "odd"

    def next_after(self, instant: datetime) -> datetime | None:
        return instant + timedelta(hours=1)


@frozen
class GoodSource(SourceTrigger):
    type = "odd"

    async def watch(self, context: TriggerContext) -> None:
        return


@frozen
class GoodGuard(ComputedGuard):
    type = "odd"

    def evaluate(self, instant: datetime) -> GuardResult:
        return GuardResult(Verdict.YES, "always")

    def changes_after(self, instant: datetime) -> datetime | None:
        return None


@frozen
class GoodLogger(Logger):
    type = "odd"

    def handler(self, directory: Path) -> dict[str, Any]:
        return {"sink": print, "level": "INFO"}


def fail(*_: object) -> Any:
    raise KeyError("boom")


def leave(*_: object) -> Any:
    sys.exit(3)


KINDS: dict[type[Plugin], Kind] = {
    Good: Kind.TRIGGER,
    GoodSource: Kind.TRIGGER,
    GoodGuard: Kind.GUARD,
    GoodLogger: Kind.LOGGER,
}
METHODS = [
    *((Good, name) for name in ("__repr__", "__hash__", "__eq__", "run_point", "next_after")),
    *((GoodSource, name) for name in ("__repr__", "delay", "upstream_jobs", "can_burst")),
    *((GoodGuard, name) for name in ("__repr__", "__hash__", "evaluate", "changes_after")),
    *((GoodLogger, name) for name in ("__repr__", "shows_output", "place", "log_file", "handler")),
]


def spoil(good: type[Plugin], name: str, function: Any) -> Plugin:
    """Return a plugin of which one method is this function."""
    spoilt = property(function) if name == "delay" else function
    return type("Bad", (good,), {name: spoilt, "__slots__": ()})()


@pytest.mark.requirement("R35")
@pytest.mark.parametrize(("good", "name"), METHODS)
@pytest.mark.parametrize("function", [fail, leave])
def test_trial_names_what_fails(good: type[Plugin], name: str, function: Any) -> None:
    kind = KINDS[good]
    (fault,) = find_faults(kind, spoil(good, name, function), NOW, "rae-odd 1.0")
    assert fault.startswith(f'{kind} "odd" of rae-odd 1.0: ')
    assert f"test_trial.py:{function.__code__.co_firstlineno + 1}" in fault
    assert "for its author: " in fault


@pytest.mark.parametrize("good", KINDS)
def test_trial_finds_nothing_in_a_good_plugin(good: type[Plugin]) -> None:
    assert list(find_faults(KINDS[good], good(), NOW)) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [(None, "has no sink"), ({"sink": print, "level": "LOUD"}, "LOUD"), ({"sink": print, "colour": 1}, "colour")],
)
def test_trial_adds_the_handler_of_a_logger(answer: object, words: str) -> None:
    (fault,) = find_faults(Kind.LOGGER, spoil(GoodLogger, "handler", lambda *_: answer), NOW)
    assert words in fault


def test_trial_leaves_a_call_behind_that_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(trial, "LIMIT_SECONDS", 0.1)
    monkeypatch.setattr(trial, "EXTRA_SECONDS", 0.1)
    started_at = time.monotonic()
    (fault,) = find_faults(Kind.TRIGGER, spoil(Good, "next_after", lambda *_: os.read(reading, 1)), NOW)
    assert "next_after failed: it has not returned" in fault
    assert time.monotonic() - started_at < 30
    os.close(writing)


@frozen(eq=False)
class Source:
    """A source with one plugin beside the installed ones."""

    plugin: Plugin
    registry: Registry

    def names(self, kind: Kind) -> Collection[str]:
        return {*self.registry.names(kind), "odd"}

    def get(self, kind: Kind, name: str) -> Any:
        if name != "odd":
            return self.registry.get(kind, name)
        if kind is not KINDS[type(self.plugin).__bases__[0]]:
            raise PluginNotFound(name)
        return type(self.plugin)


@pytest.mark.requirement("R35")
@pytest.mark.parametrize(("good", "name"), [one for one in METHODS if one[0] is not GoodLogger])
@pytest.mark.parametrize("function", [fail, leave])
def test_job_with_a_broken_plugin_is_planned_all_the_same(good: type[Plugin], name: str, function: Any) -> None:
    factory = PluginFactory(Source(spoil(good, name, function), Registry()), "UTC")
    is_guard = KINDS[good] is Kind.GUARD
    one, other = (
        Job(
            id="a",
            command="true",
            schedule=() if is_guard else (TriggerRef("odd", {}, "t"),),
            guards=(GuardRef("odd", {}, "g"),) if is_guard else (),
        )
        for _ in range(2)
    )
    plan = factory.plan(one, JobOrigin.CONFIG).plan
    assert factory.plan(other, JobOrigin.CONFIG).plan is not plan
    for schedule in plan.schedules.values():
        assert schedule == schedule
        hash(schedule), repr(schedule), schedule.next_after(NOW)


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("name", ["shows_output", "handler"])
@pytest.mark.parametrize("function", [fail, leave])
def test_broken_logger_is_left_out(tmp_path: Path, name: str, function: Any) -> None:
    try:
        log_setup.attach([spoil(GoodLogger, name, function)], tmp_path)  # type: ignore[list-item]
        assert "is not used" in log_setup.problems()[0]
    finally:
        log_setup.detach()


FILE = """
from attrs import frozen
from rae_auto.api import ScheduleTrigger, ComputedGuard, Logger, GuardResult, Verdict, Command
from rae_auto.hookspecs import hookimpl
RAE_API = 1
@frozen
class Odd(ScheduleTrigger):
    type = "odd"
    def next_after(self, instant): return instant
@frozen
class Shut(ComputedGuard):
    type = "shut"
    def evaluate(self, instant): return True
    def changes_after(self, instant): return None
@frozen
class Mute(Logger):
    type = "mute"
    def handler(self, directory): raise OSError("no socket")
@hookimpl
def rae_triggers(): return [Odd]
@hookimpl
def rae_guards(): return [Shut]
@hookimpl
def rae_loggers(): return [Mute]
"""


def test_check_reports_each_broken_plugin_at_its_line(tmp_path: Path) -> None:
    config = tmp_path / "rae.toml"
    plugins = tmp_path / "plugins"
    plugins.mkdir(mode=0o700)
    (plugins / "odd.py").write_text(FILE)
    config.write_text(
        'loggers = ["mute"]\n[plugins]\npaths = ["plugins/"]\n[jobs.a]\ncommand = ["true"]\ntrigger = "odd"\n'
        'guards = ["shut"]\n'
    )
    for path in (config, plugins / "odd.py"):
        path.chmod(0o600)
    errors = check_file(config, Registry()).errors
    assert [error.split(": ")[0].rpartition(":")[2] for error in errors] == ["1", "6", "7"]
    words = ["handler raised OSError('no socket')", "which isn't after", "which is not a GuardResult"]
    assert all(word in error for word, error in zip(words, errors, strict=True))
