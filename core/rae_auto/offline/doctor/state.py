"""Checks of the state directory: rights, owner, space, file system, and the daemon that used it last."""

import os
import shlex
import shutil
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from rae_auto.control.transports.choice import control_transport
from rae_auto.model.notices.downtime import DowntimeCause
from rae_auto.model.primitives.formatting import format_bytes, format_count
from rae_auto.offline.doctor.facts import Machine
from rae_auto.offline.doctor.finding import Finding
from rae_auto.paths import is_same_config, last_config, unreadable_state_line
from rae_auto.records.presence_log import find_downtime
from rae_auto.toolkit.mounts import find_mount, read_mounts

MIN_FREE_BYTES = 100 << 20
MIN_FREE_FILES = 1000

MAX_CHECKED_FILES = 10_000
"""Files of the state whose rights are looked at."""


def check_state(directory: Path, machine: Machine, config: Path | None) -> Iterator[Finding]:
    """Check a state directory, which need not exist; `config` is the file that it belongs to."""
    yield from _check_configuration(directory, config)
    transport = control_transport()
    length = len(os.fsencode(transport.path(directory)))
    if transport.max_path_bytes is not None and length > transport.max_path_bytes:
        observation = f"the path has {length} bytes, of {transport.max_path_bytes} possible"
        yield Finding("control socket", observation, "set RAE_STATE_DIR to a shorter path")
    if not directory.is_dir():
        yield _describe_missing(directory)
        return
    yield from _check_rights(directory, machine)
    yield from check_space(directory)
    yield from _check_lock(directory, machine.now)


def check_space(directory: Path) -> Iterator[Finding]:
    """Check the free space of a directory, and the kind of its file system."""
    free, mount = shutil.disk_usage(directory).free, find_mount(directory, read_mounts())
    kind = "an unknown file system" if mount is None else mount.type
    observation = f"{format_bytes(free)} free on {kind}"
    if mount is not None and (mount.is_network or mount.is_shared_with_host):
        hint = "set RAE_STATE_DIR to a local directory, because locks on network file systems are unreliable"
        yield Finding("disk", observation, hint)
        return
    hint = "free some space: no run can start on a full disk"
    yield Finding("disk", observation, hint if free < MIN_FREE_BYTES else None)
    if not hasattr(os, "statvfs"):
        return
    status = os.statvfs(directory)
    # Some file systems have no fixed number of files, and report 0 of 0.
    if status.f_files and status.f_favail < MIN_FREE_FILES:
        files = f"room for {format_count(status.f_favail, 'more file')} on {kind}"
        yield Finding("disk", files, "delete files: 'df --inodes' shows where they are")


def _check_configuration(directory: Path, config: Path | None) -> Iterator[Finding]:
    """Check that this configuration and its state directory belong together."""
    if config is None or not config.exists():
        return
    if (line := unreadable_state_line(config)) is not None:
        where = f"{config}:{line}: the key state can't be read, so the state is in {directory}"
        yield Finding("state", where, 'write state = "DIRECTORY" on a line of its own')
    used_by = last_config(directory)
    if used_by is not None and used_by.exists() and not is_same_config(used_by, config):
        observation = f"{directory} was last used with {used_by}, and this configuration is {config}"
        yield Finding("state", observation, "give one of them a directory of its own with the key state")


def _describe_missing(directory: Path) -> Finding:
    if os.path.lexists(directory):
        return Finding("state", f"{directory} is not a directory", "move it away, or set RAE_STATE_DIR")
    above = next((path for path in directory.parents if path.exists()), Path("/"))
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        observation = f"{directory} does not exist, and you can't create it in {above}"
        return Finding("state", observation, "choose another directory with RAE_STATE_DIR")
    return Finding("state", f"{directory} does not exist yet; 'rae-auto run' creates it")


def _check_rights(directory: Path, machine: Machine) -> Iterator[Finding]:
    status = directory.stat()
    mode = status.st_mode & 0o777
    if machine.user not in (None, status.st_uid):
        observation = f"{directory} belongs to another user (uid {status.st_uid})"
        hint = f"run rae-auto as that user, run 'sudo chown -R {machine.user} {shlex.quote(str(directory))}', "
        yield Finding("state", observation, hint + "or choose another directory with RAE_STATE_DIR")
        return
    if not os.access(directory, os.W_OK | os.X_OK):
        yield Finding("state", f"you can't write to {directory}", f"run 'chmod 700 {shlex.quote(str(directory))}'")
        return
    if mode & 0o077 and machine.user is not None:
        hint = f"make it private with 'chmod 700 {shlex.quote(str(directory))}'"
        yield Finding("state", f"{directory} can be read by other users (mode {mode:o})", hint)
    else:
        yield Finding("state", f"{directory} is private")
    yield from _check_files(directory, machine)


def _check_files(directory: Path, machine: Machine) -> Iterator[Finding]:
    """Check that the daemon can write the files of the state; those of a run with sudo belong to root."""
    others: list[Path] = []
    closed: list[Path] = []
    for path in islice(directory.rglob("*"), MAX_CHECKED_FILES):
        try:
            status = path.lstat()
        except OSError:
            continue  # gone meanwhile
        if machine.user not in (None, status.st_uid):
            others.append(path)
        elif not status.st_mode & 0o200 and path.parent == directory:
            closed.append(path)
    if others:
        count = format_count(len(others), "file")
        observation = f"{count} in {directory} of another user, such as {others[0].relative_to(directory)}"
        yield Finding("state", observation, f"run 'sudo chown -R {machine.user} {shlex.quote(str(directory))}'")
    if closed:
        name = shlex.quote(str(closed[0]))
        yield Finding("state", f"{name} is read-only, so the daemon can't change it", f"run 'chmod 600 {name}'")


def _check_lock(directory: Path, now: datetime) -> Iterator[Finding]:
    lock = directory / "lock"
    if not lock.exists():
        yield Finding("store", "not created yet")
        return
    try:
        import fcntl
    except ImportError:  # on Windows
        return
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        yield Finding("store", "in use")
        return
    except OSError as error:
        yield Finding("store", f"can't open its lock: {error.strerror}", f"check the permissions of {lock}")
        return
    gone = find_downtime(directory, now)
    if gone is None:
        yield Finding("store", "not in use")
    elif gone.cause is DowntimeCause.STOPPED:
        yield Finding("store", "not in use; the last daemon stopped cleanly")
    else:
        yield Finding("store", "not in use; the last daemon crashed, and the next one recovers its runs")
