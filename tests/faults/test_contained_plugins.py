"""A plugin in a single file does its worst in a real daemon, which names it, goes on, and stops when it is told to."""

from collections.abc import Callable

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

HEAD = """
import asyncio, sys, time
from datetime import datetime, timedelta
from attrs import define, frozen
from rae_auto.api import *
from rae_auto.hookspecs import hookimpl
"""
SOURCE = """
@frozen
class Bad(SourceTrigger):
    type = "bad"
    async def watch(self, context):
        {body}
@hookimpl
def rae_triggers(): return [Bad]
"""
SCHEDULE = """
@frozen
class Bad(ScheduleTrigger):
    type = "bad"
    def next_after(self, instant):
        {body}
@hookimpl
def rae_triggers(): return [Bad]
"""
LOGGER = """
@frozen
class Bad(Logger):
    type = "bad"
    def handler(self, directory):
        {body}
@hookimpl
def rae_loggers(): return [Bad]
"""
EXECUTOR = """
class Endless(Execution):
    handle = {{}}
    async def wait(self): await asyncio.Event().wait()
    async def cancel(self, grace): {body}
@frozen
class Bad(Executor):
    type = "bad"
    async def start(self, assignment): return Endless()
@hookimpl
def rae_executors(): return [Bad]
"""
STORE = """
from rae_auto.testing.memory_store import MemoryStore
class Bad(MemoryStore):
    type = "bad"
    def {method}(self, *arguments):
        {body}
@hookimpl
def rae_stores(): return [define(Bad)]
"""
BY_TRIGGER = '[jobs.bad]\ncommand = ["true"]\ntrigger = "bad"\n'
BY_EXECUTOR = '[jobs.bad]\ncommand = ["true"]\nexecutor = "bad"\ntimeout = "1s"\nkill_after = "0s"\n'
GOOD = '[jobs.good]\ncommand = ["true"]\n'

Make = Callable[..., Daemons]


@pytest.fixture
def serve(daemons: Make) -> Make:
    """Serve a daemon with a plugin of this source and a job that uses it, beside a job that works.

    One with a `store` of this source is only made.
    """

    def start(source: str, job: str, head: str = "", store: str = "") -> Daemons:
        chosen = 'store = "bad"\n' if store else ""
        made = daemons(GOOD + job, f'{chosen}{head}[plugins]\npaths = ["plugins/"]\n')
        folder = made.home / "plugins"
        folder.mkdir(mode=0o700)
        (folder / "bad.py").write_text(HEAD + source + store)
        (folder / "bad.py").chmod(0o600)
        if not store:
            made.serve()
        return made

    return start


def problem_of(daemon: Daemons, *words: str) -> str:
    """Return the problem in the status that has all these words."""

    def find() -> list[str]:
        problems = daemon.ask("status")["problems"]
        return [problem for problem in problems if all(word in problem for word in words)]

    return str(eventually(find)[0])


def works(daemon: Daemons) -> bool:
    """Return whether a job without the plugin runs, once the daemon answers again."""
    daemon.ask("trigger", job="good")
    return bool(eventually(lambda: daemon.ask("history", job="good", states=["succeeded"])))


@pytest.mark.requirement("R35")
@pytest.mark.parametrize(
    "body",
    ["raise KeyboardInterrupt", "sys.exit(3)", "raise asyncio.CancelledError", "raise BaseException"],
)
def test_source_that_raises_anything_is_named_at_once(serve: Make, body: str) -> None:
    daemon = serve(SOURCE.format(body=body), BY_TRIGGER)
    problem = problem_of(daemon, 'trigger "bad" of file ', "bad.py:12")
    assert "report it to its author" in problem
    assert works(daemon)
    assert daemon.stop() == 0


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("body", ["while True: pass", "time.sleep(100000)"])
def test_source_that_blocks_the_loop_is_interrupted_and_named(serve: Make, body: str) -> None:
    daemon = serve(SOURCE.format(body=f"await asyncio.sleep(1); {body}" if "while" not in body else body), BY_TRIGGER)
    problem = problem_of(daemon, "LoopBlocked", "bad.py:12 (watch)")
    assert "await asyncio.to_thread" in problem
    assert daemon.stop() == 0


@pytest.mark.requirement("R35")
@pytest.mark.parametrize(
    "body",
    [
        'raise RuntimeError("no socket")',
        "return None",
        "raise KeyboardInterrupt",
        'return {"sink": print, "level": "LOUD"}',
    ],
)
def test_logger_without_a_handler_is_named_and_not_used(serve: Make, body: str) -> None:
    daemon = serve(LOGGER.format(body=body), "", 'loggers = ["bad"]\n')
    assert "because its handler failed" in problem_of(daemon, 'logger "bad" of file ')
    assert "because its handler failed" in daemon.output(), "lines go to standard error"
    assert works(daemon)
    assert daemon.stop() == 0


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("body", ["pass", "await asyncio.Event().wait()", "raise KeyboardInterrupt"])
def test_executor_that_never_ends_is_given_up_on_record(serve: Make, body: str) -> None:
    daemon = serve(EXECUTOR.format(body=body), BY_EXECUTOR)
    daemon.ask("trigger", job="bad")
    (run,) = eventually(lambda: daemon.ask("history", job="bad", states=["timed_out"]))
    assert "it may still run" in str(run)
    assert "it may still run" in problem_of(daemon, 'executor "bad" of file ', "did not end it within")
    assert works(daemon)
    assert daemon.stop() == 0


@pytest.mark.requirement("R35")
def test_source_that_floods_is_slowed_down_and_named(serve: Make) -> None:
    body = "await asyncio.gather(*(context.emit(str(n)) for n in range(20000)))"
    daemon = serve(SOURCE.format(body=body), BY_TRIGGER)
    assert "emit what changed" in problem_of(daemon, 'trigger "bad" of file ', "more than 100 occurrences a second")
    assert daemon.stop() == 0


@pytest.mark.requirement("R35")
def test_schedule_that_floods_is_slowed_down_and_named(serve: Make) -> None:
    daemon = serve(SCHEDULE.format(body="return instant + timedelta(microseconds=1)"), BY_TRIGGER)
    assert "return later instants" in problem_of(daemon, 'trigger "bad" of file ', "is slowed down")
    assert works(daemon)
    assert daemon.stop() == 0


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("body", ["sys.exit(3)", 'raise KeyError("boom")'])
def test_store_that_can_not_open_ends_the_start_with_one_line(serve: Make, body: str) -> None:
    daemon = serve("", "", "", store=STORE.format(method="open", body=body))
    code, said = daemon.refused()
    assert code == 1
    assert 'store "bad" of file ' in said
    assert "for its author: raise StoreError with one line" in said
    assert "Traceback" not in said


@pytest.mark.requirement("R35")
def test_store_that_fails_to_commit_is_named_and_the_daemon_stops(serve: Make) -> None:
    source = STORE.format(method="commit", body='raise KeyError("boom")')
    tick = '[jobs.tick]\ncommand = ["true"]\ntrigger = { type = "interval", every = "1s" }\n'
    daemon = serve("", tick, 'shutdown_grace = "0s"\n', store=source)
    daemon.launch()
    eventually(lambda: "KeyError('boom')" in daemon.output(), 30)
    assert daemon.stop() in (0, 1)
    assert 'store "bad" of file ' in daemon.whole_output()
    assert "Traceback" not in daemon.output()
