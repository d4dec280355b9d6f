"""Standard output during commands: what plugins print goes to standard error, what the command prints stays there.

A plugin may print when it is imported, when its options are made, or in any call. Each write to standard output finds
its author: up the stack, past click, to the first frame that is the program's or another's. The daemon, and commands
that hand standard output to others, don't check that.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, TextIO

_COMMANDS_WITH_OWN_OUTPUT = frozenset({"run", "exec", "top", "mcp", "ui"})
"""Commands whose output is not separated: that of the daemon, a job, a screen or a protocol."""

_WRITERS = frozenset({"click", "json", "contextlib", "rich"})
"""Packages that write on behalf of their callers."""

_OWN_ROOMS = frozenset({"cli", "views", "offline", "control", "charts", "explain"})
"""Rooms of the program that print; others are called by plugins, or call them."""


class CommandOutput:
    """Standard output, of which plugins get standard error."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def write(self, text: str) -> int:
        return (self._output if _is_own(sys._getframe(1)) else sys.stderr).write(text)

    def writelines(self, lines: Collection[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)


def is_plugin_output_kept_apart(arguments: Collection[str]) -> bool:
    """Return whether the command of these arguments has an output that plugins must not write to."""
    command = next((word for word in arguments if not word.startswith("-")), None)
    return command is not None and command not in _COMMANDS_WITH_OWN_OUTPUT


def separate_plugin_output() -> None:
    """From now on, send what plugins print to standard error."""
    if sys.stdout is not None and not isinstance(sys.stdout, CommandOutput):
        sys.stdout = CommandOutput(sys.stdout)


def _is_own(frame: Any) -> bool:
    """Return whether the write is by the program, or by a plugin's command, which is meant to print."""
    while frame is not None:
        top, _, rest = str(frame.f_globals.get("__name__", "")).partition(".")
        if top == "rae_auto":
            if rest.partition(".")[0] in _OWN_ROOMS:
                return True
        elif top not in _WRITERS and not _is_of_command(f"{top}.{rest}"):
            return False
        frame = frame.f_back
    return True


def _is_of_command(module: str) -> bool:
    from rae_auto.cli.plugin_commands.index import find_plugin_commands  # lazy: start-up

    homes = {point.module for points in find_plugin_commands().values() for point in points}
    return any(module == home or module.startswith(f"{home}.") for home in homes)
