"""A mistake of a plugin: its rule, what is wrong with the remedy, and where."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from attrs import frozen


class Severity(StrEnum):
    """Weight of a finding: an error keeps the plugin from working, a warning may harm its users."""

    ERROR = "error"
    WARNING = "warning"


RULES: Mapping[str, str] = {
    "name": "the name is invalid, or taken by rae-auto itself",
    "group": "the group of entry points is misspelled, or there is none",
    "entry-point": "the entry point names something in a module, not the module",
    "module": "the module can't be found",
    "import": "the module raises when it is imported",
    "import-exits": "the module ends the program when it is imported",
    "import-time": "importing the module takes too long",
    "import-prints": "the module prints when it is imported",
    "prints": "a quick method prints",
    "private-import": "the module imports what may change at any time",
    "api-version": "the version of the plugin API is missing or another one",
    "hook": "the hook is missing, misspelled, unmarked, or has arguments",
    "hook-result": "the hook raises, or returns no list of classes",
    "type": "no class has the name of the entry point as its type",
    "contract": "the class derives from no contract of its kind",
    "attrs": "the class is not an attrs class",
    "abstract": "methods of the contract are missing",
    "method": "a method is misspelled, or has other arguments than the contract's",
    "async": "a method must be async and isn't, or is and mustn't",
    "docstring": "the class has no docstring",
    "option-type": "an option has no type, or one that can't be found",
    "option-unstructurable": "no configuration can give the type of an option",
    "option-unhashable": "an option of a frozen class can't be hashed",
    "option-default": "a default is shared by all plugins and can be changed",
    "option-help": "an option has no help",
    "option-secret": "an option is a secret by its name, and can be written into the configuration",
    "option-name": "the name of an option means something else in a configuration",
    "example": "the example doesn't make a plugin",
    "available": "available() is not a classmethod, raises, or returns no line",
    "summary": "summary() raises, or returns no short line",
    "warnings": "warnings() raises, or returns no lines",
    "unsupported-keys": "takes, unsupported_keys() or backends() names what no job has",
    "blocking": "a blocking call holds up the event loop",
    "cancellation": "the cancellation is swallowed",
    "forgotten-await": "a coroutine is not awaited",
    "key": "a key is the same for all that happens, or another one after a restart",
    "late-emission": "a source emits when it has been cancelled",
    "watch-ends": "a source ends at once",
    "thread": "a thread outlives what started it",
    "cancel": "cancel() of an attempt does nothing",
    "impure": "a schedule, pattern or computed guard reads a clock, chance or the disk",
    "next-after": "next_after raises, hangs, or returns no later instant",
    "evaluate": "evaluate raises, hangs, or returns no GuardResult",
    "handler": "handler() raises, or returns no arguments of logger.add",
}
"""Mistakes that each rule finds."""


@frozen
class Mistake:
    """A mistake. `text` is one line with the remedy after its last semicolon; `place` is FILE:LINE, or empty."""

    rule: str
    text: str
    place: str = ""
    severity: Severity = Severity.ERROR

    def describe(self) -> str:
        """Return the finding in one line."""
        return f"{f'{self.place}: ' if self.place else ''}{self.severity}: {self.text} [{self.rule}]"


def place_of_error(error: BaseException, folder: Path | None) -> str:
    """Return FILE:LINE of the last frame of an error that lies in the plugin's folder, or of its last frame."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    places = []
    trace = error.__traceback__
    while trace is not None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    own = [place for place in places if folder is not None and Path(place[0]).is_relative_to(folder)]
    file, line = (own or places or [("", 0)])[-1]
    return f"{file}:{line}" if file else ""
