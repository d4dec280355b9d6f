"""The table of the commands for screens. What answers them is loaded when a screen first asks."""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rae_auto.runtime.runtime import Runtime

if TYPE_CHECKING:
    from rae_auto.daemon.answers.screen_commands import ScreenCommands

Command = Callable[[Mapping[str, Any]], Awaitable[Any]]

_SPAN = ("job", "since", "until")

_ARGUMENTS = {
    "find_jobs": ("text", "offset", "limit"),
    "job_facts": ("job", "asks_guards"),
    "definitions": ("offset", "limit"),
    "stored_runs": (*_SPAN, "run", "states", "limit"),
    "runs_by_id": ("runs",),
    "newest_runs": ("jobs", "states", "limit"),
    "newest_skips": ("jobs", "limit"),
    "durations": ("jobs", "since", "until", "limit"),
    "trends": ("job", "limit"),
    "started_jobs": ("minutes", "limit"),
    "digest_records": ("since", "until", "least_seconds", "max_rows"),
    "stored_skips": (*_SPAN, "limit"),
    "count": (*_SPAN, "log", "step"),
    "count_steps": ("since", "until", "log", "step"),
    "count_each": ("jobs", "log"),
    "job_spans": ("jobs", "since", "until", "step", "limit"),
    "starts": (*_SPAN, "limit", "max_each"),
}
"""The names of arguments by the names of the methods of `ScreenCommands`."""


def screen_table(
    find_runtime: Callable[[], Runtime], find_zone: Callable[[], ZoneInfo]
) -> dict[str, tuple[Command, tuple[str, ...]]]:
    """Return the commands by name, with the names of their arguments."""

    @cache
    def load() -> "ScreenCommands":
        from rae_auto.daemon.answers.screen_commands import ScreenCommands  # lazy: memory, asked for rarely

        return ScreenCommands(find_runtime, find_zone)

    async def answer(name: str, arguments: Mapping[str, Any]) -> Any:
        return await getattr(load(), name)(arguments)

    return {name: (partial(answer, name), names) for name, names in _ARGUMENTS.items()}
