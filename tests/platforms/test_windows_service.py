"""The contract of services of Windows: pywin32 with the machine's services on Windows, its stand-in elsewhere."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.waiting import eventually

from rae_auto.control.client import Client, is_daemon_running
from rae_auto.errors import SchedulerError
from rae_auto.platforms.file_rights import file_rights
from rae_auto.service.windows_service import HostedService
from rae_auto.service.windows_services import WindowsServices

IS_REAL = sys.platform == "win32"
CONFIG = """
shutdown_grace = "20s"

[jobs.slow]
python = "time:sleep"
args = [2]
"""


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    if IS_REAL:
        pytest.importorskip("win32service", reason="pywin32 isn't installed")
        return
    from tests.support.pywin32_stand_in import ServiceControlManager

    ServiceControlManager().install(monkeypatch)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., WindowsServices]]:
    """Makes a service for the configuration, and removes it in the end."""
    name, made = f"rae-test-{uuid.uuid4().hex[:8]}", []

    def make_services(config: str = CONFIG) -> WindowsServices:
        file, written = tmp_path / "rae.toml", tmp_path / "service.toml"
        file.write_text(config)
        file_rights().make_private(file)
        content = {
            "name": name,
            "account": "LocalSystem",
            "config": str(file),
            "state": str(tmp_path / "state"),
            "daemon": [sys.executable, "-m", "rae_auto", "run", "--config", str(file)],
            "stop_seconds": 40,
        }
        written.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in content.items()))
        services = WindowsServices(HostedService.read(written), written)
        made.append(services)
        return services

    yield make_services
    for services in made[:1]:
        if services.is_installed():
            services.stop()
            services.remove()


def answers(state: Path) -> bool:
    try:
        with Client(state) as client:
            return bool(client.call("ping")["pid"])
    except SchedulerError:
        return False


def test_service_runs_the_daemon_and_stops_it(make, tmp_path):
    service = make()
    assert not service.is_installed()
    service.install()
    assert (service.is_installed(), service.is_running()) == (True, False)
    service.start()
    assert service.is_running()
    eventually(lambda: answers(tmp_path / "state"))
    service.stop()
    assert not service.is_running()
    assert not is_daemon_running(tmp_path / "state")
    service.remove()
    assert not service.is_installed()


def test_service_can_be_installed_again(make):
    service = make()
    service.install()
    service.install()
    assert service.is_installed()


def test_service_that_runs_or_is_stopped_is_so_after_it_again(make, tmp_path):
    service = make()
    service.install()
    service.stop()
    service.start()
    service.start()
    eventually(lambda: answers(tmp_path / "state"))
    assert service.is_running()


def test_stop_of_the_service_lets_running_jobs_end(make, tmp_path):
    service = make()
    service.install()
    service.start()
    state = tmp_path / "state"
    eventually(lambda: answers(state))
    with Client(state) as client:
        client.call("trigger", job="slow")
    service.stop()
    service.start()
    eventually(lambda: answers(state))
    with Client(state) as client:
        (run,) = client.call("history", limit=5)
    assert run["state"] == "succeeded"


def test_stop_of_the_daemon_stops_the_service(make, tmp_path):
    service = make()
    service.install()
    service.start()
    eventually(lambda: answers(tmp_path / "state"))
    with Client(tmp_path / "state") as client:
        client.call("stop")
    eventually(lambda: not service.is_running())


def test_daemon_that_fails_ends_the_service(make):
    service = make("[jobs.broken]\n")
    service.install()
    try:
        service.start()
    except SchedulerError as error:
        assert "its daemon ended at once" in str(error)
    eventually(lambda: not service.is_running())


def test_service_that_is_not_installed_has_one_line(make):
    with pytest.raises(SchedulerError, match=r"does not exist.*; install it with 'rae-auto service install --system'"):
        make().start()
