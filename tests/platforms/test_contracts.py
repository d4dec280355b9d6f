"""Contracts of the platform adapters: here with stand-ins beside the real platform, in .github/workflows on all."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rae_auto.errors import StoreLocked
from rae_auto.service.manager import platform_adapter as service_platform
from rae_auto.toolkit.files import DirectoryLock, is_locked, write_atomically
from rae_auto.toolkit.wake_alarm import find_wake_obstacle, open_wake_alarm
from rae_plugins.executors.process.identity import ProcessIdentity
from rae_plugins.executors.process.keeper import procfs
from rae_plugins.triggers.system.event_names import EventName
from rae_plugins.triggers.system.platform import platform_adapter as system_platform


@pytest.fixture(params=["of the platform", "by psutil"])
def process_table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes as this platform has them, and as psutil has them where there is no /proc."""
    if request.param == "by psutil":
        monkeypatch.setattr(procfs, "PROC", "/no/such/directory")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs until its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        yield process
        process.kill()


@pytest.mark.usefixtures("process_table")
def test_identity_is_alive_until_its_process_ends(child):
    identity = ProcessIdentity.of(child.pid)
    assert identity is not None
    assert identity.is_alive()
    child.kill()
    child.wait()
    assert not identity.is_alive()


@pytest.mark.usefixtures("process_table")
def test_identity_survives_its_record(child):
    identity = ProcessIdentity.of(child.pid)
    assert ProcessIdentity.from_record(identity.record()) == identity


@pytest.mark.usefixtures("process_table")
def test_identity_of_another_process_with_the_pid_is_another(child):
    record = ProcessIdentity.of(child.pid).record()
    earlier = {"ticks": record["ticks"] and record["ticks"] - 1000}
    if record["spawned"]:
        earlier = {"spawned": [moment - 10 for moment in record["spawned"]]}
    assert not ProcessIdentity.from_record({**record, **earlier}).is_alive()


def test_lock_of_a_directory_has_one_holder(tmp_path):
    lock = DirectoryLock(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(StoreLocked):
        DirectoryLock(tmp_path)
    lock.release()
    assert not is_locked(tmp_path)


def test_lock_ends_with_its_process(tmp_path):
    code = f"""
from pathlib import Path
from rae_auto.toolkit.files import DirectoryLock
lock = DirectoryLock(Path({str(tmp_path)!r}))
print("locked", flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(StoreLocked) as refusal:
            DirectoryLock(tmp_path)
        holder.kill()
    assert str(holder.pid) in str(refusal.value)
    DirectoryLock(tmp_path).release()


def test_atomic_write_replaces_a_file(tmp_path: Path) -> None:
    for content in (b"old", b"new\n\r\n"):
        write_atomically(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == b"new\n\r\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_wake_alarm_that_has_no_obstacle_opens() -> None:
    if find_wake_obstacle() is None:
        open_wake_alarm().close()


def test_system_events_name_what_they_can_not_report() -> None:
    adapter = system_platform()
    assert adapter.boot() == adapter.boot()
    assert all(adapter.missing(list(EventName)).values())


@pytest.mark.parametrize("name", ["linux", "darwin", "win32"])
def test_service_adapter_names_its_files_and_commands(name: str) -> None:
    adapter = service_platform(name)
    assert adapter.TITLE
    assert "rae-auto" in str(adapter.unit_path("rae-auto", False))
    assert adapter.commands("rae-auto", False)
