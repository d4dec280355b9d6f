"""Plugins of every kind that hang at the place whose name stands in the file "hang" of the test's home.

Copied into a distribution of its own by `hangs.install`, so that a daemon finds them through entry points.
"""

import asyncio
import contextlib
import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import frozen

from rae_auto.api import (
    ComputedGuard,
    Execution,
    Executor,
    GuardResult,
    Logger,
    Notice,
    Notifier,
    PatternTrigger,
    ReadGuard,
    ScheduleTrigger,
    SourceTrigger,
    StepResult,
    Verdict,
)
from rae_auto.hookspecs import hookimpl
from rae_auto.model.run import Result
from rae_plugins.stores.sqlite import SqliteStore

HOME = Path(os.environ.get("RAE_TEST_HOME", "."))
HANG, HANGS = HOME / "hang", HOME / "hangs"
ALLOWED = GuardResult(Verdict.YES, "")


def is_hanging(place: str) -> bool:
    """Return whether a place hangs, and note it."""
    with contextlib.suppress(FileNotFoundError):
        if HANG.read_text() == place:
            HANGS.touch()
            return True
    return False


def block(place: str) -> None:
    """Hang in this thread, for as long as the place is to hang."""
    while is_hanging(place):
        time.sleep(0.1)


async def wait_for_ever(place: str) -> None:
    """Hang in this task, and ignore its cancellation."""
    while is_hanging(place):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)


class _Created:
    def __attrs_post_init__(self) -> None:
        block(f"{type(self).__name__} created")


@frozen
class HangingSchedule(_Created, ScheduleTrigger):
    """Is due each second."""

    type: ClassVar[str] = "hanging-schedule"

    def next_after(self, instant: datetime) -> datetime:
        block("next_after")
        return instant.replace(microsecond=0) + timedelta(seconds=1)


@frozen
class HangingSource(_Created, SourceTrigger):
    """Watches nothing."""

    type: ClassVar[str] = "hanging-source"

    async def watch(self, context: Any) -> None:
        while True:
            block("watch blocks")
            await wait_for_ever("watch waits")
            await asyncio.to_thread(block, "watch in a thread")
            await asyncio.sleep(0.05)


@frozen
class HangingPattern(_Created, PatternTrigger):
    """Takes a step each second."""

    type: ClassVar[str] = "hanging-pattern"

    def begin(self, now: datetime) -> StepResult:
        return StepResult({}, (), now + timedelta(seconds=1))

    def step(self, state: Any, event: Any, now: datetime) -> StepResult:
        block("step")
        return StepResult({}, (), now + timedelta(seconds=1))


class _Done(Execution):
    handle: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]  # a constant

    async def wait(self) -> Result:
        await wait_for_ever("executor wait")
        return Result(exit_code=0)

    async def cancel(self, grace: timedelta) -> None:
        await wait_for_ever("executor cancel")


@frozen
class HangingExecutor(_Created, Executor):
    """Succeeds at once."""

    type: ClassVar[str] = "hanging-executor"

    async def open(self, directory: Path) -> None:
        await wait_for_ever("executor open")

    async def start(self, assignment: Any) -> Execution:
        await wait_for_ever("executor start")
        block("executor start blocks")
        await asyncio.to_thread(block, "executor start in a thread")
        return _Done()

    async def close(self) -> None:
        await wait_for_ever("executor close")


class HangingStore(SqliteStore):
    """Stores."""

    type: ClassVar[str] = "hanging-store"

    def open(self, directory: Path) -> Any:
        block("store open")
        return super().open(directory)

    def load(self, kind: str) -> Any:
        block("store load")
        return super().load(kind)

    def commit(self, changes: Any) -> None:
        block("store commit")
        super().commit(changes)

    def query(self, log: str, query: Any) -> Any:
        block("store query")
        return super().query(log, query)

    def close(self) -> None:
        block("store close")
        super().close()


@frozen
class HangingLogger(_Created, Logger):
    """Writes nothing."""

    type: ClassVar[str] = "hanging-logger"

    def handler(self, directory: Path) -> Any:
        return {"sink": lambda _: block("logger")}


@frozen
class HangingNotifier(_Created, Notifier):
    """Delivers nothing."""

    type: ClassVar[str] = "hanging-notifier"

    async def notify(self, notice: Notice) -> None:
        await wait_for_ever("notify")
        await asyncio.to_thread(block, "notify in a thread")


@frozen
class HangingReadGuard(_Created, ReadGuard):
    """Allows everything."""

    type: ClassVar[str] = "hanging-read-guard"

    async def read(self) -> GuardResult:
        await wait_for_ever("guard read")
        await asyncio.to_thread(block, "guard read in a thread")
        return ALLOWED


@frozen
class HangingComputedGuard(_Created, ComputedGuard):
    """Allows everything."""

    type: ClassVar[str] = "hanging-computed-guard"

    def evaluate(self, instant: datetime) -> GuardResult:
        block("guard evaluate")
        return ALLOWED

    def changes_after(self, instant: datetime) -> None:
        return None


@hookimpl
def rae_notifiers() -> Any:
    return [HangingNotifier]


@hookimpl
def rae_triggers() -> Any:
    return [HangingSchedule, HangingSource, HangingPattern]


@hookimpl
def rae_guards() -> Any:
    return [HangingReadGuard, HangingComputedGuard]


@hookimpl
def rae_executors() -> Any:
    return [HangingExecutor]


@hookimpl
def rae_loggers() -> Any:
    return [HangingLogger]


@hookimpl
def rae_stores() -> Any:
    return [HangingStore]


def hang_in_job() -> None:
    """Hang in a call of the thread executor."""
    HANGS.touch()
    while True:
        time.sleep(60)
