"""The thread executor: calls Python functions in a pool of threads."""

import asyncio
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import define, field, validators

from rae_auto.api import Assignment, Execution, Executor, JobContext
from rae_auto.hookspecs import hookimpl
from rae_auto.model.job import Job
from rae_auto.model.run import MAY_BE_LEFT, Result
from rae_auto.toolkit.python_functions import find_function_problem
from rae_auto.toolkit.threads.daemon_threads import DaemonThreads
from rae_auto.toolkit.threads.loop_results import LoopResults
from rae_plugins.executors.python_call import call, describe_error, exit_code_of, format_traceback, shorten_value
from rae_plugins.executors.thread_streams import ThreadStreams, load_output_classes

_REASON = "a thread shares it with the whole daemon; set isolated = true"

ABANDONED_ERROR = "abandoned: a thread cannot be killed, so the call continues in the background"


@define(kw_only=True, eq=False)
class ThreadExecutor(Executor):
    """Calls `python = "package.module:function"` with the job's args and kwargs in a pool of threads.

    The value it returns, or the exception it raises, is the result. A thread can't be killed: a cancelled call is
    abandoned after the grace, and continues in its thread until it returns. What it prints is the output of the run.
    """

    type: ClassVar[str] = "thread"
    takes: ClassVar[Collection[str]] = ("python",)
    runs_in_daemon: ClassVar[bool] = True

    threads: int = field(default=32, validator=validators.ge(1), metadata={"help": "number of calls that run at once"})
    _threads: DaemonThreads | None = field(init=False, default=None)
    _results: LoopResults | None = field(init=False, default=None)
    _streams: ThreadStreams = field(init=False, factory=ThreadStreams)

    @classmethod
    def unsupported_keys(cls) -> Mapping[str, str]:
        """Return the keys that a thread can't honour, each with the reason."""
        return {
            "cwd": f"the working directory can't be set: {_REASON}",
            "env": f"variables can't be set: {_REASON}",
            "env_file": f"variables can't be set: {_REASON}",
            "stdin": f"standard input can't be set: {_REASON}",
            "secret_files": f"variables can't be set: {_REASON}",
            "user": f"the user can't be changed: {_REASON}",
            "umask": f"the umask can't be set: {_REASON}",
        }

    def job_warnings(self, job: Job, context: JobContext) -> Mapping[str, str]:
        """Return a warning if the function can't be found; imports nothing."""
        if job.python is None:
            return {}
        problem = find_function_problem(job.python, [context.directory])
        return {} if problem is None else {"python": problem}

    async def open(self, directory: Path) -> None:
        """Create the threads, which start when they are needed."""
        self._threads = DaemonThreads("rae-job", self.threads)
        self._results = LoopResults()
        self._streams.install()

    async def warm_up(self) -> None:
        """Import what functions need that print something, so that none has to wait for it."""
        await asyncio.to_thread(load_output_classes)

    async def start(self, assignment: Assignment) -> Execution:
        """Submit the call. Errors: ValueError if the job names no function."""
        return self.start_at_once(assignment)

    def start_at_once(self, assignment: Assignment) -> Execution:
        """Submit the call. Errors: ValueError if the job names no function."""
        if assignment.job.python is None:
            raise ValueError('the thread executor needs python = "package.module:function"')
        assert self._threads is not None and self._results is not None, "open must be called before start"
        _add_to_path(assignment.job.directory)
        call = FunctionCall(assignment, self._streams, self._results)
        self._threads.post(call.run, call.cancel_if_waiting)
        return call

    async def close(self) -> None:
        """Cancel calls that wait, and leave the others behind."""
        if self._threads is not None:
            self._threads.cancel_waiting()
        self._streams.remove()


class FunctionCall(Execution):
    """A running function call. Its handle is empty: the call ends with the daemon, so there is nothing to find."""

    def __init__(self, assignment: Assignment, streams: ThreadStreams, results: LoopResults) -> None:
        self._assignment = assignment
        self._streams = streams
        self._results = results
        self._result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        # The one that takes it out decides: the thread that begins the call, or a cancellation before that.
        self._permit = [True]

    @property
    def handle(self) -> Mapping[str, Any]:
        return {}

    def run(self) -> None:
        """Make the call, in a thread."""
        if not self._take_permit():
            return
        result: Result | BaseException
        try:
            result = _call_function(self._assignment, self._streams)
        except BaseException as error:
            result = error
        self._results.set(self._result, result)

    @property
    def end(self) -> "asyncio.Future[Result]":
        return self._result

    async def wait(self) -> Result:
        return await asyncio.shield(self._result)

    async def cancel(self, grace: timedelta) -> None:
        if self.cancel_if_waiting():
            return
        await asyncio.wait({self._result}, timeout=grace.total_seconds())
        if not self._result.done():
            self._result.set_result(Result(error=ABANDONED_ERROR, tree=MAY_BE_LEFT))

    def cancel_if_waiting(self) -> bool:
        """Cancel the call if it has not started; return whether it was cancelled."""
        if not self._take_permit():
            return False
        if not self._result.done():
            self._result.set_result(Result(error="cancelled before it started"))
        return True

    def _take_permit(self) -> bool:
        try:
            return self._permit.pop()
        except IndexError:
            return False


def _call_function(assignment: Assignment, streams: ThreadStreams) -> Result:
    job, started_at = assignment.job, datetime.now(UTC)
    with streams.capture(assignment) as output:
        try:
            value = shorten_value(call(job.python or "", job.args, job.kwargs))
            return Result(exit_code=0, value=value, stderr=output.first_error_line, started_at=started_at)
        except BaseException as error:  # SystemExit too: a job must not end the daemon
            output.write(format_traceback(error))
            return Result(
                exit_code=exit_code_of(error),
                error=describe_error(error),
                stderr=output.first_error_line,
                started_at=started_at,
            )


def _add_to_path(directory: str | None) -> None:
    # At the end, so that a module beside the configuration file never takes the place of one that the daemon uses.
    if directory is not None and directory not in sys.path:
        sys.path.append(directory)


@hookimpl
def rae_executors() -> list[type[Executor]]:
    """Return the thread executor."""
    return [ThreadExecutor]
