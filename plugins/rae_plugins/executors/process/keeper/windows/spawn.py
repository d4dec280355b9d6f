"""Spawning on Windows: created suspended, put into the job object, then resumed."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from rae_plugins.executors.process.keeper.attempt_process import AttemptProcess
from rae_plugins.executors.process.keeper.spawn import SpawnError, open_streams
from rae_plugins.executors.process.keeper.windows.create_process import SuspendedProcess, program_of
from rae_plugins.executors.process.keeper.windows.job_object import KILLED_EXIT_CODE, JobObject
from rae_plugins.executors.process.keeper.windows.kernel32 import Kernel32

CreateSuspended = Callable[..., SuspendedProcess]


def spawn_process(
    request: Mapping[str, Any], kernel: Kernel32, create: CreateSuspended, container: JobObject
) -> AttemptProcess:
    """Spawn the command of a request in its job object.

    Errors: OSError, ValueError or SpawnError where it can't be started; FileExistsError where the attempt isn't ours to
    start, because its output file exists.
    """
    with open_streams(request) as streams:
        inherited = container.duplicate_for_child()
        try:
            created = create(request, (streams.given, streams.output_writing, streams.error_writing), (inherited,))
        finally:
            kernel.close(inherited)
        try:
            container.assign(created.process)
            kernel.resume(created.thread)
        except OSError as error:
            with suppress(OSError):
                kernel.call("TerminateProcess", created.process, KILLED_EXIT_CODE)
            kernel.close(created.process)
            raise SpawnError(f"{program_of(request)} cannot be put into a job object: {error}") from error
        finally:
            kernel.close(created.thread)
    job = AttemptProcess(request, created.pid, created.process, streams.make_output(request), streams.pipes)
    job.container = container
    return job
