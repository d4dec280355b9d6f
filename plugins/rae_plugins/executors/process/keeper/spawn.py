"""Spawning: the output file, the pipe and the process of a job, or one line on why that failed."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, NamedTuple, cast

from rae_plugins.executors.process.keeper.attempt_process import AttemptProcess
from rae_plugins.executors.process.keeper.files.output import CappedOutput
from rae_plugins.executors.process.keeper.files.output_index import OutputIndex
from rae_plugins.executors.process.keeper.files.records import record_path
from rae_plugins.executors.process.keeper.files.spare_files import create_output
from rae_plugins.executors.process.keeper.limits import build_preexec
from rae_plugins.executors.process.keeper.user import build_user_switch

READ_BYTES = 1 << 16
"""Bytes read at once from a pipe or a socket."""

MAX_FIRST_LINE_BYTES = 256
"""The part of a script that the kernel reads to find its interpreter."""

OutputOpener = Callable[[str], int]
"""Opens the output file at a path, which must be a fresh one, and returns its descriptor. Errors: OSError."""

_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ) if os.name != "nt" else ()


def spawn_process(
    request: Mapping[str, Any], group_path: str | None, open_output: OutputOpener = create_output
) -> AttemptProcess:
    """Spawn the command of a request, in the cgroup at `group_path` if there is one, with a file of `open_output`.

    Errors: OSError, ValueError or RuntimeError where the command can't be started; FileExistsError where the attempt
    isn't ours to start, because its output file exists.
    """
    program = _find_program(request)
    if problem := _find_env_problem(request, program):
        raise SpawnError(problem)
    limits = request.get("limits") or {}
    preexec = build_preexec(limits, group_path, build_user_switch(request.get("user")))
    with open_streams(request, open_output) as streams:
        if preexec is None and (pid := _spawn_plainly(request, program, streams)) is not None:
            return AttemptProcess(request, pid, None, streams.make_output(request), streams.pipes)
        try:
            process = subprocess.Popen(
                request["argv"],
                env=request["env"],
                cwd=request["cwd"],
                stdin=streams.given,
                stdout=streams.output_writing,
                stderr=streams.error_writing,
                start_new_session=True,
                umask=-1 if request.get("umask") is None else request["umask"],
                # The keeper has one thread, so this is as safe as anything between fork and exec can be.
                preexec_fn=preexec,
            )
        except subprocess.SubprocessError:
            raise RuntimeError(os.read(streams.pipes[-1], READ_BYTES).decode(errors="replace")) from None
    return AttemptProcess(request, process.pid, process, streams.make_output(request), streams.pipes)


def _spawn_plainly(request: Mapping[str, Any], program: str | None, streams: "Streams") -> int | None:
    """Spawn a command that needs nothing set between fork and exec; None where that fails or isn't possible here.

    It takes half the time of `subprocess.Popen`, which then finds out what is wrong. All descriptors of the keeper but
    the three that are set here are closed by exec. The working directory is that of the keeper for a moment, which is
    safe with one thread.
    """
    if sys.platform != "linux" or program is None or request.get("umask") is not None:
        return None
    argv, outputs = request["argv"], ((streams.output_writing, 1), (streams.error_writing, 2))
    actions = [(os.POSIX_SPAWN_DUP2, given, number) for given, number in ((streams.given, 0), *outputs)]
    pid: int | None = None
    with suppress(OSError, ValueError, TypeError, NotImplementedError):
        own_directory = os.getcwd()
        os.chdir(request["cwd"])
        try:
            # A script sees in its $0 what was named.
            path = argv[0] if "/" in argv[0] else program
            pid = os.posix_spawn(
                path, argv, request["env"], file_actions=actions, setsid=True, setsigdef=_IGNORED_BY_PYTHON
            )
        finally:
            os.chdir(own_directory)
    return pid


class SpawnError(Exception):
    """A job that can't be started, with one whole line on the problem and the remedy."""


class Streams(NamedTuple):
    """The output file of a job, and what its process gets as standard input, output and error."""

    file: int
    pipes: tuple[int, ...]
    """The reading ends: of its output, and of its standard error if that is watched."""
    given: int
    output_writing: int
    error_writing: int

    def make_output(self, request: Mapping[str, Any]) -> CappedOutput:
        """Return what keeps the output."""
        index = OutputIndex(record_path(request["output"], "index"), is_separate=bool(request.get("watches_stderr")))
        return CappedOutput(self.file, request["cap"], request["hide"], index)


@contextmanager
def open_streams(request: Mapping[str, Any], open_output: OutputOpener = create_output) -> Iterator[Streams]:
    """Open the streams of a request. What its process has is closed in any case, the rest after an error only."""
    ours, given_away = [_open_output(request["output"], open_output)], []
    try:
        reading, writing = os.pipe()
        ours.append(reading)
        given_away.append(writing)
        error_writing = writing
        if request.get("watches_stderr"):
            error_reading, error_writing = os.pipe()
            ours.append(error_reading)
            given_away.append(error_writing)
        given = _open_input(request.get("stdin"))
        given_away.append(given)
        yield Streams(ours[0], tuple(ours[1:]), given, writing, error_writing)
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in given_away:
            os.close(descriptor)


def _open_output(path: str, open_output: OutputOpener) -> int:
    try:
        return open_output(path)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.EMFILE, errno.ENFILE):
            raise
        raise SpawnError(_explain_output_error(error, path)) from error


def _open_input(text: str | None) -> int:
    """Open a file without a name that has the text, from which a job reads: nothing has to wait until it does."""
    if text is None:
        return os.open(os.devnull, os.O_RDONLY)
    with _open_nameless_file() as file:
        file.write(text.encode(errors="surrogateescape"))
        file.seek(0)
        return os.dup(file.fileno())


def _open_nameless_file() -> BinaryIO:
    if hasattr(os, "memfd_create"):
        # In memory, because the text may be a secret.
        return cast("BinaryIO", os.fdopen(os.memfd_create("stdin", os.MFD_CLOEXEC), "w+b", buffering=0))
    import tempfile

    return cast("BinaryIO", tempfile.TemporaryFile(buffering=0))


def _explain_output_error(error: OSError, path: str) -> str:
    directory = os.path.dirname(path)
    if error.errno == errno.ENOENT:
        missing = f"the state directory with {_quote(directory)} is missing"
        hint = f"{missing}; mount its disk, or if it was removed, restart the daemon"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = f"the user of the daemon must be able to write into {_quote(directory)}"
    else:
        hint = f"make room or repair the file system of {_quote(directory)}"
    return f"the output file cannot be created: {error.strerror}; {hint}"


def explain_spawn_error(error: Exception, request: Mapping[str, Any]) -> str:
    """Return one line on what failed when a job could not be started, and what to do."""
    program = _quote(request["argv"][0])
    if isinstance(error, SpawnError):
        return str(error)
    if not isinstance(error, OSError):
        return f"program {program} cannot be started: {error}"
    if request["cwd"] and error.filename == request["cwd"] != request["argv"][0]:
        return _explain_directory_error(error, request["cwd"])
    if error.errno == errno.ENOENT:
        path = _find_program(request)
        if path is not None:
            return _explain_missing_interpreter(os.path.normpath(path))
        if "/" in request["argv"][0]:
            return f'program {program} not found in {_quote(request["cwd"] or os.getcwd())}; correct its path, or "cwd"'
        return f"program {program} not found on the PATH of the job; install it, or give its full path"
    if error.errno == errno.EACCES:
        path = _find_program(request)
        if path is not None and os.path.isdir(path):
            return f"{program} is a directory; name a program"
        if path is not None and os.access(path, os.X_OK):
            return f"program {program} cannot be started: its interpreter, or its file system, does not permit it"
        return f"program {program} is not executable; run 'chmod +x' on it"
    if error.errno == errno.ENOEXEC:
        return f"{program} is not a program for this machine; start a script with a line like '#!/bin/sh'"
    return f"program {program} cannot be started: {error.strerror}"


def _explain_missing_interpreter(path: str) -> str:
    """Return one line on a program that is there, though the kernel doesn't find what would run it. See execve(2)."""
    first = _read_first_line(path)
    words = os.fsdecode(first[2:]).split()
    if first.endswith(b"\r\n"):
        return f"the lines of {_quote(path)} end with CR LF, as on Windows; run 'sed -i \"s/\\r$//\" {path}'"
    if first.startswith(b"#!") and words:
        return f"the first line of {_quote(path)} names {_quote(words[0])}, which does not exist; correct that line"
    return f"{_quote(path)} needs an interpreter or a loader that does not exist; install what it was built for"


def _find_env_problem(request: Mapping[str, Any], path: str | None) -> str | None:
    """Return why `env` in the first line of a script will not find the program that is to run it.

    The kernel starts `env` all the same, and its end, with exit code 127, wouldn't say so.
    """
    first = b"" if path is None else _read_first_line(path)
    words = os.fsdecode(first[2:]).split()
    if not first.startswith(b"#!") or len(words) != 2 or os.path.basename(words[0]) != "env" or "=" in words[1]:
        return None
    if first.endswith(b"\r\n"):
        return _explain_missing_interpreter(os.path.normpath(path or ""))
    if _find_program({**request, "argv": words[1:]}) is not None:
        return None
    script, needed = _quote(os.path.normpath(path or "")), _quote(words[1])
    return f"the first line of {script} needs {needed}, which is not on the PATH of the job; install it"


def _read_first_line(path: str) -> bytes:
    """Return the first line of a file as far as the kernel reads it, with its end; nothing if it can't be read."""
    try:
        # Without a file object, which costs five system calls more.
        file = os.open(path, os.O_RDONLY)
        try:
            start = os.read(file, MAX_FIRST_LINE_BYTES)
            return start[: start.find(b"\n") + 1 or None]
        finally:
            os.close(file)
    except OSError:
        return b""


def _explain_directory_error(error: OSError, directory: str) -> str:
    if error.errno == errno.ENOENT:
        return f'the working directory {_quote(directory)} does not exist; create it, or change "cwd"'
    return f'the working directory {_quote(directory)} cannot be entered: {error.strerror}; change its mode, or "cwd"'


def _find_program(request: Mapping[str, Any]) -> str | None:
    """Return the path of the program of a request, if there is such a file."""
    name = request["argv"][0]
    directories = [""] if "/" in name else request["env"].get("PATH", os.defpath).split(os.pathsep)
    candidates = (os.path.join(request["cwd"] or "", directory, name) for directory in directories)
    return next((path for path in candidates if os.path.exists(path)), None)


def _quote(text: str) -> str:
    return f'"{repr(text)[1:-1]}"'
