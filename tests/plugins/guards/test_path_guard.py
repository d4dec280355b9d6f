"""The path guard, on real file systems, silent and broken ones included."""

import asyncio
import ctypes
import errno
import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.platforms import IS_ROOT, linux, posix

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.testing.guards import GuardConformance
from rae_auto.toolkit.threads.blocking_calls import call_with_timeout
from rae_plugins.guards import path as path_module
from rae_plugins.guards.path import PathGuard


def evaluate(path: object, **options: bool) -> GuardResult:
    return asyncio.run(PathGuard(path=str(path), **options).read())


class TestPathConforms(GuardConformance):
    @pytest.fixture(params=["~", "/nowhere/at/all"])
    def plugin(self, request: pytest.FixtureRequest) -> ReadGuard:
        return PathGuard(path=request.param)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "report-1.csv").touch()
    (tmp_path / "[draft]").touch()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "x.txt").touch()
    (tmp_path / "dangling.lnk").symlink_to(tmp_path / "gone")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("report-1.csv", "report-1.csv"),
        ("report-?.csv", "report-1.csv"),
        ("report-[0-9].csv", "report-1.csv"),
        ("**/*.txt", "deep/er/x.txt"),
        ("[draft]", "[draft]"),
        ("report-2.csv", None),
        ("report-1.csv/below", None),
        ("*.pdf", None),
        ("none/*.pdf", None),
        ("report-1.csv/*", None),
        ("dangling.lnk", None),
        ("*.lnk", None),
    ],
)
def test_path_guard_finds_paths_and_patterns(there: Path, path: str, found: str | None) -> None:
    if found is None:
        assert evaluate(there / path) == GuardResult(Verdict.NO, f'"{there / path}" does not exist')
        assert evaluate(there / path, exists=False).verdict is Verdict.YES
    else:
        assert evaluate(there / path) == GuardResult(Verdict.YES, f'"{there / found}" exists')
        assert evaluate(there / path, exists=False) == GuardResult(Verdict.NO, f'"{there / found}" exists')


def test_path_guard_expands_a_tilde(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(there))
    assert evaluate("~/*.csv").reason == f'"{there}/report-1.csv" exists'


def test_path_guard_recognises_mount_points(there: Path) -> None:
    assert evaluate("/", is_mount=True) == GuardResult(Verdict.YES, '"/" is a mount point')
    assert evaluate("/pro[c]", is_mount=True) == GuardResult(Verdict.YES, '"/proc" is a mount point')
    assert evaluate(there, is_mount=True) == GuardResult(Verdict.NO, f'"{there}" is not a mount point')
    assert evaluate(there, is_mount=True, exists=False).verdict is Verdict.YES
    assert evaluate(there / "none", is_mount=True).verdict is Verdict.NO


def test_path_guard_that_cannot_check_is_unknown(there: Path) -> None:
    long = there / ("x" * 300)
    for exists in (True, False):
        assert evaluate(long, exists=exists) == GuardResult(
            Verdict.UNKNOWN, f'"{str(long)[:199]}…" cannot be checked: {os.strerror(errno.ENAMETOOLONG)}'
        )
    (there / "loop").symlink_to(there / "loop")
    assert evaluate(there / "loop").verdict is Verdict.UNKNOWN
    assert evaluate(there / "loop" / "*").verdict is Verdict.UNKNOWN
    assert evaluate(there / "loo?").verdict is Verdict.UNKNOWN
    (there / "loon").touch()
    assert evaluate(there / "loo?").verdict is Verdict.YES


@posix
@pytest.mark.skipif(IS_ROOT and not Path("/usr/bin/setpriv").exists(), reason="root may look anywhere")
def test_path_guard_without_permission_is_unknown(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir()
    code = (
        "import asyncio, sys\nfrom rae_plugins.guards.path import PathGuard\n"
        "for path in sys.argv[1:]: print(asyncio.run(PathGuard(path=path).read()).verdict)"
    )
    # Root may look anywhere, as long as it has the capabilities of root.
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if IS_ROOT else []
    shut.chmod(0)
    try:
        ran = subprocess.run(
            [*drop, sys.executable, "-c", code, str(shut / "x"), str(shut / "*")],
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        shut.chmod(0o700)
    assert ran.stdout.split() == ["unknown", "unknown"], ran.stderr


@functools.cache
def load_libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Path]:
    """Yield the mount point of a file system whose server never answers."""
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"needs /dev/fuse: {error}")
    place = tmp_path / "silent"
    place.mkdir()
    options = f"fd={server},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
    if load_libc().mount(b"silent", bytes(place), b"fuse", 0, options) != 0:
        os.close(server)
        pytest.skip(f"may not mount: {os.strerror(ctypes.get_errno())}")
    yield place
    load_libc().umount2(bytes(place), 2)  # detached, though it is in use
    os.close(server)


@linux
def test_path_guard_on_a_silent_mount_is_unknown_and_uses_one_thread(
    silent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_module, "TIMEOUT_SECONDS", 0.05)
    for _ in range(5):
        assert evaluate(silent / "x") == GuardResult(Verdict.UNKNOWN, f'"{silent}/x" did not answer within 50 ms')
    assert [thread.name for thread in threading.enumerate()].count("rae-look") == 1
    assert evaluate(silent.parent).verdict is Verdict.YES


@linux
def test_path_guard_on_a_broken_mount_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"needs /dev/fuse: {error}")
    options = f"fd={server},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
    mounted = load_libc().mount(b"broken", bytes(tmp_path / "broken"), b"fuse", 0, options) == 0
    os.close(server)
    if not mounted:
        pytest.skip("may not mount")
    try:
        expected = GuardResult(Verdict.UNKNOWN, f'"{tmp_path}/broken" cannot be checked: {os.strerror(errno.ENOTCONN)}')
        assert evaluate(tmp_path / "broken", is_mount=True) == expected
        assert evaluate(tmp_path / "broken", exists=False) == expected
    finally:
        load_libc().umount2(bytes(tmp_path / "broken"), 2)


def test_look_shares_its_result_with_later_callers() -> None:
    release, calls = threading.Event(), []

    def slow() -> str:
        calls.append(1)
        assert release.wait(60)
        return "seen"

    async def ask_thrice() -> list[Any]:
        with pytest.raises(TimeoutError):
            await call_with_timeout("it", slow, 0.01)
        asked = [asyncio.create_task(call_with_timeout("it", slow, 60)) for _ in range(2)]
        await asyncio.sleep(0)
        release.set()
        return [await task for task in asked]

    assert asyncio.run(ask_thrice()) == ["seen", "seen"]
    assert calls == [1]


def test_look_passes_on_errors_and_can_be_repeated() -> None:
    def fail() -> None:
        raise PermissionError(13, "no")

    for _ in range(2):
        with pytest.raises(PermissionError):
            asyncio.run(call_with_timeout("it", fail, 60))
    assert asyncio.run(call_with_timeout("it", lambda: 5, 60)) == 5


@pytest.mark.parametrize("path", ["", "relative/x", "a\0b", 5])
def test_path_guard_refuses_a_relative_path(path: Any) -> None:
    with pytest.raises(ValueError, match=r"invalid path|relative path"):
        PathGuard(path=path)


def test_path_guard_module_offers_the_guard() -> None:
    assert path_module.rae_guards() == [PathGuard]
