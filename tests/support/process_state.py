"""State of the process that all tests of a worker share, such as `sys.path`, the environment and the log.

A module of tests that leaves it changed makes another module fail, in some order, on some day. So `tests/conftest.py`
puts it back at the end of each module, when all fixtures of the module are closed.
"""

import locale
import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from loguru import logger

from rae_auto.toolkit.secrets.masking import forget_secrets

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD", "SIGUSR1") if hasattr(signal, name)
)


@frozen
class ProcessState:
    """The state at one moment."""

    environment: Mapping[str, str]
    folder: str
    search_path: tuple[str, ...]
    finders: tuple[Any, ...]
    """The finders of modules. Libraries add theirs when they are imported, so only lost ones are put back."""
    locale: str
    signals: Mapping[int, Any]
    log_handlers: frozenset[int]
    logging_packages: tuple[tuple[str, bool], ...]
    log_patcher: Any

    @classmethod
    def read(cls) -> "ProcessState":
        """Return the present state."""
        core: Any = logger._core  # type: ignore[attr-defined]
        return cls(
            dict(os.environ),
            os.getcwd(),
            tuple(sys.path),
            tuple(sys.meta_path),
            locale.setlocale(locale.LC_ALL),
            {number: signal.getsignal(number) for number in _SIGNALS},
            frozenset(core.handlers),
            tuple(core.activation_list),
            core.patcher,
        )

    def restore(self) -> None:
        """Put the process into this state again, and forget all secrets that it has read. In the main thread only."""
        forget_secrets()
        now = ProcessState.read()
        self._restore_environment(now)
        if now.folder != self.folder:
            os.chdir(self.folder)
        sys.path[:] = self.search_path
        sys.meta_path.extend(finder for finder in self.finders if finder not in sys.meta_path)
        if now.locale != self.locale:
            locale.setlocale(locale.LC_ALL, self.locale)
        for number, handler in self.signals.items():
            if now.signals[number] is not handler and handler is not None:
                signal.signal(number, handler)
        self._restore_log()

    def _restore_environment(self, now: "ProcessState") -> None:
        for name in now.environment.keys() | self.environment.keys():
            if name.startswith("PYTEST_") or now.environment.get(name) == self.environment.get(name):
                continue
            if name in self.environment:
                os.environ[name] = self.environment[name]
            else:
                del os.environ[name]
        if hasattr(time, "tzset"):
            time.tzset()

    def _restore_log(self) -> None:
        core: Any = logger._core  # type: ignore[attr-defined]
        for number in set(core.handlers) - self.log_handlers:
            logger.remove(number)
        core.patcher = self.log_patcher
        if tuple(core.activation_list) != self.logging_packages:
            core.activation_list = [*self.logging_packages]
            core.enabled.clear()
