"""Installation of plugins: the tool that made the environment, and its command."""

import sys
from pathlib import Path

import pytest

from rae_auto.offline.authoring.installing import Installer, find_installer, plan_change

PIP = (sys.executable, "-m", "pip")


@pytest.mark.parametrize(
    ("prefix", "base", "is_external", "installer"),
    [
        ("/home/u/.local/share/pipx/venvs/rae-auto", "/usr", True, Installer.PIPX),
        ("/home/u/.local/share/uv/tools/rae-auto", "/usr", True, Installer.UV_TOOL),
        ("/home/u/project/.venv", "/usr", True, Installer.VENV),
        ("/usr", "/usr", True, Installer.SYSTEM),
        ("/opt/python", "/opt/python", False, Installer.VENV),
    ],
)
def test_installer_is_found_by_the_folder(prefix, base, is_external, installer):
    assert find_installer(Path(prefix), Path(base), is_external) is installer


@pytest.mark.parametrize(
    ("installer", "install", "argv"),
    [
        (Installer.VENV, True, (*PIP, "install", "rae-x")),
        (Installer.VENV, False, (*PIP, "uninstall", "--yes", "rae-x")),
        (Installer.PIPX, True, ("pipx", "inject", "rae-auto", "rae-x")),
        (Installer.PIPX, False, ("pipx", "uninject", "rae-auto", "rae-x")),
        (Installer.UV_TOOL, True, ("uv", "tool", "install", "rae-auto", "--with", "rae-y", "--with", "rae-x")),
        (Installer.UV_TOOL, False, ("uv", "tool", "install", "rae-auto", "--with", "rae-y")),
    ],
)
def test_command_is_that_of_the_installer(installer, install, argv):
    others = ["rae-y"] if install else ["rae-x", "rae-y"]
    command = plan_change(installer, "rae-x", install=install, others=others, find_program=lambda _: "/bin/it")
    assert (command.argv, command.problem) == (argv, "")


def test_command_is_only_printed_where_it_can_not_be_run():
    command = plan_change(Installer.PIPX, "rae-x", install=True, find_program=lambda _: None)
    assert command.problem == "pipx is not on the PATH"
    assert "belongs to the system" in plan_change(Installer.SYSTEM, "rae-x", install=True).problem


def test_environment_without_pip_uses_uv():
    command = plan_change(Installer.VENV, "rae-x", install=True, has_pip=False, find_program=lambda _: "/bin/uv")
    assert command.argv == ("uv", "pip", "install", "--python", sys.executable, "rae-x")
