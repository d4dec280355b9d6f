"""The one call that creates a process on Windows: suspended, with three streams and nothing else of ours."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rae_plugins.executors.process.keeper.spawn import SpawnError
from rae_plugins.executors.process.keeper.windows.command_line import (
    CommandLine,
    CommandRefused,
    build_command,
    build_shell_command,
)
from rae_plugins.executors.process.keeper.windows.kernel32 import CREATE_NEW_PROCESS_GROUP, CREATE_SUSPENDED, Handle

_ERRORS = {
    5: "Windows denies access to it; check the rights of its file, and what a virus scanner says about it",
    193: "it is not a program for this machine",
    216: "it is not a program for this machine",
    225: "Windows took it for a virus or unwanted software",
    740: "it asks for the rights of an administrator; run the daemon with them, or start it by a task that has them",
    1260: "a policy of this machine forbids it",
    1455: "the machine has too little memory; raise the page file, or run fewer jobs at once",
}
"""Errors of CreateProcess that say more with a remedy."""


class SuspendedProcess(NamedTuple):
    """A process that has yet to run, and its only thread."""

    process: Handle
    thread: Handle
    pid: int


def create_suspended(
    request: Mapping[str, Any], streams: Sequence[int], inherited: Sequence[Handle] = ()
) -> SuspendedProcess:
    """Create the process of a request, which leads a process group of its own and doesn't run yet.

    `streams` are the descriptors of its standard input, output and error; `inherited` are further handles for it.
    Errors: SpawnError, ValueError.
    """
    command = find_command(request)
    # Python's own call, since Popen closes the handle of the thread, without which the process can't be resumed.
    import _winapi
    import msvcrt

    winapi: Any = _winapi
    handles: list[Handle] = [msvcrt.get_osfhandle(stream) for stream in streams]  # type: ignore[attr-defined, unused-ignore]
    # Only these are inherited, whatever else can be.
    every = list(dict.fromkeys([*handles, *inherited]))
    for handle in every:
        os.set_handle_inheritable(handle, True)  # type: ignore[attr-defined, unused-ignore]
    startup = subprocess.STARTUPINFO()  # type: ignore[attr-defined, unused-ignore]
    startup.dwFlags = subprocess.STARTF_USESTDHANDLES  # type: ignore[attr-defined, unused-ignore]
    startup.hStdInput, startup.hStdOutput, startup.hStdError = handles
    startup.lpAttributeList = {"handle_list": every}
    flags = CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP
    try:
        created = winapi.CreateProcess(
            command.program, command.line, None, None, 1, flags, dict(request["env"]), request["cwd"], startup
        )
    except OSError as error:
        raise SpawnError(_explain(error, request)) from error
    return SuspendedProcess(created[0], created[1], created[2])


def find_command(request: Mapping[str, Any]) -> CommandLine:
    """Return the program and the line of a request. Errors: SpawnError, ValueError."""
    directory = request["cwd"]
    if not os.path.isdir(directory):
        raise SpawnError(f'the working directory "{directory}" does not exist; create it, or change "cwd"')
    try:
        if (text := request.get("shell")) is not None:
            return build_shell_command(text, request.get("shell_program"), request["env"], directory)
        return build_command(request["argv"], request["env"], directory, request.get("python"))
    except CommandRefused as error:
        raise SpawnError(str(error)) from None
    except FileNotFoundError as error:
        name = error.filename
        has_folder = any(character in name for character in "/\\:")
        hint = 'correct its path, or "cwd"' if has_folder else "install it, or give its full path"
        place = f'in "{directory}"' if has_folder else "on the PATH of the job"
        raise SpawnError(f'program "{name}" not found {place}; {hint}') from None


def _explain(error: OSError, request: Mapping[str, Any]) -> str:
    number = getattr(error, "winerror", None)
    return f"{program_of(request)} cannot be started: {_ERRORS.get(number or 0, error.strerror or str(error))}"


def program_of(request: Mapping[str, Any]) -> str:
    """Return the program of a request as messages name it."""
    return f'program "{request["argv"][0]}"'
