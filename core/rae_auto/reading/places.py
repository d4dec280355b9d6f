"""Where jobs are defined: the file of a configuration, or one that it includes, and the line.

What was found in a file is kept until the file changes: one of ten thousand jobs takes a third of a second.
"""

import glob
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from attrs import frozen

from rae_auto.config.toml.positions import JobLines, job_lines_of
from rae_auto.config.toml.reading import read_text
from rae_auto.errors import ConfigError

MAX_KEPT_FILES = 128


@frozen
class DefinitionPlace:
    """Where a job is defined."""

    text: str
    """"rae.toml:12", the file with its folder if it is an included one."""
    edited_at: datetime
    """When that file was saved, or the main one, which has the defaults."""


def find_place(config: Path | None, job: str) -> DefinitionPlace | None:
    """Return where a job is defined; None if that can't be found out."""
    if config is None:
        return None
    for path, found in _read_files(config):
        if (line := found.lines.get(job)) is not None:
            text = f"{path.name if path == config else path}:{line}"
            try:
                return DefinitionPlace(text, max(_saved_at(config), _saved_at(path)))
            except OSError:
                return None
    return None


def _saved_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _read_files(config: Path) -> Iterator[tuple[Path, JobLines]]:
    main = _read_file(config)
    if main is None:
        return
    yield config, main
    for pattern in main.include:
        # As for the daemon; a pattern may be an absolute one, which pathlib doesn't take.
        for name in sorted(glob.glob(pattern, root_dir=config.absolute().parent)):  # noqa: PTH207
            path = config.absolute().parent / name
            if (found := _read_file(path)) is not None:
                yield path, found


def _read_file(path: Path) -> JobLines | None:
    """Return the jobs of a file; None if it can't be read."""
    try:
        facts = path.stat()
        return _read_version(path, (facts.st_ino, facts.st_size, facts.st_mtime_ns))
    except (ConfigError, OSError, ValueError):
        return None


@lru_cache(maxsize=MAX_KEPT_FILES)
def _read_version(path: Path, version: tuple[int, ...]) -> JobLines:
    del version  # It serves only to notice another version.
    return job_lines_of(read_text(path))
