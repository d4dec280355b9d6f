"""Installing a service, removing it, and starting and stopping it with the platform's own commands."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rae_auto.config import load
from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.formatting import quote
from rae_auto.paths import configured_state_directory, state_directory, user_name
from rae_auto.registry import Registry
from rae_auto.service import systemd, task_scheduler, windows_service
from rae_auto.service.definition import (
    DEFAULT_NAME,
    Argv,
    Origin,
    ServiceDefinition,
    ServicePlatform,
    UnitFile,
    check_name,
    read_origin,
)
from rae_auto.service.installation import find_installation
from rae_auto.service.other_user import UserView, look_as

if TYPE_CHECKING:
    from subprocess import CompletedProcess

COMMAND_SECONDS = 60.0
"""Time that a command of the platform may take; a start waits until the daemon is ready."""

NO_SYSTEMD_HINT = (
    "systemd has not started this machine, so it runs no services; start the daemon with a line of the crontab, "
    "'@reboot {} run --config FILE', or as the command of the container"
)

NO_BUS_HINT = (
    "systemd doesn't run for this user here; log in as the user instead of 'su' or 'sudo', or install a service of the "
    "system with --system"
)

STOP_MARGIN_SECONDS = 10
"""Time that a stop may take beyond `shutdown_grace`."""

_MODULES = {"darwin": "launchd", "win32": "task_scheduler"}


def platform_adapter(
    platform: str = sys.platform, *, is_system: bool = False, name: str = DEFAULT_NAME, user: str | None = None
) -> ServicePlatform:
    """Return the adapter of a platform, for a service of the system or one's own.

    On Windows a service of the system is a real one where pywin32 is, unless its `user` would need a password, or a
    task has been installed under this `name`.
    """
    module = _MODULES.get(platform, "systemd")
    if module == "task_scheduler" and is_system:
        is_task = installed_origin(task_scheduler.unit_path(name, is_system)) is not None
        if windows_service.has_pywin32() and windows_service.is_account(user) and not is_task:
            module = "windows_service"
    return cast("ServicePlatform", import_module(f"rae_auto.service.{module}"))


def plan_service(config: Path, name: str, *, is_system: bool, user: str | None) -> ServiceDefinition:
    """Return the service for a configuration. Errors: ConfigError, SchedulerError."""
    check_name(name)
    if user is not None and not is_system:
        raise SchedulerError("--user names who runs a service of the system; use it together with --system")
    _check_user(user)
    config = Path(os.path.abspath(config))  # noqa: PTH100 - links are kept: they may be how the file is swapped
    view = look_as(user, config) if user is not None and _is_another(user) and _can_look() else _look(config, user)
    return ServiceDefinition(
        name=name,
        command=find_installation().command,
        origin=Origin(config, view.state),
        environment=_environment(view),
        stop_seconds=int(view.shutdown_grace.total_seconds()) + STOP_MARGIN_SECONDS,
        is_system=is_system,
        user=user,
    )


def _check_user(user: str | None) -> None:
    if user is None or sys.platform == "win32":
        return
    import pwd

    try:
        pwd.getpwnam(user)
    except KeyError:
        raise SchedulerError(f"--user: this machine has no user {quote(user[:64])}") from None


def _is_another(user: str) -> bool:
    return user != user_name()


def _can_look() -> bool:
    """Return whether this process can look with the rights of another user, as root can."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _look(config: Path, user: str | None) -> UserView:
    """Return how this user sees a configuration. Errors: ConfigError."""
    loaded = load(config, Registry())
    is_known = user is None or not _is_another(user) or os.environ.get("RAE_STATE_DIR")
    return UserView(
        state=state_directory(config) if is_known else None,
        is_configured=not os.environ.get("RAE_STATE_DIR") and configured_state_directory(config) is not None,
        search_path=os.environ.get("PATH", os.defpath),
        shutdown_grace=loaded.shutdown_grace,
    )


def _environment(view: UserView) -> dict[str, str]:
    """Return the environment for the service, because service managers pass on nothing of a shell's.

    The PATH, so that jobs find the programs that they find here; and the state directory, which may depend on variables
    too, unless the configuration names it, because later commands must find the same one.
    """
    if sys.platform == "win32":
        # A task has the environment of its session.
        return {name: os.environ[name] for name in ("RAE_STATE_DIR",) if os.environ.get(name)}
    environment = {"PATH": view.search_path}
    if view.state is not None and not view.is_configured:
        environment["RAE_STATE_DIR"] = str(view.state)
    return environment


def installed_origin(path: Path) -> Origin | None:
    """Return the origin in the mark of an installed file; None if there is none, or it isn't ours."""
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
        return read_origin(content.decode(encoding, errors="replace"))
    return None


def require_installed(platform: ServicePlatform, name: str, is_system: bool) -> Origin:
    """Return the origin of an installed service. Errors: SchedulerError if it isn't installed, or isn't ours."""
    path = platform.unit_path(check_name(name), is_system)
    if (origin := installed_origin(path)) is not None:
        return origin
    if path.exists():
        raise SchedulerError(f"{path} wasn't written by 'rae-auto service install', so it is left alone")
    system = " --system" if is_system else ""
    raise SchedulerError(f"no service is installed as {path}; 'rae-auto service install{system}' installs one")


def check_files(files: Sequence[UnitFile]) -> None:
    """Check that no file of another program would be overwritten. Errors: SchedulerError."""
    for file in files:
        if os.path.lexists(file.path) and installed_origin(file.path) is None:
            raise SchedulerError(
                f"{file.path} exists and wasn't written by 'rae-auto service install'; "
                "move it away, or choose another name with --name"
            )


def install(platform: ServicePlatform, service: ServiceDefinition) -> tuple[UnitFile, ...]:
    """Write the files of a service and enable it; return the files. If that fails, everything is as it was before.

    Errors: SchedulerError, OSError.
    """
    files = platform.unit_files(service)
    check_files(files)
    before = {file.path: file.path.read_bytes() if file.path.exists() else None for file in files}
    try:
        for file in files:
            _write(file.path, file.text.encode(file.encoding), needs_root=service.is_system)
        for argv in platform.commands(service.name, service.is_system).install:
            run_command(argv)
    except BaseException:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                _write(path, content, needs_root=service.is_system)
        raise
    return files


def uninstall(platform: ServicePlatform, name: str, is_system: bool) -> Path:
    """Disable a service and remove its file, which it returns. Errors: SchedulerError if it isn't ours."""
    require_installed(platform, name, is_system)
    path = platform.unit_path(name, is_system)
    disable, *others = platform.commands(name, is_system).uninstall
    _try_command(disable)
    path.unlink()
    for argv in others:
        _try_command(argv)
    return path


def start(platform: ServicePlatform, name: str, is_system: bool) -> None:
    """Start a service. Errors: SchedulerError with what the platform says."""
    require_installed(platform, name, is_system)
    *preparing, starting = platform.commands(name, is_system).start
    for argv in preparing:
        _try_command(argv)
    run_command(starting)


def stop(platform: ServicePlatform, name: str, is_system: bool) -> None:
    """Have the platform stop a service, so that it starts it no more. Its daemon may have ended before."""
    for argv in platform.commands(name, is_system).stop:
        _try_command(argv)


def run_command(argv: Argv) -> None:
    """Run a command of the platform. Errors: SchedulerError with the last line that it printed."""
    done = _run(argv)
    if done is None:
        raise SchedulerError(f"'{argv[0]}' was not found, so this machine has no such services; use 'rae-auto run'")
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise SchedulerError(f"'{shlex.join(argv)}' failed: {lines[-1]}{_bus_hint(argv, lines[-1])}")


def describe_missing_manager(platform: ServicePlatform) -> str | None:
    """Return why no service would be started here, and what starts the daemon instead; None if there is a manager."""
    if platform.TITLE != systemd.TITLE or systemd.is_booted():
        return None
    try:
        command = shlex.join(find_installation().command)
    except SchedulerError:
        command = "rae-auto"
    return NO_SYSTEMD_HINT.format(command)


def _bus_hint(argv: Argv, line: str) -> str:
    """Return what to do where systemctl finds no manager to talk to, as a clause; "" if that isn't the cause."""
    if argv[0] != "systemctl" or not re.search("connect to bus|booted with systemd", line):
        return ""
    hint = describe_missing_manager(cast("ServicePlatform", systemd))
    return f"; {hint or NO_BUS_HINT}" if hint or "--user" in argv else ""


def succeeds(argv: Argv) -> bool | None:
    """Return whether a command of the platform succeeds; None if that can't be found out."""
    done = _run(argv) if argv else None
    return None if done is None else done.returncode == 0


def enable_linger() -> None:
    """Let the services of this user run without a session. Errors: SchedulerError."""
    run_command(("loginctl", "enable-linger"))


def disable_linger() -> None:
    """Undo `enable_linger`, as far as that is possible."""
    _try_command(("loginctl", "disable-linger"))


def _try_command(argv: Argv) -> None:
    """Run a command that may have nothing to do."""
    with contextlib.suppress(SchedulerError):
        run_command(argv)


def _run(argv: Argv) -> "CompletedProcess[str] | None":
    if shutil.which(argv[0]) is None:
        return None
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise SchedulerError(f"{quote(shlex.join(argv))} has not ended after {COMMAND_SECONDS:g} s") from None


def _write(path: Path, content: bytes, *, needs_root: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes(content)
    except PermissionError:
        if not needs_root:
            raise
        raise SchedulerError(f"{path} can't be written; a service of the system is for root to write") from None
    temporary.chmod(0o644)
    temporary.replace(path)
