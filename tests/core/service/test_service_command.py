"""The command service, for a user with a home of its own and stand-ins for the commands of systemd."""

import getpass
import json
import os
import re
import sys
from datetime import timedelta

import pytest
from tests.core.service.conftest import Machine
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.errors import SchedulerError
from rae_auto.offline.doctor.daemon import check_services
from rae_auto.service.manager import NO_BUS_HINT, platform_adapter, run_command
from rae_auto.service.other_user import UserView
from rae_auto.service.status import find_services

UNIT = "rae-auto.service"
ENABLING = [["systemctl", "--user", "daemon-reload"], ["systemctl", "--user", "enable", UNIT]]
STARTING = [["systemctl", "--user", "reset-failed", UNIT], ["systemctl", "--user", "start", UNIT]]
STOPPING = [["systemctl", "--user", "stop", UNIT]]
DISABLING = [["systemctl", "--user", "disable", UNIT], ["systemctl", "--user", "daemon-reload"]]


def test_install_writes_enables_and_starts(machine: Machine) -> None:
    code, out, _ = machine.type("install")
    assert code == 0
    assert f"wrote {machine.unit}" in out
    assert "lingering is off" in out
    assert machine.calls() == [*ENABLING, *STARTING]
    text = machine.unit.read_text()
    assert f"run --config {machine.config}" in text
    assert f"RAE_STATE_DIR={machine.state}" in text
    assert "TimeoutStopSec=55" in text


def test_dry_run_and_show_touch_nothing(machine: Machine) -> None:
    shown = [machine.type("install", "--dry-run", "--linger"), machine.type("show")]
    for code, out, err in shown:
        assert (code, err) == (0, "")
        assert out.startswith(f"# rae-auto is installed in {sys.prefix} (")
        assert f"\n# {machine.unit}\n" in out
        assert "systemctl --user enable rae-auto.service" in out
    assert "loginctl enable-linger" in shown[0][1]
    assert not machine.unit.parent.exists()
    assert machine.calls() == []


def test_uninstall_undoes_all_that_install_did(machine: Machine) -> None:
    machine.type("install", "--linger")
    assert ["loginctl", "enable-linger"] in machine.calls()
    # What is on already is still ours when it is installed again.
    (machine.home / "linger").mkdir()
    (machine.home / "linger" / getpass.getuser()).touch()
    machine.type("install")
    before = len(machine.calls())
    code, out, _ = machine.type("uninstall")
    assert code == 0
    assert f"removed {machine.unit}" in out
    assert machine.calls()[before:] == [*STOPPING, *DISABLING, ["loginctl", "disable-linger"]]
    assert list(machine.unit.parent.iterdir()) == []
    assert machine.config.exists()


def test_files_of_others_are_left_alone(machine: Machine) -> None:
    machine.unit.parent.mkdir(parents=True)
    machine.unit.write_text("[Service]\nExecStart=/bin/true\n")
    for arguments in (["install"], ["uninstall"], ["start"], ["stop"], ["restart"], ["logs"]):
        code, _, err = machine.type(*arguments)
        assert code == 1, arguments
        assert f"{machine.unit}" in err
    assert machine.unit.read_text() == "[Service]\nExecStart=/bin/true\n"
    assert machine.calls() == []


def test_install_that_fails_leaves_everything_as_it_was(machine: Machine) -> None:
    machine.refuse("enable")
    code, _, err = machine.type("install")
    assert code == 1
    assert err == (
        "rae-auto: 'systemctl --user enable rae-auto.service' failed: Failed to connect to bus: No medium found; "
        f"{NO_BUS_HINT}\n"
    )
    assert list(machine.unit.parent.iterdir()) == []


def test_install_without_systemd_says_what_starts_the_daemon(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rae_auto.service.systemd.BOOTED_DIRECTORY", machine.home / "no-systemd")
    machine.refuse("daemon-reload")
    code, _, err = machine.type("install")
    assert code == 1
    with pytest.raises(SchedulerError) as of_system:
        run_command(("systemctl", "daemon-reload"))
    assert str(of_system.value).split("; ")[1:] == err.rstrip().split("; ")[1:]
    assert "; systemd has not started this machine, so it runs no services; start the daemon with a line" in err
    assert re.search(r"'@reboot /\S*rae-auto run --config FILE'", err)
    assert NO_BUS_HINT not in err
    platform = platform_adapter()
    (finding,) = check_services(platform, [])
    assert "'@reboot " in finding.observation
    assert "service install" not in finding.observation


def test_install_again_replaces_its_own_file(machine: Machine) -> None:
    machine.type("install")
    machine.config.write_text('shutdown_grace = "1m"\n')
    assert machine.type("install")[0] == 0
    assert "TimeoutStopSec=70" in machine.unit.read_text()


def test_install_refuses_a_configuration_with_errors(machine: Machine) -> None:
    machine.config.write_text("nonsense = 1\n")
    code, _, err = machine.type("install")
    assert code == 2
    assert "nonsense" in err
    assert not machine.unit.exists()


def test_services_of_other_names_live_side_by_side(machine: Machine) -> None:
    assert machine.type("install", "--name", "nightly", "--no-start")[0] == 0
    assert machine.unit.with_name("nightly.service").exists()
    code, _, err = machine.type("install", "--name", "../evil")
    assert code == 1
    assert "can't name a service" in err


@pytest.fixture
def system_machine(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose units of the system are in a home, and on which all users see what this one sees."""
    machine.unit = machine.home / "system" / UNIT
    monkeypatch.setattr("rae_auto.service.systemd.unit_directory", lambda is_system: machine.home / "system")
    view = UserView(
        state=machine.state, is_configured=False, search_path="/usr/bin:/bin", shutdown_grace=timedelta(seconds=45)
    )
    monkeypatch.setattr("rae_auto.service.manager.look_as", lambda user, config: view)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return machine


def test_service_of_another_user_is_installed_with_its_own_view(system_machine: Machine) -> None:
    code, out, _ = system_machine.type("install", "--system", "--user", "nobody")
    assert (code, "enabled and started" in out) == (0, True)
    assert system_machine.calls() == [["systemctl", *words[2:]] for words in (*ENABLING, *STARTING)]
    text = system_machine.unit.read_text()
    assert {"User=nobody", "Environment=PATH=/usr/bin:/bin", "TimeoutStopSec=55"} <= set(text.splitlines())
    assert f"Environment=RAE_STATE_DIR={system_machine.state}" in text


def test_restart_by_root_interrupts_no_job_of_another_user(system_machine: Machine, daemons: Daemons) -> None:
    daemons.serve()
    system_machine.type("install", "--system", "--user", "nobody")
    daemons.ask("trigger", job="long")
    eventually(lambda: (system_machine.home / "pid").exists())
    assert json.loads(system_machine.type("status", "--system", "--json")[1])["daemon"] is not None
    code, out, _ = system_machine.type("restart", "--system")
    assert (code, 'still running, for the next daemon to take over: "long"' in out) == (0, True)
    assert daemons.started[0].wait(10) == 0
    (system_machine.home / "finish").touch()
    assert eventually(lambda: (system_machine.home / "end").exists())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_service_of_the_system_says_that_it_needs_root(system_machine: Machine) -> None:
    system_machine.unit.parent.mkdir(mode=0o500)
    code, _, err = system_machine.type("install", "--system", "--user", "nobody")
    assert code == 1
    assert err == (f"rae-auto: {system_machine.unit} can't be written; a service of the system is for root to write\n")


def test_a_user_needs_a_service_of_the_system(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only root can look as another user; others are shown what is known without that.
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, _, err = machine.type("show", "--user", "nobody")
    assert code == 1
    assert "--system" in err
    shown = machine.type("show", "--user", "nobody", "--system")[1]
    assert "User=nobody" in shown
    assert "WantedBy=multi-user.target" in shown
    assert "RAE_STATE_DIR" not in shown
    assert "systemctl enable" in shown
    code, _, err = machine.type("show", "--user", "no-such-user", "--system")
    assert (code, err) == (1, 'rae-auto: --user: this machine has no user "no-such-user"\n')


def test_configured_state_is_not_repeated_in_the_unit(machine: Machine) -> None:
    machine.config.write_text('state = "state"\n')
    assert "RAE_STATE_DIR" not in machine.type("show")[1]


def test_status_says_what_the_platform_says(machine: Machine) -> None:
    assert machine.type("status")[:2] == (1, "not installed; 'rae-auto service install' installs it\n")
    machine.type("install")
    code, out, _ = machine.type("status", "--json")
    status = json.loads(out)
    assert code == 1
    assert status["daemon"] is None
    assert (status["installed"], status["enabled"], status["running"], status["lingering"]) == (True, True, True, False)
    machine.refuse("show")
    assert "systemd can't be asked" in machine.type("status")[1]


def test_logs_come_from_the_journal(machine: Machine) -> None:
    machine.type("install")
    assert machine.type("logs", "--follow")[0] == 0
    assert machine.calls()[-1] == ["journalctl", "--user", "--unit", UNIT, "-f"]


def test_install_beside_a_running_daemon_starts_nothing(machine: Machine, daemons: Daemons) -> None:
    daemons.serve()
    assert "'rae-auto service restart'" in machine.type("install")[1]
    assert machine.calls() == ENABLING
    assert daemons.started[0].poll() is None


def test_restart_interrupts_no_job(machine: Machine, daemons: Daemons) -> None:
    daemons.serve()
    machine.type("install")
    daemons.ask("trigger", job="long")
    eventually(lambda: (machine.home / "pid").exists())
    code, out, _ = machine.type("restart")
    assert code == 0
    assert 'still running, for the next daemon to take over: "long"' in out
    assert daemons.started[0].wait(60) == 0
    assert machine.calls()[-3:] == [*STOPPING, *STARTING]
    (machine.home / "finish").touch()
    daemons.serve()
    eventually(lambda: daemons.ask("history", limit=1)[0]["state"] == "succeeded")
    assert (machine.home / "end").exists()


def test_stop_waits_for_the_daemon(machine: Machine, daemons: Daemons) -> None:
    daemons.serve()
    machine.type("install")
    assert machine.type("stop")[:2] == (0, "stopped\n")
    assert daemons.started[0].wait(60) == 0
    assert machine.calls()[-1:] == STOPPING


def test_doctor_says_what_services_really_do(machine: Machine) -> None:
    def services() -> list[tuple[str, str | None]]:
        platform = platform_adapter()
        found = check_services(platform, list(find_services(platform)))
        return [(finding.observation, finding.hint) for finding in found]

    assert services()[0][0].startswith("none is installed")
    machine.type("install")
    (text, hint), *_ = services()
    assert text.startswith(f"{machine.unit}: enabled, running, for {machine.config}; lingering is off")
    assert hint is None
    (machine.home / "enabled").unlink()
    assert services()[0][1] == "enable it with 'rae-auto service install --name rae-auto'"
