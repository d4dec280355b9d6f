"""The files and commands of each platform: verified by the platform's own tools or formats where these are here."""

import os
import plistlib
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from attrs import evolve

from rae_auto.errors import SchedulerError
from rae_auto.service import launchd, systemd, task_scheduler
from rae_auto.service.definition import Origin, ServiceDefinition, read_origin
from rae_auto.service.manager import platform_adapter

PLATFORMS = [systemd, launchd, task_scheduler]
NASTY = "/home/ann/100% \"odd\" $HOME -- 'name'\\/rae.toml"


def service(config: str = "/home/ann/rae.toml", **changes: object) -> ServiceDefinition:
    made = ServiceDefinition(
        name="rae-auto",
        command=("/bin/true",),
        origin=Origin(Path(config), Path("/home/ann/state")),
        environment={"PATH": "/usr/bin:/home/ann/my bin", "RAE_STATE_DIR": "/home/ann/state"},
        stop_seconds=40,
    )
    return evolve(made, **changes)  # type: ignore[arg-type]


def verified(text: str, tmp_path: Path, *scope: str) -> "subprocess.CompletedProcess[str]":
    """Return the verdict of systemd-analyze on a unit; it needs a private runtime directory."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze isn't installed here")
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    unit = tmp_path / "rae-auto.service"
    unit.write_text(text)
    return subprocess.run(
        ["systemd-analyze", "verify", *scope, "--man=no", "--recursive-errors=no", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        timeout=50,
    )


@pytest.mark.parametrize("config", ["/home/ann/rae.toml", NASTY])
def test_systemd_finds_nothing_wrong_with_the_unit(config: str, tmp_path: Path) -> None:
    text = systemd.unit_text(service(config), systemd.systemd_version())
    done = verified(text, tmp_path, "--user")
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_would_have_found_a_wrong_key(tmp_path: Path) -> None:
    text = systemd.unit_text(service(), systemd.systemd_version()).replace("KillMode", "KilMode")
    assert "KilMode" in verified(text, tmp_path, "--user").stderr


def test_unit_of_the_system_names_its_user(tmp_path: Path) -> None:
    text = systemd.unit_text(service(is_system=True, user="daemon"), systemd.systemd_version())
    assert "\nUser=daemon\n" in text
    assert "WantedBy=multi-user.target" in text
    done = verified(text, tmp_path, "--system")
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_lets_jobs_outlive_the_daemon() -> None:
    text = systemd.unit_text(service(), 254)
    assert "KillMode=process\nDelegate=yes\nDelegateSubgroup=rae-auto\n" in text
    older = systemd.unit_text(service(), 252)
    assert "DelegateSubgroup" not in older
    assert "ExecStopPost=-/bin/sh" in older


def test_unit_expands_nothing_of_a_path() -> None:
    text = systemd.unit_text(service("/100%/$HOME/a b/rae.toml"), 254)
    assert 'ExecStart=/bin/true run --config "/100%%/$$HOME/a b/rae.toml"' in text
    with pytest.raises(SchedulerError, match="control characters"):
        systemd.unit_text(service("/a\nExecStart=/bin/evil/rae.toml"), 254)


def test_property_list_is_read_back_as_it_was_meant() -> None:
    (file,) = launchd.unit_files(service(NASTY))
    content = plistlib.loads(file.text.encode())
    assert content["ProgramArguments"] == ["/bin/true", "run", "--config", NASTY]
    assert content["KeepAlive"] == {"SuccessfulExit": False}
    assert content["RunAtLoad"] is True
    assert content["ThrottleInterval"] == 10
    assert content["ExitTimeOut"] == 40
    assert content["EnvironmentVariables"]["PATH"] == "/usr/bin:/home/ann/my bin"
    assert "UserName" not in content
    (of_system,) = launchd.unit_files(service(is_system=True, user="ann"))
    assert plistlib.loads(of_system.text.encode())["UserName"] == "ann"
    assert of_system.path == Path("/Library/LaunchDaemons/rae-auto.plist")


TASK = """\
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Author>ann</Author>
    <Description>rae-auto run, for /home/ann/my files/rae.toml</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>ann</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>ann</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>false</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Hidden>false</Hidden>
    <Enabled>true</Enabled>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>5</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>/bin/true</Command>
      <Arguments>run --config "/home/ann/my files/rae.toml"</Arguments>
    </Exec>
  </Actions>
</Task>
"""


def test_task_is_as_the_task_scheduler_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERNAME", "ann")
    (file,) = task_scheduler.unit_files(service("/home/ann/my files/rae.toml", environment={}))
    declaration, mark, task = file.text.split("\n", 2)
    assert declaration == '<?xml version="1.0" encoding="UTF-16"?>'
    assert mark.startswith("<!-- Written by 'rae-auto service install'")
    assert task == TASK
    # The byte order mark, and an XML that a parser reads in this encoding.
    content = file.text.encode(file.encoding)
    assert content[:2] in (b"\xff\xfe", b"\xfe\xff")
    assert ET.fromstring(content).tag == f"{{{task_scheduler.NAMESPACE}}}Task"


def test_task_refuses_an_environment_of_its_own() -> None:
    with pytest.raises(SchedulerError, match="set the key state in the configuration"):
        task_scheduler.unit_files(service())


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("config", ["/home/ann/rae.toml", NASTY, "/a--b/c-->d/rae.toml"])
def test_files_say_of_which_configuration_they_are(platform: object, config: str) -> None:
    made = service(config, environment={}).with_linger()
    (file,) = platform.unit_files(made)  # type: ignore[attr-defined]
    assert read_origin(file.text) == made.origin
    assert read_origin(file.text.replace("Written by", "Written for")) is None


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("is_system", [False, True])
def test_commands_name_the_service_or_its_file(platform: object, is_system: bool) -> None:
    commands = platform.commands("nightly", is_system)  # type: ignore[attr-defined]
    for argv in (commands.install[-1], commands.uninstall[0], commands.start[-1], commands.is_enabled):
        assert "nightly" in " ".join(argv)


def test_each_platform_has_its_adapter() -> None:
    assert platform_adapter("linux") is systemd
    assert platform_adapter("darwin") is launchd
    assert platform_adapter("win32") is task_scheduler
