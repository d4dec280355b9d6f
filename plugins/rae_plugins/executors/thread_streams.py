"""Standard output and error of each thread apart: what a job prints there is its output, not the daemon's.

`contextlib.redirect_stdout` replaces the streams of all threads at once. Here `sys.stdout` and `sys.stderr` are
replaced by streams that look at the thread which writes: one that runs a job writes into the job's file, any other
where it wrote before.
"""

import os
import sys
import threading
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from rae_auto.api import Assignment
from rae_auto.toolkit.files import make_private_folder

if TYPE_CHECKING:
    from rae_plugins.executors.process.keeper.files.output import CappedOutput
    from rae_plugins.executors.process.keeper.files.output_index import OutputIndex

_local = threading.local()


class JobOutput:
    """The output file of a job, created with its folder when something is printed.

    As a context it takes what the current thread prints.
    """

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._file: CappedOutput | None = None

    def __enter__(self) -> "JobOutput":
        _local.output = self
        return self

    def __exit__(self, *_: object) -> None:
        _local.output = None
        self.close()

    def write(self, text: str, *, is_error: bool = False) -> int:
        """Write text; a full disk must not stop the job."""
        with suppress(OSError):
            if text and self._file is None:
                self._file = _open_output(self._assignment)
            if self._file is not None:
                self._file.write(text.encode(errors="backslashreplace"), is_error=is_error)
        return len(text)

    @property
    def first_error_line(self) -> str | None:
        """The first line that was written to standard error; None if nothing was."""
        return None if self._file is None else self._file.first_error_line()

    def close(self) -> None:
        """Put the file in order."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()


@cache
def load_output_classes() -> "tuple[type[CappedOutput], type[OutputIndex]]":
    """Return the classes of output files and their indexes, which come with the executor for processes."""
    # lazy: start-up, because most functions print nothing
    from rae_plugins.executors.process.keeper.files.output import CappedOutput
    from rae_plugins.executors.process.keeper.files.output_index import OutputIndex

    return CappedOutput, OutputIndex


def _open_output(assignment: Assignment) -> "CappedOutput":
    """Create the output file of an attempt, with its folder. Errors: OSError."""
    file_class, index_class = load_output_classes()
    make_private_folder(assignment.output.parent)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(assignment.output, flags, 0o600)
    index = index_class(str(assignment.output.with_suffix(".index")), is_separate=True)
    return file_class(descriptor, assignment.job.limits.output, [*assignment.secrets], index)


class _ThreadStream:
    """A stream that writes to the output of the job that the current thread runs, or to the stream it stands for."""

    def __init__(self, otherwise: TextIO, is_error: bool) -> None:
        self.otherwise = otherwise
        self._is_error = is_error

    def write(self, text: str) -> int:
        """Write text, and return its length."""
        output: JobOutput | None = getattr(_local, "output", None)
        return self.otherwise.write(text) if output is None else output.write(text, is_error=self._is_error)

    def writelines(self, lines: Any) -> None:
        """Write each of the texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.otherwise, name)


class ThreadStreams:
    """The streams of one executor; several share the replaced ones."""

    _users: ClassVar[int] = 0
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def install(self) -> None:
        """Replace the streams of the process, if that has not been done."""
        with self._lock:
            ThreadStreams._users += 1
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if stream is not None and not isinstance(stream, _ThreadStream):
                    setattr(sys, name, _ThreadStream(stream, name == "stderr"))

    def remove(self) -> None:
        """Put the streams back with the last user."""
        with self._lock:
            ThreadStreams._users -= 1
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if ThreadStreams._users <= 0 and isinstance(stream, _ThreadStream):
                    setattr(sys, name, stream.otherwise)

    def capture(self, assignment: Assignment) -> JobOutput:
        """Return a context in which the current thread prints to the output file of an attempt."""
        return JobOutput(assignment)
