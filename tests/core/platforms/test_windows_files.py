"""Replacing and locking files as on Windows, with stand-ins for its calls."""

import errno
import sys
import threading
import types
from pathlib import Path

import pytest
from tests.support.windows_stand_ins import FakeMove

from rae_auto.platforms.windows import files as windows_files
from rae_auto.platforms.windows.files import LOCKED_BYTE, WindowsFiles


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "new", tmp_path / "old"
    source.write_text("new")
    target.write_text("old")
    return source, target


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_files, "REPLACE_RETRY_SECONDS", 0)


@pytest.mark.parametrize("errors", [(), (32,), (5, 32, 33)])
def test_file_that_is_open_is_replaced_once_it_is_closed(pair, errors):
    move = FakeMove(*errors)
    WindowsFiles(move).replace(*pair)
    assert (pair[1].read_text(), pair[0].exists(), move.calls) == ("new", False, len(errors) + 1)


def test_file_that_stays_open_is_an_error_in_the_end(pair, monkeypatch):
    monkeypatch.setattr(windows_files, "REPLACE_TIMEOUT_SECONDS", 0)
    with pytest.raises(PermissionError, match="Windows error 32"):
        WindowsFiles(FakeMove(32, 32, 32)).replace(*pair)
    assert pair[1].read_text() == "old"


@pytest.mark.parametrize(("error", "number"), [(2, errno.ENOENT), (3, errno.ENOENT), (17, errno.EXDEV)])
def test_other_errors_are_reported_at_once(pair, error, number):
    move = FakeMove(error, error)
    with pytest.raises(OSError, match=f"Windows error {error}") as refusal:
        WindowsFiles(move).replace(*pair)
    assert (refusal.value.errno, move.calls) == (number, 1)


def test_lock_is_far_behind_what_the_file_says(tmp_path, monkeypatch):
    asked = []
    runtime = types.ModuleType("msvcrt")
    runtime.LK_NBLCK = 2  # type: ignore[attr-defined]  # of a module that is not here
    with (tmp_path / "lock").open("w+b") as file:
        runtime.locking = lambda *call: asked.append((*call, file.seek(0, 1)))  # type: ignore[attr-defined]  # likewise
        monkeypatch.setitem(sys.modules, "msvcrt", runtime)
        WindowsFiles().lock(file.fileno())
    assert asked[0][1:3] == (2, 1)
    assert LOCKED_BYTE > 4096


def test_reads_and_writes_of_threads_have_places_of_their_own(tmp_path):
    operations = WindowsFiles(FakeMove())
    with (tmp_path / "journal").open("w+b", buffering=0) as file:
        descriptor = file.fileno()

        def write(number: int) -> None:
            for _ in range(50):
                operations.write_at(descriptor, bytes([number]) * 10, number * 10)
                assert operations.read_at(descriptor, 10, number * 10) == bytes([number]) * 10

        threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (tmp_path / "journal").read_bytes() == b"".join(bytes([number]) * 10 for number in range(4))
