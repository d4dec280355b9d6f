"""The contract of managers of services: their commands as programs that keep account, and the real ones where they are.

A real systemd is in tests/core/service/test_real_systemd.py, which needs a namespace of its own, and the services of
Windows in test_windows_service.py.
"""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen
from tests.support.native_logs import is_wine

from rae_auto.errors import SchedulerError
from rae_auto.platforms.file_rights import file_rights
from rae_auto.service import manager
from rae_auto.service.definition import Origin, ServiceDefinition, ServicePlatform
from rae_auto.service.manager import platform_adapter
from rae_auto.service.status import ServiceStatus, find_services, read_status

PLATFORMS = ["linux", "darwin", "win32"]
PROGRAMS = {"linux": "systemctl", "darwin": "launchctl", "win32": "schtasks"}
IS_REAL = {"darwin": sys.platform == "darwin", "win32": sys.platform == "win32", "linux": False}

STAND_IN = """#!{python} -S
import os, sys
words, state = [word.lower() for word in sys.argv[1:]], {state!r}
def has(*names): return any(name in words for name in names)
def set_(name, value):
    path = os.path.join(state, name)
    (open(path, "w").close() if value else os.path.exists(path) and os.unlink(path))
def is_(name): return os.path.exists(os.path.join(state, name))
if os.path.exists(os.path.join(state, "refuse")):
    sys.exit("Access is denied.")
if has("--version"): print("systemd 252 (252.38)")
elif has("enable", "/create"): set_("enabled", True)
elif has("disable", "/delete"): set_("enabled", False), set_("started", False)
elif has("start", "bootstrap", "/run"): set_("enabled", True), set_("started", True)
elif has("bootout"): set_("enabled", False), set_("started", False)
elif has("stop"): set_("started", False)
elif has("is-enabled", "/query"): sys.exit(not is_("enabled"))
elif has("is-active"): sys.exit(not is_("started"))
elif has("print"): sys.exit(not is_("enabled"))
"""


@frozen
class Managed:
    """A platform's adapter, and a service that no one else has."""

    platform: ServicePlatform
    service: ServiceDefinition
    state: Path | None
    """Where the stand-in keeps its account; None for a real manager."""

    @property
    def file(self) -> Path:
        return self.platform.unit_path(self.service.name, False)

    def read_status(self) -> ServiceStatus:
        return read_status(self.platform, self.service.name, False)


@pytest.fixture(params=PLATFORMS)
def managed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Managed]:
    name, is_real = f"rae-test-{uuid.uuid4().hex[:8]}", IS_REAL[request.param]
    config = tmp_path / "my files" / "rae.toml"
    config.parent.mkdir()
    config.write_text('state = "state"\n')
    file_rights().make_private(config)
    state = None
    if is_real and is_wine():
        pytest.skip("Wine has no Task Scheduler")
    if not is_real:
        if os.name == "nt":
            pytest.skip("the stand-ins are scripts with a first line")
        state = tmp_path / "account"
        state.mkdir()
        program = tmp_path / "bin" / PROGRAMS[request.param]
        program.parent.mkdir()
        program.write_text(STAND_IN.format(python=sys.executable, state=str(state)))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        for variable in ("HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
            monkeypatch.setenv(variable, str(tmp_path / "home"))
    service = ServiceDefinition(
        name=name,
        command=(sys.executable, "-P", "-m", "rae_auto"),
        origin=Origin(config, config.parent / "state"),
        stop_seconds=40,
        user=None,
    )
    made = Managed(platform_adapter(request.param), service, state)
    yield made
    if made.file.exists() and manager.installed_origin(made.file) is not None:
        (state and (state / "refuse").unlink(missing_ok=True))
        manager.stop(made.platform, name, False)
        manager.uninstall(made.platform, name, False)


def test_installed_service_is_enabled_and_knows_its_configuration(managed: Managed) -> None:
    assert managed.read_status().origin is None
    (file,) = manager.install(managed.platform, managed.service)
    assert file.path == managed.file
    status = managed.read_status()
    assert status.origin == managed.service.origin
    assert status.is_enabled is not False
    assert status.program == managed.service.command[0]
    assert status.hint() is None
    assert managed.service.name in {found.name for found in find_services(managed.platform)}


def test_service_is_installed_over_itself_and_not_over_others(managed: Managed) -> None:
    manager.install(managed.platform, managed.service)
    manager.install(managed.platform, managed.service)
    managed.file.write_text("somebody else's")
    with pytest.raises(SchedulerError, match="wasn't written by 'rae-auto service install'"):
        manager.install(managed.platform, managed.service)
    with pytest.raises(SchedulerError, match="so it is left alone"):
        manager.uninstall(managed.platform, managed.service.name, False)
    assert managed.file.read_text() == "somebody else's"
    managed.file.unlink()


def test_uninstalled_service_leaves_nothing(managed: Managed) -> None:
    manager.install(managed.platform, managed.service)
    assert manager.uninstall(managed.platform, managed.service.name, False) == managed.file
    assert not managed.file.exists()
    status = managed.read_status()
    assert (status.origin, status.is_enabled) == (None, None)
    with pytest.raises(SchedulerError, match="'rae-auto service install' installs one"):
        manager.start(managed.platform, managed.service.name, False)


def test_service_starts_and_stops(managed: Managed) -> None:
    manager.install(managed.platform, managed.service)
    manager.start(managed.platform, managed.service.name, False)
    assert managed.read_status().is_active is not False
    manager.stop(managed.platform, managed.service.name, False)
    assert managed.read_status().origin == managed.service.origin


def test_refusal_of_the_manager_is_one_line_and_nothing_stays(managed: Managed) -> None:
    if managed.state is None:
        pytest.skip("the real manager isn't made to refuse")
    (managed.state / "refuse").touch()
    with pytest.raises(SchedulerError, match=r"'.+' failed: Access is denied\.$"):
        manager.install(managed.platform, managed.service)
    assert not managed.file.exists()


def test_logs_are_shown_by_a_command_or_by_none(managed: Managed) -> None:
    logs = managed.platform.commands(managed.service.name, False).logs
    assert not logs or managed.service.name in " ".join(logs)
