"""rae-auto test-trigger beside a daemon gets recorded events and ends of runs, and shows guards."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from tests.core.cli.conftest import Cli

from rae_auto.api import GuardResult, ReadGuard, SourceTrigger, TriggerContext
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.control.client import Client
from rae_auto.errors import NotStarted
from rae_auto.offline.project import Project
from rae_auto.offline.test_trigger import TraceLine, watch_triggers
from rae_auto.registry import Registry

ON_TICK = """
[jobs.tidy]
command = ["false"]

[jobs.tidy.trigger]
id = "ticks"
type = "usage"
pattern = "count"
of = "{of}"
count = 2
within = "1h"
"""


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[[str], Path]:
    def write(config: str) -> Path:
        path = tmp_path / "rae.toml"
        path.write_text(config)
        path.chmod(0o600)
        return path

    return write


class TriggerTrial:
    """Ends as soon as something fires; what is done meanwhile is done again and again."""

    def __init__(self, meanwhile: Callable[[], Any], until: str = "fires") -> None:
        self.seen: list[TraceLine] = []
        self._meanwhile = meanwhile
        self._until = until
        self._over = threading.Event()

    def show(self, line: TraceLine) -> None:
        self.seen.append(line)
        if line.kind == self._until and not self._over.is_set():
            self._over.set()
            # As Ctrl-C does.
            os.kill(os.getpid(), signal.SIGINT)

    def play(self, path: Path, job: str) -> int:
        helper = threading.Thread(target=self._help)
        helper.start()
        try:
            return watch_triggers(Project.load(path), job, 60, self.show)
        finally:
            self._over.set()
            helper.join()

    def _help(self) -> None:
        while not self._over.wait(0.05):
            self._meanwhile()

    def lines(self, kind: str) -> list[str]:
        return [line.text for line in self.seen if line.kind == kind]


def record(name: str, **data: Any) -> Callable[[], None]:
    def once() -> None:
        with Client() as client:
            client.call("record_event", name=name, data=data)

    return once


@pytest.fixture
def beside(daemon: Any, cli: Cli) -> Iterator[Cli]:
    yield cli
    cli("event", "delete", "--all")


@pytest.mark.usefixtures("beside")
class TestBesideADaemon:
    def test_recorded_events_are_shown_until_ctrl_c(self, write_config: Any) -> None:
        trial = TriggerTrial(record("tick", room="kitchen"))
        assert trial.play(write_config(ON_TICK.format(of="tick")), "tidy") == 1
        assert 'tick {"room": "kitchen"}' in trial.lines("traces")
        (fired,) = [one for one in trial.seen if one.kind == "fires"]
        assert (fired.trigger, fired.text) == ("ticks", "")
        assert fired.key

    def test_event_of_maximum_size_is_shown(self, write_config: Any) -> None:
        trial = TriggerTrial(record("tick", text="x" * 65_000))
        assert trial.play(write_config(ON_TICK.format(of="tick")), "tidy") == 1
        assert trial.lines("fails") == []

    def test_ends_of_runs_are_shown(self, write_config: Any, beside: Cli) -> None:
        def run_it() -> None:
            with Client() as client, suppress(NotStarted):
                client.call("trigger", job="hello")

        trial = TriggerTrial(run_it)
        path = write_config(ON_TICK.format(of="run.succeeded") + '\n[jobs.hello]\ncommand = ["true"]\n')
        assert trial.play(path, "tidy") == 1
        ends = [line for line in trial.lines("traces") if line.startswith("run.succeeded ")]
        data = json.loads(ends[0].partition(" ")[2])
        assert (data["job"], data["state"], data["exit_code"]) == ("hello", "succeeded", 0)
        assert data["seconds"] >= 0


def test_trigger_trace_reports_a_missing_daemon(write_config: Any, offline: Cli) -> None:
    trial = TriggerTrial(lambda: None, until="traces")
    assert trial.play(write_config(ON_TICK.format(of="tick")), "tidy") == 0
    assert trial.lines("traces") == ["no daemon is running, so recorded events and ends of runs are not available"]


def test_trigger_trace_shows_blocking_guards(write_config: Any, offline: Cli) -> None:
    trial = TriggerTrial(lambda: None)
    config = """
[jobs.a]
command = ["false"]
trigger = { type = "interval", every = "20ms" }
guards = [
    { id = "there", type = "path", path = "/no/such/place" },
    { id = "always", type = "calendar", dates = ["2020-01-01"] },
    { id = "root", type = "path", path = "/" },
]
"""
    assert trial.play(write_config(config), "a") >= 1
    fired = next(one for one in trial.seen if one.kind == "fires")
    assert fired.text.startswith("but guard ")
    assert '"there" says no: ' in fired.text
    assert "root" not in fired.text


def test_trigger_trace_shows_parts_of_a_trigger(write_config: Any, offline: Cli) -> None:
    trial = TriggerTrial(lambda: None)
    config = """
[jobs.a]
command = ["false"]

[jobs.a.trigger]
id = "both"
type = "combine"
within = "1m"
all = [{ type = "interval", every = "20ms" }, { type = "interval", every = "30ms" }]
"""
    assert trial.play(write_config(config), "a") >= 1
    parts = {line.split(" ")[0] for line in trial.lines("traces") if '{"due": "' in line}
    assert parts == {"interval:", "interval-2:"}


@frozen
class Broken(SourceTrigger):
    """Records something and fails."""

    type = "broken"

    async def watch(self, context: TriggerContext) -> None:
        context.trace("smoke")
        await context.events.record("smoke", {"much": True})
        raise OSError("on fire")


@frozen
class Blind(ReadGuard):
    """Fails."""

    type = "blind"

    async def read(self) -> GuardResult:
        raise OSError("no eyes")


def test_trigger_trace_shows_records_and_ends_on_failure(
    write_config: Any, offline: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(monkeypatch, Kind.TRIGGER, Broken)
    trial = TriggerTrial(lambda: None, until="never")
    assert trial.play(write_config('[jobs.a]\ncommand = ["false"]\ntrigger = "broken"\n'), "a") == 0
    assert trial.lines("traces") == ["smoke", 'records smoke {"much": true}']
    assert trial.lines("fails") == ["OSError('on fire')"]


def test_trigger_trace_shows_a_failing_guard(write_config: Any, offline: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, Kind.GUARD, Blind)
    trial = TriggerTrial(lambda: None)
    config = '[jobs.a]\ncommand = ["false"]\nguards = ["blind"]\ntrigger = { type = "interval", every = "20ms" }\n'
    assert trial.play(write_config(config), "a") >= 1
    fired = next(one for one in trial.seen if one.kind == "fires")
    assert fired.text == "but guard \"blind\" says unknown: it failed: OSError('no eyes')"


def _install(monkeypatch: pytest.MonkeyPatch, kind: Kind, plugin: type[Plugin]) -> None:
    """The plugin is among those that are installed."""
    names, get = Registry.names, Registry.get
    monkeypatch.setattr(Registry, "names", lambda self, of: [*names(self, of), *([plugin.type] if of is kind else [])])
    monkeypatch.setattr(
        Registry, "get", lambda self, of, name: plugin if (of, name) == (kind, plugin.type) else get(self, of, name)
    )
