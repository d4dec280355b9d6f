"""What a platform's adapter is: it reports facts, and says at once which events they can't lead to."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any, Protocol

from rae_auto.api.trigger import Timer
from rae_plugins.triggers.system.facts import Fact, Wanted
from rae_plugins.triggers.system.names import EventName

Report = Callable[[Fact], Awaitable[None]]
"""Takes a fact, and returns once all that follows from it is durable. Told the same twice it does nothing."""


class Adapter(Protocol):
    """How one platform tells what happens to it."""

    def missing(self, names: Collection[EventName]) -> Mapping[EventName, str]:
        """Which of the events that can't be told here, with why and what would help. Makes no connection."""
        ...

    def boot(self) -> str:
        """What names this boot of the machine, and no other. May block for a moment."""
        ...

    async def watch(self, wanted: Wanted, report: Report, timer: Timer) -> None:
        """Report the facts from which the wanted events follow, until cancelled. Errors of `report` pass through."""
        ...


def platform_adapter() -> Adapter:
    """The adapter of the platform that this runs on."""
    if sys.platform.startswith("linux"):
        from rae_plugins.triggers.system.linux import Linux

        return Linux()
    if sys.platform == "win32":
        from rae_plugins.triggers.system.windows import Windows

        return Windows()
    if sys.platform == "darwin":
        from rae_plugins.triggers.system.macos import MacOS

        return MacOS()
    from rae_plugins.triggers.system.fallback import Portable

    return Portable()


async def together(parts: Collection[Coroutine[Any, Any, None]]) -> None:
    """Run all of them until cancelled or until one fails; then none goes on, and what failed first is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
