"""Attempts that never started, on a full disk: unknown while they can't be claimed, and never lost for that."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.executors.conftest import an_executor, run_async

from rae_auto.api import NeverStarted
from rae_plugins.executors.process import executor as process_executor

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")


class FullDisk:
    """A disk on which no file of some name can be made, for so many tries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open, self._name, self.tries = os.open, "", 0
        monkeypatch.setattr(os, "open", self._refuse)

    def fill(self, name: str, tries: int = 1_000) -> None:
        self._name, self.tries = name, tries

    def _refuse(self, path: Any, flags: int, *mode: Any, **options: Any) -> int:
        if self.tries and flags & os.O_CREAT and os.fspath(path).endswith(self._name):
            self.tries -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._open(path, flags, *mode, **options)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    disk = FullDisk(monkeypatch)
    yield disk
    disk.tries = 0


@pytest.mark.parametrize("file", ["about.json", "out.log"])
def test_attempt_on_a_full_host_is_unknown_until_there_is_room(tmp_path: Path, disk: FullDisk, file: str) -> None:
    """Its directory may be missing, or only half of it have had room."""
    host = pytest.importorskip("rae_plugins.executors.remote.host.run_directory")
    directory = host.RunDirectory(str(tmp_path), "run.1")
    disk.fill(file)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            directory.find_state("run")
    disk.tries = 0
    assert directory.find_state("run") == "never"
    assert directory.find_state("run") == "never"


def test_attempt_on_a_full_disk_is_found_once_there_is_room(
    tmp_path: Path, disk: FullDisk, make_assignment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_executor, "CLAIM_RETRY_SECONDS", 0.01)
    assignment = make_assignment("true")

    async def work() -> Any:
        async with an_executor(tmp_path) as executor:
            disk.fill(assignment.output.name, 3)
            return await executor.find(assignment, None)

    assert run_async(work) == NeverStarted()
    assert disk.tries == 0
