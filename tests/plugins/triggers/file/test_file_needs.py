"""Watches that a file trigger needs of the kernel, which `doctor` compares with the limit."""

import sys
from pathlib import Path

import pytest
from tests.support import file_watching
from tests.support.file_watching import FileListener, run_scene, trigger

from rae_plugins.triggers.file import INSTANCES_LIMIT, WATCHES_LIMIT

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify is Linux's")

# Fixtures.
top = file_watching.top


def count_kernel_watches() -> int:
    """Count the watches of this process by proc_pid_fdinfo(5)."""
    count = 0
    for path in Path("/proc/self/fdinfo").iterdir():
        try:
            count += path.read_text().count("inotify wd:")
        except OSError:
            continue
    return count


@pytest.mark.parametrize("is_recursive", [True, False])
def test_trigger_needs_as_many_watches_as_the_kernel_counts(top: Path, tmp_path: Path, is_recursive: bool) -> None:
    for name in ("a/b/c", "a/d", ".git/objects", "build"):
        (top / name).mkdir(parents=True)
    options = trigger(top, recursive=is_recursive, ignore=["build/"])
    counts = []

    async def scene(listener: FileListener) -> None:
        before = count_kernel_watches()
        async with listener.running(options):
            (top / "a" / "x").write_text("x")
            (top / "y").write_text("x")
            await listener.wait_for_changes(top / "y")
            counts.append(count_kernel_watches() - before)

    run_scene(tmp_path, scene)
    assert options.kernel_needs() == {WATCHES_LIMIT: counts[0], INSTANCES_LIMIT: 1}


def test_polled_trigger_needs_no_watches(top: Path) -> None:
    assert trigger(top, recursive=True, polling="always").kernel_needs() == {}
