"""Spare files: empty files that become the output files of attempts."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.files.spare_files import SpareFiles

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a keeper on Windows has no spare files")


@pytest.fixture
def spares(tmp_path: Path) -> SpareFiles:
    return SpareFiles(str(tmp_path / "spares"))


def ready_files(place: Path) -> list[Path]:
    return list(place.glob("spares/*/*"))


def prepare_all(spares: SpareFiles) -> None:
    while spares.has_work:
        spares.prepare()


def open_and_close(spares: SpareFiles, path: Path) -> os.stat_result:
    file = spares.open_output(str(path))
    status = os.fstat(file)
    os.close(file)
    return status


def test_spare_file_is_as_a_fresh_one(tmp_path: Path, spares: SpareFiles) -> None:
    spares.expect(1, [])
    prepare_all(spares)
    (ready,) = ready_files(tmp_path)
    os.utime(ready, (1, 1))
    made = ready.stat()
    found = open_and_close(spares, tmp_path / "a.log")
    assert found.st_ino == made.st_ino
    assert found.st_nlink == 1 and found.st_size == 0 and stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_mtime > 1, "the time of the file is that of the start"
    assert not ready_files(tmp_path)


@pytest.mark.parametrize("has_spare", [False, True])
def test_attempt_that_another_has_claimed_is_refused(tmp_path: Path, spares: SpareFiles, has_spare: bool) -> None:
    spares.expect(int(has_spare), [])
    prepare_all(spares)
    (tmp_path / "a.log").touch(0o400)
    with pytest.raises(FileExistsError):
        spares.open_output(str(tmp_path / "a.log"))
    assert stat.S_IMODE((tmp_path / "a.log").stat().st_mode) == 0o400
    assert not ready_files(tmp_path), "a file that may have a name already is given away again"


@pytest.mark.parametrize("has_spare", [False, True])
def test_missing_folders_are_made(tmp_path: Path, spares: SpareFiles, has_spare: bool) -> None:
    spares.expect(int(has_spare), [])
    prepare_all(spares)
    open_and_close(spares, tmp_path / "output" / "job" / "a.log")
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("output", "output/job")] == [0o700, 0o700]


def test_expected_files_and_folders_are_made_before_they_are_needed(tmp_path: Path, spares: SpareFiles) -> None:
    spares.expect(3, [str(tmp_path / "output" / job) for job in "ab"])
    prepare_all(spares)
    inodes = {path.stat().st_ino for path in ready_files(tmp_path)}
    assert len(inodes) == 3 and sorted(path.name for path in (tmp_path / "output").iterdir()) == ["a", "b"]
    found = {open_and_close(spares, tmp_path / "output" / "a" / f"{number}.log").st_ino for number in range(3)}
    assert found == inodes


def test_files_are_created_where_there_are_no_links(
    tmp_path: Path, spares: SpareFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    spares.expect(1, [])
    prepare_all(spares)
    assert open_and_close(spares, tmp_path / "a.log").st_size == 0


def test_without_a_directory_there_are_no_spare_files(tmp_path: Path) -> None:
    spares = SpareFiles()
    spares.expect(5, [])
    prepare_all(spares)
    open_and_close(spares, tmp_path / "a.log")
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


def test_what_a_killed_keeper_left_is_removed(tmp_path: Path, spares: SpareFiles) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    for name in (f"{dead.pid}.1", f"{os.getppid()}.1"):
        (tmp_path / "spares" / name).mkdir(parents=True)
        (tmp_path / "spares" / name / "1").touch()
    spares.expect(1, [])
    prepare_all(spares)
    assert not (tmp_path / "spares" / f"{dead.pid}.1").exists()
    assert (tmp_path / "spares" / f"{os.getppid()}.1" / "1").exists()
    spares.close()
    assert [path.name for path in (tmp_path / "spares").iterdir()] == [f"{os.getppid()}.1"]


@pytest.mark.skipif(not procfs.has_procfs(), reason="the start of a process is known by /proc")
def test_what_a_killed_keeper_left_goes_though_its_pid_is_used_again(tmp_path: Path, spares: SpareFiles) -> None:
    ticks = procfs.read_start_ticks(os.getppid())
    assert ticks is not None
    ours, other = f"{os.getppid()}_{ticks}.1", f"{os.getppid()}_{ticks - 1}.1"
    for name in (ours, other):
        (tmp_path / "spares" / name).mkdir(parents=True)
    spares.expect(1, [])
    prepare_all(spares)
    spares.close()
    assert [path.name for path in (tmp_path / "spares").iterdir()] == [ours]


@pytest.mark.parametrize("has_spare", [False, True])
def test_disk_that_is_not_mounted_is_a_missing_folder(tmp_path: Path, spares: SpareFiles, has_spare: bool) -> None:
    spares.expect(int(has_spare), [])
    prepare_all(spares)
    (tmp_path / "output").symlink_to(tmp_path / "not-mounted")
    with pytest.raises(FileNotFoundError):
        spares.open_output(str(tmp_path / "output" / "job" / "a.log"))


def test_nothing_is_made_after_the_end(tmp_path: Path, spares: SpareFiles) -> None:
    spares.expect(5, [str(tmp_path / "output" / "job")])
    spares.close()
    prepare_all(spares)
    assert list(tmp_path.iterdir()) == []
