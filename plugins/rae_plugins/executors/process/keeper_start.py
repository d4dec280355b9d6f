"""The start of a keeper: a process of its own, which nothing that ends the daemon ends."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from rae_auto.toolkit.files import open_private
from rae_plugins.executors.process.earlier_daemons import note_keeper
from rae_plugins.executors.process.identity import ProcessIdentity

KEEPER_SCRIPT = Path(__file__).parent / "keeper" / "__main__.py"

SPARE_FILES = "spare-files"
"""Folder in the executor's directory with files that are ready for output."""


def open_channel() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a channel, that of the daemon first. Errors: OSError, RuntimeError.

    On Windows a pair is made of a port of the loopback interface, to which another program may connect first: up to
    Python 3.11.9 and 3.12.4 nothing else checks who is at the other end (CVE-2024-3219).
    """
    ours, theirs = socket.socketpair()
    if os.name != "nt" or is_pair(ours, theirs):
        return ours, theirs
    ours.close()
    theirs.close()
    raise RuntimeError("another program has connected to the channel of the keeper; start the job again")


def is_pair(one: socket.socket, other: socket.socket) -> bool:
    """Return whether two sockets are connected to each other."""
    return bool(one.getpeername() == other.getsockname() and other.getpeername() == one.getsockname())


def start_keeper(channel: socket.socket, directory: Path | None) -> "subprocess.Popen[bytes]":
    """Start a keeper that reads from `channel`: without site packages, environment or our terminal's signals.

    It doesn't inherit our standard error either: the keeper outlives us, and a reader of that pipe would wait for its
    end. On Windows it writes a byte to its standard output once it has the channel, which must stay open here until
    then. Errors: OSError.
    """
    with _open_error_file(directory) as errors:
        process = start_on_windows(channel, errors) if os.name == "nt" else _start_on_posix(channel, errors, directory)
    identity = ProcessIdentity.of(process.pid)
    if directory is not None and identity is not None:
        # On a full disk commands still start; only after a crash the next daemon then waits less carefully.
        with suppress(OSError):
            note_keeper(directory, identity)
    return process


def _start_on_posix(channel: socket.socket, errors: IO[bytes], directory: Path | None) -> "subprocess.Popen[bytes]":
    spares = () if directory is None else (str(directory / SPARE_FILES),)
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(KEEPER_SCRIPT), *spares],
        stdin=channel.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=errors,
        cwd="/",
        env={},
        start_new_session=True,
    )


def start_on_windows(channel: socket.socket, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start it with a console of its own that has no window, and outside of the job object that we may be in.

    Terminals, services and editors put what they start into a job object, which may end with them. Where that one lets
    nothing go, the keeper stays in it, and can't survive its end.
    """
    # lazy: only on Windows
    from rae_plugins.executors.process.keeper.windows.kernel32 import (
        CREATE_BREAKAWAY_FROM_JOB,
        CREATE_NEW_PROCESS_GROUP,
        CREATE_NO_WINDOW,
    )

    flags = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP
    try:
        process = _create_on_windows(errors, flags | CREATE_BREAKAWAY_FROM_JOB)
    except PermissionError:
        process = _create_on_windows(errors, flags)
    if process.stdin is not None:
        with process.stdin:
            # A socket can't be inherited there; this describes it to that one process.
            process.stdin.write(channel.share(process.pid))  # type: ignore[attr-defined, unused-ignore]
    return process


def _create_on_windows(errors: IO[bytes], flags: int) -> "subprocess.Popen[bytes]":
    # lazy: only on Windows
    from rae_plugins.executors.process.keeper.windows.adopted_tree import base_interpreter
    from rae_plugins.executors.process.keeper.windows.environment import keeper_environment

    environment = keeper_environment(os.environ)
    return subprocess.Popen(
        [base_interpreter(), "-I", "-S", str(KEEPER_SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        # Windows can't remove the working directory of a process, so use one that stays.
        cwd=environment.get("SYSTEMROOT"),
        env=environment,
        creationflags=flags,
    )


def _open_error_file(directory: Path | None) -> IO[bytes]:
    with suppress(OSError):
        if directory is not None:
            path = directory / "keeper-errors.txt"
            return os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), "wb")
    return Path(os.devnull).open("wb")
