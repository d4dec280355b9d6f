"""The machine as the checks see it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Self

from attrs import frozen

from rae_auto.runtime.time.synchronization import is_clock_synchronized

COMMAND_TIMEOUT_SECONDS = 5.0


@frozen(kw_only=True)
class Machine:
    """Facts about this machine that checks read. `environment` is that of this process, `user` its effective uid.

    `root` is put before the paths of the system's own files. `daemon_environment` is None if no daemon is known.
    """

    environment: Mapping[str, str]
    now: datetime
    root: Path = Path("/")
    user: int | None = None
    open_files: tuple[int, int] | None = None
    """The limit of open files, and what it can be raised to."""
    processes: int | None = None
    """The number of processes that the user may have; None without a limit."""
    daemon_environment: Mapping[str, str] | None = None
    is_clock_synchronized: bool | None = None
    """True if the kernel reports that the clock is synchronized; None if that isn't known."""

    @classmethod
    def inspect(cls, daemon: int | None = None) -> Self:
        """Return the machine on which this runs; `daemon` is the pid of the daemon, if one runs."""
        return cls(
            environment=dict(os.environ),
            now=datetime.now(UTC),
            user=os.geteuid() if hasattr(os, "geteuid") else None,
            open_files=_limit("RLIMIT_NOFILE"),
            processes=(limits := _limit("RLIMIT_NPROC")) and limits[0],
            daemon_environment=None if daemon is None else read_environment(daemon),
            is_clock_synchronized=is_clock_synchronized(),
        )

    def read(self, path: str) -> str | None:
        """Return the text of a file of the system; None if it can't be read."""
        try:
            return self.path(path).read_text(errors="replace")
        except OSError:
            return None

    def path(self, path: str) -> Path:
        """Return where a file of the system is."""
        return self.root / path.lstrip("/")

    def run(self, *argv: str) -> str | None:
        """Return what a command of the system prints; None if it isn't installed, fails or hangs."""
        program = which(argv[0], path=self.environment.get("PATH"))
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, *argv[1:]],
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT_SECONDS,
                check=False,
                env=dict(self.environment),
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return None if done.returncode else done.stdout.strip()


def read_environment(pid: int) -> dict[str, str] | None:
    """Return the environment with which a process was started (proc_pid_environ(5)); None if it can't be read."""
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    pairs: Sequence[str] = os.fsdecode(content).split("\0")
    return dict(pair.partition("=")[::2] for pair in pairs if "=" in pair)


def _limit(name: str) -> tuple[int, int] | None:
    """Return a limit of this process and what it can be raised to; None if there is none."""
    try:
        import resource
    except ImportError:  # on Windows
        return None
    soft, hard = resource.getrlimit(getattr(resource, name))
    return None if soft < 0 else (soft, hard)
