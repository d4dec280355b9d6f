"""Folders for output that are about to be used stay, whatever the clock of the daemon says."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rae_auto.runtime.execution.output_files import UNUSED_DIRECTORY_SECONDS, OutputFiles, create_output_directory
from rae_plugins.executors.process.attempt_files import claim_attempt


@pytest.mark.parametrize(("age_seconds", "is_removed"), [(0.0, False), (UNUSED_DIRECTORY_SECONDS + 60, True)])
@pytest.mark.parametrize("clock_ahead_seconds", [0.0, 2 * UNUSED_DIRECTORY_SECONDS, -2 * UNUSED_DIRECTORY_SECONDS])
def test_empty_folder_is_removed_by_its_age_in_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_seconds: float, is_removed: bool, clock_ahead_seconds: float
) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    made_at = folder.stat().st_mtime - age_seconds
    os.utime(folder, (made_at, made_at))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + clock_ahead_seconds)
    OutputFiles(tmp_path).remove_unused_directory("job")
    assert folder.exists() is not is_removed


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Give new folders all rights, unless their maker says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def claim(folder: Path) -> None:
    claim_attempt(folder / "run.1.log")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize("make", [create_output_directory, claim])
def test_folders_for_output_are_for_the_owner_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "output" / "job")
    folders = tmp_path / "output", tmp_path / "output" / "job"
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700, 0o700]


@pytest.mark.parametrize("make", [create_output_directory, claim])
def test_state_directory_that_is_gone_is_not_made_again(tmp_path: Path, make: Callable[[Path], None]) -> None:
    with suppress(OSError, RuntimeError):
        make(tmp_path / "gone" / "output" / "job")
    assert list(tmp_path.iterdir()) == []
