"""Reading a large configuration in a process of its own, so that the daemon's memory stays free of holes.

The text, its tables and the jobs are in memory together while a file is read, and Python gives back whole megabytes
only. A forked child reads and checks the file, and hands back the finished value: with 10,000 jobs the daemon then
takes 6 MB less for as long as it runs. What the child can't hand back, this process finds out by reading itself.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Self, cast

from rae_auto.config import Config, load
from rae_auto.config.loading import use_plugins
from rae_auto.errors import ConfigError
from rae_auto.platforms.process_copies import can_copy_process, end_with_parent
from rae_auto.registry import Registry

MIN_BYTES = 100_000
"""The size from which a file, of a thousand jobs or so, is read apart. Below, a child costs more than the holes."""

SIZE_BYTES = 8
"""Size of the number before an answer: that of its bytes, by which one is known that was cut off."""


class ConfigReading:
    """The reading of a configuration, in a child that has been started, or in this process where that can't be done."""

    def __init__(self, path: Path, registry: Registry, answer: int | None, child: int) -> None:
        """Read the answer of a child from a descriptor; without one, read the file in this process."""
        self._path = path
        self._registry = registry
        self._answer = answer
        self._child = child

    @classmethod
    def start(cls, path: Path, registry: Registry) -> Self:
        """Start to read a file. Call it while this process has one thread, because a fork copies only one."""
        if not _is_worth_a_child(path):
            return cls(path, registry, None, 0)
        answer, end = os.pipe()
        parent, child = os.getpid(), os.fork()
        if child == 0:
            os.close(answer)
            _answer_and_exit(path, registry, end, parent)
        os.close(end)
        return cls(path, registry, answer, child)

    def finish(self) -> Config:
        """Return the configuration, and use the plugins that it chooses. Raises ConfigError as `load` does."""
        answer = self._wait_for_answer()
        if isinstance(answer, Config):
            use_plugins(answer, self._registry)
            return answer
        if answer is not None:
            raise ConfigError(answer)
        return load(self._path, self._registry)

    def _wait_for_answer(self) -> Config | tuple[str, ...] | None:
        """Return what the child read, or the problems of the file; None without a child, or if it has failed."""
        if self._answer is None:
            return None
        try:
            with open(self._answer, "rb") as pipe:  # noqa: PTH123 - a descriptor
                found = pipe.read()
        except BaseException:  # Ctrl-C while the file can't be read
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            raise
        finally:
            # Where this process was started with SIGCHLD ignored, the kernel has already taken the child away.
            with suppress(ChildProcessError):
                os.waitpid(self._child, 0)
        size, written = found[:SIZE_BYTES], found[SIZE_BYTES:]
        if not written or int.from_bytes(size, "big") != len(written):
            return None  # killed before it had answered, or in its midst
        import pickle  # lazy: start-up

        # From a child of this process, by a pipe that only the two have.
        return cast("Config | tuple[str, ...]", pickle.loads(written))  # noqa: S301


def _is_worth_a_child(path: Path) -> bool:
    try:
        return path.stat().st_size >= MIN_BYTES and can_copy_process()
    except OSError:
        return False


def _answer_and_exit(path: Path, registry: Registry, end: int, parent: int) -> None:
    """Write the configuration, or its problems, after its size; whatever else goes wrong is for the parent."""
    try:
        end_with_parent(parent)
        import pickle  # lazy: start-up

        answer: Config | tuple[str, ...]
        try:
            answer = load(path, registry)
        except ConfigError as error:
            answer = tuple(error.problems)
        written = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        with open(end, "wb") as pipe:
            pipe.write(len(written).to_bytes(SIZE_BYTES, "big") + written)
    finally:
        # Neither what the parent was about to do at its end, nor the traceback of an error that it will meet itself.
        os._exit(0)
