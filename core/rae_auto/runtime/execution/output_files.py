"""The files of attempts in the output directory: `output/JOB/RUN.N.log`, the records beside it, and large events.

Everything in here may block on the disk, so it is called in threads.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from attrs import field, frozen

from rae_auto.toolkit.files import make_private_folder

MAX_FOLDERS_AHEAD = 1_000
"""Number of jobs for which folders are made before their schedules are due."""

UNUSED_DIRECTORY_SECONDS = 3600.0
"""Age after which an empty directory of a job is removed: a younger one may be about to get its first file."""

# The last two are what a write that was cut off leaves.
_FILE_NAME = re.compile(
    r"([0-9A-Z]{26})\.(?:\d+\.\w+|event\.json|\d+\.\w+\.tmp)|\.([0-9A-Z]{26})\.event\.json\.\d+\.tmp"
)
_RECORD_SUFFIXES = (".start", ".exit", ".value")
_UNFINISHED_SUFFIX = ".tmp"


@frozen
class RunFiles:
    """The files of a run."""

    paths: list[Path] = field(factory=list)
    sizes: list[int] = field(factory=list)

    @property
    def size(self) -> int:
        """Return how many bytes they have."""
        return sum(self.sizes)


class OutputFiles:
    """The output directory of a state directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def jobs(self) -> list[str]:
        """Return the jobs that have a directory."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        return []

    def has_job(self, job: str) -> bool:
        """Return whether a job has a directory."""
        return os.path.isdir(f"{self._directory}/{job}")  # noqa: PTH112 - the path itself would cost more

    def of_job(self, job: str) -> dict[str, RunFiles]:
        """Return the files of a job by run."""
        found: dict[str, RunFiles] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._directory / job) as entries:
            for entry in entries:
                if match := _FILE_NAME.fullmatch(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        size = entry.stat(follow_symlinks=False).st_size
                        files = found.setdefault(match[1] or match[2], RunFiles())
                        files.paths.append(Path(entry))
                        files.sizes.append(size)
        return found

    def all(self) -> Iterator[tuple[str, dict[str, RunFiles]]]:
        """Yield each job with its files."""
        for job in self.jobs():
            yield job, self.of_job(job)

    def size_of_run(self, job: str, run: str, attempts: int) -> int:
        """Return how many bytes the output of a run has."""
        names = [f"{run}.{attempt}.log" for attempt in range(1, attempts + 1)]
        total = 0
        for name in [*names, f"{run}.event.json"]:
            with contextlib.suppress(OSError):
                total += (self._directory / job / name).lstat().st_size
        return total

    def remove_records(self, job: str, run: str, attempt: int) -> None:
        """Remove the records of an attempt whose end is durable in the store."""
        begin = f"{self._directory}/{job}/{run}.{attempt}"
        for suffix in _RECORD_SUFFIXES:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(begin + suffix)  # noqa: PTH108 - as above

    def remove_leftovers(self, files: Iterable[RunFiles]) -> None:
        """Remove records, and what writes that were cut off have left, of runs that are over."""
        for run in files:
            for path in run.paths:
                if path.suffix in (*_RECORD_SUFFIXES, _UNFINISHED_SUFFIX):
                    path.unlink(missing_ok=True)

    def remove_unused_directory(self, job: str) -> None:
        """Remove the directory of a job if it is empty and not about to be used."""
        path = self._directory / job
        with contextlib.suppress(OSError):
            # By the clock of the file system: that of the daemon may be hours away from it.
            os.utime(self._directory)
            if self._directory.stat().st_mtime - path.stat().st_mtime > UNUSED_DIRECTORY_SECONDS:
                path.rmdir()


def find_missing_folders(directory: Path, jobs: Iterable[str]) -> list[Path]:
    """Return the folders that some of these jobs have yet to get in the output directory."""
    paths = (f"{directory}/{job}" for job in islice(jobs, MAX_FOLDERS_AHEAD))
    return [Path(path) for path in paths if not os.path.isdir(path)]  # noqa: PTH112 - as above


def create_output_directory(path: Path) -> None:
    """Create the directory of a job. Raises RuntimeError with what the system refuses."""
    try:
        make_private_folder(path)
    except OSError as error:
        raise RuntimeError(f"the output directory {path} can't be created ({error.strerror})") from error


def read_output_file(path: Path) -> str:
    """Return the output in a file, "" if there is none; bytes that aren't UTF-8 are escaped."""
    try:
        return path.read_bytes().decode(errors="backslashreplace")
    except FileNotFoundError:
        return ""


def remove_runs(files: dict[str, RunFiles], runs: Iterable[str]) -> None:
    """Remove the files of these runs, and forget them."""
    for run in runs:
        for path in files.pop(run, RunFiles()).paths:
            path.unlink(missing_ok=True)
