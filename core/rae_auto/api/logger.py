"""The contract of loggers: where log lines go."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rae_auto.api.plugin import Plugin


class Logger(Plugin):
    """Somewhere for log lines to go, by way of loguru."""

    @abstractmethod
    def handler(self, directory: Path) -> Mapping[str, Any]:
        """Return the arguments of loguru's `logger.add`: `sink`, `level`, `format` and so on.

        `directory` is the state directory. The core adds what keeps secrets and itself safe
        (`diagnose=False`, `backtrace=False`, `catch=True`), and messages are one escaped line each.

        A sink that is a function or can be called has a thread of its own, so it may block; what it raises is shown as
        a problem. Its method `close`, if it has one, is called at the end. Records about a run have the extras `job`
        and `run`, and those that tell what became of it `state`.
        """

    def log_file(self, directory: Path) -> Path | None:
        """Return the file to which this logger appends lines, which `rae-auto logs` shows; None if it has none."""
        return None

    def place(self) -> str | None:
        """Return where people find the lines, in a few words, for the first lines of the daemon; None if it is plain.

        A command that shows them stands in single quotes, as in `'journalctl -t rae-auto'`.
        """
        return None

    def shows_output(self) -> bool:
        """Return whether this logger also wants what jobs print, line by line, as records with the extra `output`."""
        return False
