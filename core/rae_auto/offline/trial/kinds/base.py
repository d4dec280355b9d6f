"""The base of trials: runs a plugin of one kind, and shows what it does in sections."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from rae_auto.offline.trial.clock import TrialClock
from rae_auto.offline.trial.messages import TrialSection
from rae_auto.registry.inspection.finding import place_of_error
from rae_auto.toolkit.threads.time_limit import TookTooLong, call_within_seconds

T = TypeVar("T")

CALL_SECONDS = 2.0
"""Time limit of a method that should take milliseconds."""

ANSWER_SECONDS = 10.0
"""Time limit of a coroutine that has to ask something else."""


class TrialFailed(Exception):
    """A call of a plugin that raised or hung; its text is one line with the place, the problem and the remedy."""


@frozen
class TrialContext:
    """Facts for the trial of a plugin, beside the plugin itself."""

    clock: TrialClock
    zone: Any
    folder: Path
    """A folder for what the plugin writes; it is deleted."""
    source: Path | None
    """The file or the folder of the plugin's own code."""
    has_own_options: bool
    """False if its options are the placeholders of its example, such as an address that doesn't exist."""

    def show(self, instant: datetime) -> str:
        """Return an instant in the zone of the trial, to the second unless it has parts of one."""
        local = instant.astimezone(self.zone)
        part = f".{local.microsecond // 1000:03}" if local.microsecond and local.microsecond % 1000 == 0 else ""
        return f"{local:%a %Y-%m-%d %H:%M:%S}{part} {local:%Z}"


class PluginTrial(ABC):
    """A trial of one plugin. `is_changed` is set when there is something new to show."""

    def __init__(self, plugin: Any, context: TrialContext) -> None:
        self.plugin = plugin
        self.context = context
        self.is_changed = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_complete(self) -> bool:
        """True if nothing more will change without a request."""
        return not self._tasks

    async def begin(self) -> None:
        """Start the part of the trial that runs by itself."""
        await self.ask()

    async def ask(self) -> None:  # noqa: B027 - most kinds need one or two of these
        """Ask the plugin, at first and again on a key."""

    async def follow_clock(self) -> None:  # noqa: B027
        """Handle a change of the clock, which has advanced or was moved."""

    async def record_event(self) -> None:  # noqa: B027
        """Give it an event to read, on a key."""

    def find_next_change(self) -> datetime | None:
        """Return the next instant at which something changes, if the plugin can compute it."""
        return None

    @abstractmethod
    def sections(self) -> Iterable[TrialSection]:
        """Return what is shown."""

    def in_background(self, work: Awaitable[None]) -> None:
        """Run some work in a task."""

        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._end_task)

    def _end_task(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self.is_changed = True
        if not task.cancelled():
            task.exception()

    def call(self, method: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a method that should take milliseconds. Raises TrialFailed."""
        try:
            return call_within_seconds(CALL_SECONDS, method, *arguments)
        except TookTooLong as error:
            name = f"{method.__name__}({', '.join(map(str, arguments))})"
            raise TrialFailed(f"{name} hangs: {error}; end its loop") from None
        except BaseException as error:  # whatever a plugin raises
            raise TrialFailed(self.describe_error(method.__name__, error)) from error

    async def wait_for(self, name: str, answer: Awaitable[T]) -> T:
        """Return what a coroutine of the plugin returns. Raises TrialFailed."""
        try:
            return await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError:
            problem = f"{name} has not returned within {ANSWER_SECONDS:g} s"
            raise TrialFailed(f"{problem}; give what it waits for a time limit") from None
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # whatever a plugin raises
            raise TrialFailed(self.describe_error(name, error)) from error

    def describe_error(self, name: str, error: BaseException) -> str:
        """Return a line for an error of the plugin: where it was raised, and what it is."""
        place = place_of_error(error, self.context.source)
        cause = f" (because of {error.__cause__!r})" if error.__cause__ is not None else ""
        return f"{f'{place}: ' if place else ''}{name} raised {error!r}{cause}; fix it there"
