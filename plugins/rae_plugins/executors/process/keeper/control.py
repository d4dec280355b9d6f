"""The platform as the keeper needs it, in one shape: `posix_control` on POSIX systems, `windows.control` on Windows."""

import socket
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rae_plugins.executors.process.keeper.attempt_process import AttemptProcess
from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.keeper.termination import Termination

OutputCallback = Callable[[bytes], None]
"""Takes what a job has printed; nothing at the end of its output."""


class ProcessControl(Protocol):
    """Spawns, watches, measures and ends the processes of jobs."""

    jobs: dict[int, AttemptProcess]
    """The jobs that have not finished, by the pid of their main process; the keeper adds and removes them."""
    identity: Mapping[str, Any]
    """The boot, and the identity of the keeper's own process, as a start record holds them."""

    def call_when_readable(self, channel: socket.socket, callback: Callable[[], object]) -> None:
        """Have `wait` call a function when there is something to read from a socket."""
        ...

    def stop_reading(self, channel: socket.socket) -> None:
        """Take a socket out of what `wait` waits for."""
        ...

    def wait(self, seconds: float | None) -> None:
        """Wait until something has happened, for at most this long, and call the functions that are due."""
        ...

    def spawn(self, request: Mapping[str, Any]) -> tuple[AttemptProcess, dict[str, Any]]:
        """Spawn the job of a request; return it, with what its start record says of its process.

        Errors: OSError, ValueError, RuntimeError or SpawnError where it can't be started; FileExistsError where the
        attempt isn't ours to start.
        """
        ...

    def watch_output(self, pipe: int, callback: OutputCallback) -> None:
        """Have `wait` call a function with what comes through a pipe."""
        ...

    def close_pipe(self, pipe: int) -> None:
        """Read no more from a pipe."""
        ...

    def reap(self) -> None:
        """Note the end of the processes that have ended since the last call, and what they used."""
        ...

    def find_orphans(self) -> Any:
        """Return what `has_orphans` needs to know of all jobs."""
        ...

    def has_orphans(self, job: AttemptProcess, orphans: Any) -> bool:
        """Return whether a job whose main process has ended has left processes behind."""
        ...

    def members(self, job: AttemptProcess) -> list[ProcessInfo]:
        """Return all processes of a job."""
        ...

    def begin_termination(self, job: AttemptProcess, grace_seconds: float, now: float) -> Termination:
        """Return the end of a job's whole tree, to be stepped."""
        ...

    def own_peak_bytes(self) -> int:
        """Return the memory of the keeper that the kernel counts as every child's from its start."""
        ...

    def release(self, job: AttemptProcess) -> None:
        """Release the resources of a job that has ended."""
        ...

    def close(self) -> None:
        """Close everything that it has opened."""
        ...
