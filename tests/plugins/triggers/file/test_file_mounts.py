"""Files on network file systems and on disks that are not mounted."""

from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.file_watching import FileListener, run_scene, trigger

from rae_plugins.triggers.file import watcher

# Fixtures.
top = file_watching.top


def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: Path, kind: str) -> Path:
    """Write a mount table with a file system of this type."""
    table = tmp_path / "mounts"
    table.write_text(f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / {point} rw shared:1 - {kind} host:/x rw\n")
    monkeypatch.setattr("rae_auto.toolkit.mounts.MOUNT_TABLE", table)
    return table


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "fuse", "9p", "vboxsf"])
def test_folder_on_a_network_file_system_is_polled(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounted(tmp_path, monkeypatch, top, kind)
    seen = []
    begin = watcher.start_watching
    monkeypatch.setattr(watcher, "start_watching", lambda posts, *given: seen.extend(posts) or begin(posts, *given))

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top)):
            (top / "a").write_text("x")
            await listener.wait_for_changes(top / "a")

    assert run_scene(tmp_path, scene).summaries == ["created a"]
    assert {post.path: post.is_polled for post in seen}[str(top)]
    assert not {post.path: post.is_polled for post in seen}[str(tmp_path)]


def test_network_mount_below_a_folder_is_polled(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / "far").mkdir()
    mounted(tmp_path, monkeypatch, top / "far", "nfs")
    seen = []
    begin = watcher.start_watching
    monkeypatch.setattr(watcher, "start_watching", lambda posts, *given: seen.extend(posts) or begin(posts, *given))

    async def scene(listener: FileListener) -> None:
        async with listener.running(trigger(top, recursive=True)):
            (top / "far" / "a").write_text("x")
            await listener.wait_for_changes(top / "far" / "a")

    assert run_scene(tmp_path, scene).summaries == ["created a"]
    assert [post.path for post in seen if post.is_polled] == [str(top / "far")]


def test_unmounted_disk_reports_no_deletions(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    table = mounted(tmp_path, monkeypatch, top / "disk", "ext4")

    async def scene(listener: FileListener) -> None:
        (top / "disk").mkdir()
        (top / "disk" / "file").write_text("x")
        async with listener.running(trigger(top, recursive=True)):
            pass
        with_disk = table.read_text()
        table.write_text(with_disk.splitlines(keepends=True)[0])
        (top / "disk").rename(tmp_path / "unmounted")
        async with listener.running(trigger(top, recursive=True)):
            (top / "a").write_text("x")
            await listener.wait_for_changes(top / "a")
        (tmp_path / "unmounted").rename(top / "disk")
        table.write_text(with_disk)
        async with listener.running(trigger(top, recursive=True)):
            (top / "disk" / "new").write_text("x")
            await listener.wait_for_changes(top / "disk" / "new")

    assert run_scene(tmp_path, scene).summaries == ["created a", "created new"]
    assert [line for line in log if f"nothing is mounted at {top}/disk" in line]
