"""Services of Windows: the file, the choice between service and task, the commands, and what the host does."""

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.core.service.conftest import Machine
from tests.support.pywin32_stand_in import ServiceControlManager
from tests.support.waiting import eventually

from rae_auto.control.client import is_daemon_running
from rae_auto.errors import SchedulerError
from rae_auto.service import manager, task_scheduler, windows_host, windows_service
from rae_auto.service.definition import Origin, ServiceDefinition, read_origin
from rae_auto.toolkit.extras import install_command

STOP_SECONDS = 40


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> ServiceControlManager:
    made = ServiceControlManager()
    made.install(monkeypatch)
    return made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "my files" / 'odd -- "config".toml'
    path.parent.mkdir()
    path.write_text('state = "state"\n')
    path.chmod(0o600)
    return path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of files of services."""
    monkeypatch.setenv("PROGRAMDATA", str(tmp_path / "ProgramData"))
    return tmp_path / "ProgramData" / "rae-auto" / "services"


def define(config: Path, user: str | None = None, **environment: str) -> ServiceDefinition:
    return ServiceDefinition(
        name="rae-auto",
        command=(sys.executable, "-P", "-m", "rae_auto"),
        origin=Origin(config, None),
        environment=environment,
        stop_seconds=STOP_SECONDS,
        is_system=True,
        user=user,
    )


def install(service: ServiceDefinition) -> Path:
    (file,) = windows_service.unit_files(service)
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_text(file.text, file.encoding)
    assert windows_host.main(["install", str(file.path)]) == 0
    return file.path


def test_file_says_what_the_host_runs(config: Path, programs: Path) -> None:
    (file,) = windows_service.unit_files(define(config, user="localservice"))
    assert file.path == programs / "rae-auto.toml"
    assert read_origin(file.text) == Origin(config, None)
    assert tomllib.loads(file.text)["config"] == str(config)
    assert windows_service.read_program(file.text) == sys.executable
    file.path.parent.mkdir(parents=True)
    file.path.write_text(file.text, file.encoding)
    read = windows_service.HostedService.read(file.path)
    assert read.daemon == (sys.executable, "-P", "-m", "rae_auto", "run", "--config", str(config))
    assert (read.account, read.state) == (r"NT AUTHORITY\LocalService", str(config.parent / "state"))


def test_file_needs_a_state_that_commands_find_too(config: Path, programs: Path) -> None:
    config.write_text("")
    with pytest.raises(SchedulerError, match="set the key state"):
        windows_service.unit_files(define(config))
    (file,) = windows_service.unit_files(define(config, RAE_STATE_DIR="/elsewhere"))
    assert tomllib.loads(file.text)["state"] == "/elsewhere"


def test_account_with_a_password_is_refused(config: Path) -> None:
    with pytest.raises(SchedulerError, match=r"--user: \"ann\" would need a password; use LocalSystem"):
        windows_service.unit_files(define(config, user="ann"))


def test_real_service_is_chosen_where_it_can_be_one(
    control: ServiceControlManager, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(**facts: object) -> object:
        return manager.platform_adapter("win32", **facts)  # type: ignore[arg-type]

    assert choose(is_system=True) is windows_service
    assert choose(is_system=True, user="NetworkService") is windows_service
    assert choose(is_system=True, user="ann") is task_scheduler
    assert choose() is task_scheduler
    task = task_scheduler.unit_path("old", True)
    task.parent.mkdir(parents=True)
    task.write_text(f"<!-- {Origin(Path('/rae.toml'), None).mark()} -->")
    assert choose(is_system=True, name="old") is task_scheduler
    monkeypatch.setattr(windows_service, "has_pywin32", lambda: False)
    assert choose(is_system=True) is task_scheduler


def test_installed_service_starts_at_boot_and_again_after_a_crash(
    control: ServiceControlManager, config: Path, programs: Path
) -> None:
    path = install(define(config))
    made = control.services["rae-auto"]
    assert made.account == "LocalSystem"
    assert made.line.endswith(f'run "{path}"' if " " in str(path) else f"run {path}")
    assert made.settings[1] == f"Starts the jobs of {config} (rae-auto)"
    assert [seconds // 1000 for _, seconds in made.settings[2]["Actions"]] == [5, 60, 60, 60, 60]
    assert made.settings[7] == STOP_SECONDS * 1000


def test_service_needs_an_administrator(
    control: ServiceControlManager, config: Path, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    control.is_administrator = False
    (file,) = windows_service.unit_files(define(config))
    file.path.parent.mkdir(parents=True)
    file.path.write_text(file.text)
    assert windows_host.main(["install", str(file.path)]) == 1
    assert capsys.readouterr().err == "service rae-auto: Access is denied; run this as an administrator\n"


@pytest.mark.parametrize("content", ["", "name = 3", "not toml", 'name = "x"\naccount = "y"'])
def test_damaged_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    path = tmp_path / "damaged.toml"
    path.write_text(content)
    assert windows_host.main(["is-running", str(path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_shutdown_of_the_machine_stops_the_daemon_cleanly(
    control: ServiceControlManager, config: Path, programs: Path
) -> None:
    path, state = install(define(config)), config.parent / "state"
    assert windows_host.main(["start", str(path)]) == 0
    eventually(lambda: is_daemon_running(state))
    control.send("rae-auto")
    control.await_end("rae-auto")
    assert control.services["rae-auto"].exit_code == 0
    assert not is_daemon_running(state)
    assert windows_host.PENDING_HINT_MILLISECONDS in control.services["rae-auto"].hints


def test_failed_daemon_is_a_crash_to_windows_with_its_last_words(
    control: ServiceControlManager, config: Path, programs: Path
) -> None:
    path = install(define(config))
    config.write_text('state = "state"\n[jobs.broken]\n')
    windows_host.main(["start", str(path)])
    control.await_end("rae-auto")
    assert control.services["rae-auto"].exit_code == 2
    (error,) = control.errors
    assert error.startswith("the daemon ended with exit code 2: rae-auto: ")
    assert "jobs.broken" in error


def test_commands_install_run_and_remove_the_service(
    machine: Machine, control: ServiceControlManager, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(argv: Sequence[str]) -> bool:
        assert argv[3].startswith("import site; ")
        return windows_host.main(argv[4:]) == 0

    def run_command(argv: Sequence[str]) -> None:
        assert call(argv)

    choose = manager.platform_adapter
    monkeypatch.setattr(manager, "platform_adapter", lambda **facts: choose("win32", **facts))
    monkeypatch.setattr(manager, "run_command", run_command)
    monkeypatch.setattr("rae_auto.service.status.succeeds", call)
    machine.config.write_text(f'state = "{machine.state}"\n')
    code, out, err = machine.type("show", "--system")
    assert (code, err) == (0, "")
    assert f"# {programs / 'rae-auto.toml'}\n" in out
    assert 'account = "LocalSystem"' in out
    code, out, err = machine.type("install", "--system")
    assert (code, err) == (0, "")
    assert "enabled and started" in out
    eventually(lambda: is_daemon_running(machine.state))
    eventually(lambda: machine.type("status", "--system")[0] == 0)
    assert "enabled, running" in machine.type("status", "--system")[1]
    assert machine.type("restart", "--system")[0] == 0
    eventually(lambda: machine.type("status", "--system")[0] == 0)
    assert machine.type("stop", "--system")[0] == 0
    assert "not running" in machine.type("status", "--system")[1]
    assert machine.type("uninstall", "--system")[0] == 0
    assert control.services == {}
    assert list(programs.iterdir()) == []


def test_task_of_the_system_says_how_to_get_a_service(
    machine: Machine, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = manager.platform_adapter
    monkeypatch.setattr(manager, "platform_adapter", lambda **facts: choose("win32", **facts))
    monkeypatch.setattr(windows_service, "has_pywin32", lambda: False)
    monkeypatch.setattr(manager, "_environment", lambda *_: {})
    assert (
        f"for a real one run '{install_command('windows')}', which brings pywin32"
        in machine.type("show", "--system")[1]
    )
    assert "pywin32" not in machine.type("show")[1]
