"""Folders for output that are about to be used stay, whatever the clock of the daemon says."""

import os
import time
from pathlib import Path

import pytest

from rae_auto.runtime.execution.output_files import UNUSED_DIRECTORY_SECONDS, OutputFiles


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
