"""Installation of plugins into the environment of rae-auto, by the tool that made it."""

import shutil
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from attrs import frozen


class Installer(StrEnum):
    """Tools that make environments."""

    VENV = "venv"
    PIPX = "pipx"
    UV_TOOL = "uv tool"
    SYSTEM = "system"


@frozen
class InstallCommand:
    """A command that installs or uninstalls; `problem` says why it can only be printed, "" if it can be run."""

    installer: Installer
    argv: tuple[str, ...]
    problem: str = ""


def find_installer(prefix: Path, base_prefix: Path, is_marked_external: bool) -> Installer:
    """Return the tool that made an environment, by its folder, such as `pipx/venvs/rae-auto`."""
    parts = [part.lower() for part in prefix.parts]
    if (prefix / "pipx_metadata.json").is_file() or parts[-3:-1] == ["pipx", "venvs"]:
        return Installer.PIPX
    if (prefix / "uv-receipt.toml").is_file() or parts[-3:-1] == ["uv", "tools"]:
        return Installer.UV_TOOL
    if prefix != base_prefix or not is_marked_external:
        return Installer.VENV
    return Installer.SYSTEM


def plan_change(
    installer: Installer,
    name: str,
    *,
    install: bool,
    others: Sequence[str] = (),
    find_program: Callable[[str], str | None] = shutil.which,
    has_pip: bool = True,
) -> InstallCommand:
    """Return the command that installs or uninstalls a plugin. `others` are the plugins that are there already."""
    argv: tuple[str, ...]
    match installer:
        case Installer.PIPX:
            argv = ("pipx", "inject" if install else "uninject", "rae-auto", name)
        case Installer.UV_TOOL:
            # uv makes the environment again, so the call names all plugins.
            kept = [*others, name] if install else [other for other in others if other != name]
            argv = ("uv", "tool", "install", "rae-auto", *(word for one in kept for word in ("--with", one)))
        case _ if has_pip:
            argv = (sys.executable, "-m", "pip", *(("install",) if install else ("uninstall", "--yes")), name)
        case _:
            argv = ("uv", "pip", "install" if install else "uninstall", "--python", sys.executable, name)
    problem = "" if Path(argv[0]).is_absolute() or find_program(argv[0]) else f"{argv[0]} is not on the PATH"
    if installer is Installer.SYSTEM:
        problem = "this Python belongs to the system; install rae-auto into a venv, by pipx or by uv, and plugins there"
    return InstallCommand(installer, argv, problem)


def plan_here(name: str, *, install: bool, others: Sequence[str]) -> InstallCommand:
    """Return the command for the environment in which this program runs."""
    import sysconfig
    from importlib.util import find_spec

    is_external = (Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED").exists()
    installer = find_installer(Path(sys.prefix), Path(sys.base_prefix), is_external)
    return plan_change(installer, name, install=install, others=others, has_pip=find_spec("pip") is not None)
