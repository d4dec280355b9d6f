"""Spawning: the output file, the pipe and the process of a job, or one line on why that failed."""

import errno
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rae_plugins.executors.process.keeper.attempt_process import AttemptProcess
from rae_plugins.executors.process.keeper.limits import build_preexec
from rae_plugins.executors.process.keeper.output import CappedOutput

READ_BYTES = 1 << 16
"""Bytes read at once from a pipe or a socket."""


def spawn_process(request: Mapping[str, Any], group_path: str | None) -> AttemptProcess:
    """Spawn the command of a request, in the cgroup at `group_path` if there is one.

    Errors: OSError, ValueError or RuntimeError where the command can't be started; FileExistsError where the attempt
    isn't ours to start, because its output file exists.
    """
    limits = request.get("limits") or {}
    preexec = build_preexec(limits, group_path) if limits else None
    with _open_output(request["output"]) as (output, reading, writing):
        try:
            process = subprocess.Popen(
                request["argv"],
                env=request["env"],
                cwd=request["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
                umask=0o077,
                # The keeper has one thread, so this is as safe as anything between fork and exec can be.
                preexec_fn=preexec,
            )
        except subprocess.SubprocessError:
            raise RuntimeError(os.read(reading, READ_BYTES).decode(errors="replace")) from None
    return AttemptProcess(request, process, CappedOutput(output, request["cap"], request["hide"]), reading)


@contextmanager
def _open_output(path: str) -> Iterator[tuple[int, int, int]]:
    """Open a fresh output file and a pipe. The writing end is closed in any case, the others only after an error."""
    # Nobody else's file: the name must be fresh, and links are not followed.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    output = os.open(path, flags, 0o600)
    descriptors = [output]
    try:
        reading, writing = os.pipe()
        descriptors.append(reading)
        try:
            yield output, reading, writing
        finally:
            os.close(writing)
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def explain_spawn_error(error: Exception, request: Mapping[str, Any]) -> str:
    """Return one line on why the command of a request can't be started, and what to do."""
    program = _quote(request["argv"][0])
    if isinstance(error, OSError):
        if request["cwd"] and not os.path.isdir(request["cwd"]):
            return f'the working directory {_quote(request["cwd"])} does not exist; create it, or change "cwd"'
        if error.errno == errno.ENOENT:
            return f"program {program} not found on the PATH of the job; install it, or give its full path"
        if error.errno == errno.EACCES:
            return f"program {program} is not executable; run 'chmod +x' on it"
        if error.errno == errno.ENOEXEC:
            return f"{program} is not a program for this machine; start a script with a line like '#!/bin/sh'"
        return f"program {program} cannot be started: {error.strerror}"
    return f"program {program} cannot be started: {error}"


def _quote(text: str) -> str:
    return f'"{repr(text)[1:-1]}"'
