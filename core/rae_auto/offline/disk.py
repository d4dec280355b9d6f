"""The disk usage of a state directory: store, output of jobs, log, and files that were set aside."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from rae_auto.errors import StoreError
from rae_auto.paths import last_log
from rae_auto.records.store_move import OLD_STORE_PREFIX, is_of_store


@frozen
class DiskUsage:
    """The bytes in a state directory, by purpose; `output` by job, the largest first."""

    directory: Path
    store: int
    output: dict[str, int]
    log: int
    kept_aside: int
    """Old stores and damaged files, which nothing removes by itself."""
    other: int
    free: int
    """Free bytes on its file system."""

    @property
    def total(self) -> int:
        return self.store + sum(self.output.values()) + self.log + self.kept_aside + self.other


def measure_disk_usage(directory: Path) -> DiskUsage:
    """Return what a state directory holds. Errors: StoreError if there is none."""
    if not directory.is_dir():
        raise StoreError(f"no state in {directory} yet; 'rae-auto run' creates it")
    sizes = dict.fromkeys(("store", "log", "kept_aside", "other"), 0)
    output: dict[str, int] = {}
    log = last_log(directory) or directory / "rae-auto.log"
    for path in directory.iterdir():
        if path.name == "output":
            output = {job.name: sum(_sizes(job)) for job in path.iterdir()}
        else:
            sizes[_purpose(path, log)] += sum(_sizes(path))
    if log.parent != directory:
        sizes["log"] += sum(sum(_sizes(part)) for part in log.parent.glob(f"{log.stem}*{log.suffix}"))
    by_size = sorted(output.items(), key=lambda item: item[1], reverse=True)
    return DiskUsage(directory=directory, output=dict(by_size), free=shutil.disk_usage(directory).free, **sizes)


def _purpose(path: Path, log: Path) -> str:
    if path.name.startswith(OLD_STORE_PREFIX) or ".corrupt-" in path.name:
        return "kept_aside"
    if path.name.startswith(log.stem) and path.name.endswith(log.suffix):
        return "log"
    return "store" if is_of_store(path) else "other"


def _sizes(path: Path) -> Iterator[int]:
    """Yield the bytes that each file takes on the disk; files may vanish meanwhile."""
    try:
        if path.is_dir() and not path.is_symlink():
            for entry in path.iterdir():
                yield from _sizes(entry)
        else:
            status = os.lstat(path)
            yield getattr(status, "st_blocks", status.st_size // 512 + 1) * 512
    except OSError:
        return
