"""The directory of one attempt on this machine, and the state that its files show; the theory is in the package."""

import fcntl
import json
import os
import shutil
import signal
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.files.records import remove_private_files
from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.keeper.termination import Termination

CLAIM_MODE = 0o400
TREE_END_SECONDS = 5.0


class RunDirectory:
    """The files of one attempt."""

    def __init__(self, runs: str, token: str) -> None:
        """Name the files; nothing need exist."""
        self.token = token
        self.path = os.path.join(runs, token)
        self.output = os.path.join(self.path, "out.log")
        self.exit_path = os.path.join(self.path, "out.exit")
        self.start_path = os.path.join(self.path, "out.start")
        self.index_path = os.path.join(self.path, "out.index")
        self.control = os.path.join(self.path, "control")
        self.alive = os.path.join(self.path, "alive")
        self.private = os.path.join(self.path, "private")

    def create(self, about: Mapping[str, Any], *, is_durable: bool = True) -> bool:
        """Create it. Return False if it exists: then the attempt has an owner already. Errors: OSError.

        It needn't be durable if the daemon has recorded durably in which boot of which machine the attempt may start.
        """
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            return False
        try:
            os.mkfifo(self.control, 0o600)
            self._note(dict(about, boot=procfs.read_boot_id()), is_durable)
        except OSError:
            # Half of one would look as if the machine had gone down while the attempt started.
            shutil.rmtree(self.path, ignore_errors=True)
            raise
        return True

    def _note(self, about: Mapping[str, Any], is_durable: bool) -> None:
        file = os.open(os.path.join(self.path, "about.json"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, json.dumps(about).encode())
            if is_durable:
                os.fsync(file)
        finally:
            os.close(file)
        for path in (self.path, os.path.dirname(self.path)) if is_durable else ():
            _sync_directory(path)

    def about(self) -> dict[str, Any]:
        """Return what was noted when it was made; nothing where the machine went down just then."""
        return _read(os.path.join(self.path, "about.json")) or {}

    def exit_record(self) -> dict[str, Any] | None:
        """Return how the attempt ended, if it has."""
        return _read(self.exit_path)

    def start_record(self) -> dict[str, Any] | None:
        """Return what its keeper recorded at the start."""
        return _read(self.start_path)

    def hold(self) -> int:
        """Lock it for as long as this process lives, as its keeper; return the descriptor. Errors: OSError."""
        file = os.open(self.alive, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def is_kept(self) -> bool:
        """Return whether its keeper is alive."""
        try:
            file = os.open(self.alive, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def claim(self) -> bool:
        """Return whether the attempt has not started; from then on it can't.

        Errors: OSError, as on a full disk, where it remains unknown.
        """
        try:
            os.close(os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, CLAIM_MODE))
        except FileExistsError:
            return stat.S_IMODE(os.lstat(self.output).st_mode) == CLAIM_MODE
        return True

    def find_state(self, run: str) -> str:
        """Return "alive", "ended", "never" or "lost"; ends what is left of a lost attempt. Errors: OSError."""
        state = self._judge(run)
        if state != "alive":
            # Its keeper does that, unless it was killed.
            remove_private_files(self.private)
        return state

    def _judge(self, run: str) -> str:
        if not os.path.isdir(self.path):
            if any(_list_processes_of(run)):
                _end_tree(lambda: list(_list_processes_of(run)))
                return "lost"
            self.create({"run": run, "cap": 0})
        if self.exit_record() is not None:
            return "ended"
        if self.is_kept():
            return "alive"
        if self.exit_record() is not None:
            # Its keeper has written it since the first look, and then ended.
            return "ended"
        boot, now = self.about().get("boot"), procfs.read_boot_id()
        if boot != now:
            # No process survives a reboot; whether it had started is unknown, because files may be missing.
            return "lost"
        if self.claim():
            return "never"
        self._end_rest(run)
        return "ended" if self.exit_record() is not None else "lost"

    def _end_rest(self, run: str) -> None:
        record = self.start_record() or {}
        leader, ticks = record.get("pid"), record.get("ticks")

        def list_members() -> list[ProcessInfo]:
            holder = procfs.read_process(leader) if isinstance(leader, int) else None
            session = leader if holder is None or holder.ticks == ticks else None
            return list(_list_processes_of(run, session))

        if procfs.has_procfs():
            _end_tree(list_members)
        elif isinstance(leader, int):
            with suppress(OSError):
                os.killpg(leader, signal.SIGKILL)

    def ask_to_end(self, grace_seconds: float) -> None:
        """Ask the keeper of the attempt to end it; without a keeper nothing happens."""
        with suppress(OSError):
            file = os.open(self.control, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(file, json.dumps({"grace": grace_seconds}).encode() + b"\n")
            finally:
                os.close(file)

    def mark_done(self) -> None:
        """Note that the daemon has the result, and remove the output and private files."""
        with suppress(OSError):
            os.close(os.open(os.path.join(self.path, "done"), os.O_WRONLY | os.O_CREAT, 0o600))
        for path in (self.output, self.index_path, self.control):
            # A claim stays: it is what keeps the attempt from starting.
            with suppress(OSError):
                if path != self.output or stat.S_IMODE(os.lstat(path).st_mode) != CLAIM_MODE:
                    os.unlink(path)
        remove_private_files(self.private)


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            record: dict[str, Any] = json.loads(file.read())
            return record
    except (OSError, ValueError):
        return None


def _list_processes_of(run: str, session: int | None = None) -> Iterator[ProcessInfo]:
    """Yield the processes of a run: those of its session, and those that have its id in their environment."""
    own = os.getpid()
    for pid, process in procfs.read_all_processes().items():
        if pid != own and not process.is_dead and (process.session == session or procfs.read_run_id(pid) == run):
            yield process


def _end_tree(list_members: Callable[[], list[ProcessInfo]]) -> None:
    """Kill processes until none is left. What can't be killed is left."""
    termination = Termination(0.0, time.monotonic(), list_members)
    limit = time.monotonic() + TREE_END_SECONDS
    while not termination.is_over and time.monotonic() < limit:
        termination.step(time.monotonic())
        if not termination.is_over:
            time.sleep(0.02)


def _sync_directory(path: str) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
