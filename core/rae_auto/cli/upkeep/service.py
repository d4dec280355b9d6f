"""The command service: the daemon as a service that the platform starts and keeps running."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rae_auto.cli import options
from rae_auto.cli.plain.configuration import config_path
from rae_auto.cli.usage import CommandGroup
from rae_auto.control.client import Client, is_daemon_running
from rae_auto.errors import DaemonUnreachable, SchedulerError
from rae_auto.model.primitives.escaping import escape_line, escape_text
from rae_auto.paths import state_directory, user_name
from rae_auto.views.tables import print_json

if TYPE_CHECKING:
    from rae_auto.service.definition import Origin, ServiceDefinition, ServicePlatform

F = TypeVar("F", bound=Callable[..., Any])

LINGER_TEXT = (
    "lingering is off: the service runs while you are logged in, and ends when you log out; "
    "'loginctl enable-linger' lets it start at boot and run without you, and so does --linger"
)


def _service(function: F) -> F:
    """Add the options that name a service."""
    name = click.option("--name", default="rae-auto", show_default=True, help="The name of the service.")
    system = click.option("--system", is_flag=True, help="A service of the system instead of your own; needs root.")
    return name(system(function))


def _user(function: F) -> F:
    return click.option("--user", metavar="NAME", help="Who runs a service of the system; by default root.")(function)


@click.group("service", cls=CommandGroup)
def service_command() -> None:
    """Run the daemon as a service: started when you log in or at boot, and again after a crash.

    Example: rae-auto service install
    """


@service_command.command("install")
@_service
@_user
@click.option("--linger", is_flag=True, help="Let your services run without a session, from boot on (systemd).")
@click.option("--no-start", is_flag=True, help="Start it at the next login or boot only.")
@click.option("--dry-run", is_flag=True, help="Show what would be written and typed, and do nothing.")
@options.config
def install_command(
    name: str, system: bool, user: str | None, linger: bool, no_start: bool, dry_run: bool, config: str | None
) -> None:
    """Write the file of the service, enable it and start it.

    Run it again to change it. It never overwrites a file that it did not write.

    Example: rae-auto service install --dry-run
    """
    from rae_auto.service import manager, systemd  # lazy: start-up

    platform = manager.platform_adapter(is_system=system, name=name, user=user)
    service = manager.plan_service(config_path(config), name, is_system=system, user=user)
    needs_linger = platform.TITLE == systemd.TITLE and not system and not _is_lingering()
    before = manager.installed_origin(platform.unit_path(name, system))
    if (linger and needs_linger) or (before is not None and before.has_linger):
        service = service.with_linger()
    if dry_run:
        _show(platform, service)
        return
    for file in manager.install(platform, service):
        click.echo(f"wrote {file.path}")
    _mention_pywin32(platform, is_system=system, user=user)
    if linger and needs_linger:
        manager.enable_linger()
        click.echo("turned lingering on")
    elif needs_linger:
        click.echo(LINGER_TEXT)
    if no_start:
        click.echo("enabled; it starts at the next login or boot")
    elif service.origin.state is not None and is_daemon_running(service.origin.state):
        click.echo(
            "enabled; a daemon is running already, and 'rae-auto service restart' puts the service in its place "
            "without interrupting a job"
        )
    else:
        manager.start(platform, name, system)
        click.echo("enabled and started; 'rae-auto status' shows what it does")


@service_command.command("show")
@_service
@_user
@options.config
def show_command(name: str, system: bool, user: str | None, config: str | None) -> None:
    """Show the file that 'install' would write, and the commands that it would run.

    Example: rae-auto service show
    """
    from rae_auto.service import manager  # lazy: start-up

    service = manager.plan_service(config_path(config), name, is_system=system, user=user)
    _show(manager.platform_adapter(is_system=system, name=name, user=user), service)


def _show(platform: "ServicePlatform", service: "ServiceDefinition") -> None:
    import shlex  # lazy: start-up

    from rae_auto.service.installation import find_installation  # lazy: start-up
    from rae_auto.service.manager import check_files  # lazy: start-up

    files = platform.unit_files(service)
    click.echo(f"# rae-auto is installed in {sys.prefix} ({find_installation().describe()})")
    for file in files:
        click.echo(f"# {file.path}")
        click.echo(escape_text(file.text.rstrip("\n")))
    _mention_pywin32(platform, is_system=service.is_system, user=service.user)
    click.echo("\n# then:")
    commands = platform.commands(service.name, service.is_system)
    linger = (("loginctl", "enable-linger"),) if service.origin.has_linger and not _is_lingering() else ()
    for argv in (*commands.install, *linger, commands.start[-1]):
        click.echo(escape_line(shlex.join(argv)))
    check_files(files)


@service_command.command("uninstall")
@_service
def uninstall_command(name: str, system: bool) -> None:
    """Stop the service and undo what 'install' did. Configuration, history and output stay.

    Example: rae-auto service uninstall
    """
    from rae_auto.service import manager  # lazy: start-up

    platform = manager.platform_adapter(is_system=system, name=name)
    origin = manager.require_installed(platform, name, system)
    _stop_daemon(origin, leave_running=False)
    manager.stop(platform, name, system)
    click.echo(f"removed {manager.uninstall(platform, name, system)}")
    if origin.has_linger:
        manager.disable_linger()
        click.echo("turned lingering off again")


@service_command.command("start")
@_service
def start_command(name: str, system: bool) -> None:
    """Start the service.

    Example: rae-auto service start
    """
    from rae_auto.service import manager  # lazy: start-up

    manager.start(manager.platform_adapter(is_system=system, name=name), name, system)
    click.echo("started")


@service_command.command("stop")
@_service
def stop_command(name: str, system: bool) -> None:
    """Stop the service until the next login or boot. Running jobs get the time shutdown_grace to end.

    Example: rae-auto service stop
    """
    from rae_auto.service import manager  # lazy: start-up

    platform = manager.platform_adapter(is_system=system, name=name)
    text = _stop_daemon(manager.require_installed(platform, name, system), leave_running=False)
    manager.stop(platform, name, system)
    click.echo(text)


@service_command.command("restart")
@_service
def restart_command(name: str, system: bool) -> None:
    """Restart the service, after an upgrade for instance. Running commands go on, and the new daemon takes them over.

    Example: rae-auto service restart
    """
    from rae_auto.service import manager  # lazy: start-up

    platform = manager.platform_adapter(is_system=system, name=name)
    text = _stop_daemon(manager.require_installed(platform, name, system), leave_running=True)
    manager.stop(platform, name, system)
    manager.start(platform, name, system)
    click.echo(f"{text}; started")


@service_command.command("status")
@_service
@options.as_json
def status_command(name: str, system: bool, json_: bool) -> int:
    """Show whether the service is installed, enabled and running. The exit code is 1 if it does not run.

    Example: rae-auto service status
    """
    from rae_auto.service import manager  # lazy: start-up
    from rae_auto.service.definition import check_name  # lazy: start-up
    from rae_auto.service.status import read_status  # lazy: start-up

    platform = manager.platform_adapter(is_system=system, name=name)
    status = read_status(platform, check_name(name), system)
    daemon = None if status.origin is None else _ping(status.origin)
    if json_:
        record = {
            "name": name,
            "manager": platform.TITLE,
            "file": str(status.path),
            "installed": status.origin is not None,
            "enabled": status.is_enabled,
            "running": status.is_active,
            "lingering": status.has_linger,
            "config": None if status.origin is None else str(status.origin.config),
            "daemon": daemon,
        }
        print_json(record)
    elif status.origin is None and not status.path.exists():
        click.echo("not installed; 'rae-auto service install' installs it")
    else:
        click.echo(escape_line(status.describe(platform.TITLE)))
        click.echo(f"daemon: version {daemon['version']}, pid {daemon['pid']}" if daemon else "daemon: none answers")
    return 0 if daemon is not None and status.is_active is not False else 1


@service_command.command("logs")
@_service
@click.option("--follow", "-f", is_flag=True, help="Continue with what is logged from now on.")
def logs_command(name: str, system: bool, follow: bool) -> int:
    """Show what the platform kept of the service's output: starts, crashes, errors of the configuration.

    'rae-auto logs' shows the log of the daemon itself. The exit code is that of the platform's program.

    Example: rae-auto service logs --follow
    """
    from rae_auto.service import manager  # lazy: start-up

    platform = manager.platform_adapter(is_system=system, name=name)
    manager.require_installed(platform, name, system)
    argv = platform.commands(name, system).logs
    if not argv:
        raise SchedulerError(f"{platform.TITLE} keeps no output of services; use 'rae-auto logs'")
    try:
        return subprocess.call([*argv, "-f"] if follow else argv)
    except FileNotFoundError:
        raise SchedulerError(f"'{argv[0]}' was not found; use 'rae-auto logs'") from None


def _mention_pywin32(platform: "ServicePlatform", *, is_system: bool, user: str | None) -> None:
    from rae_auto.service import task_scheduler, windows_service  # lazy: start-up

    if platform.TITLE == task_scheduler.TITLE and is_system and windows_service.is_account(user):
        click.echo(windows_service.describe_stand_in())


def _is_lingering() -> bool:
    from rae_auto.service.systemd import has_lingering, is_lingering  # lazy: start-up

    return not has_lingering() or ((name := user_name()) is not None and is_lingering(name))


def _directory(origin: "Origin") -> Path:
    return origin.state or state_directory(origin.config)


def _ping(origin: "Origin") -> "dict[str, Any] | None":
    try:
        with Client(_directory(origin)) as client:
            answer: dict[str, Any] = client.call("ping")
            return answer
    except SchedulerError:
        return None


def _stop_daemon(origin: "Origin", *, leave_running: bool) -> str:
    """Stop the daemon of a service if one answers, and return a line on how its jobs ended."""
    from rae_auto.cli.stopping import wait_for_stop  # lazy: start-up

    directory = _directory(origin)
    try:
        client = Client(directory)
    except DaemonUnreachable:
        return "stopped; no daemon was running"
    with client:
        answer = client.call("stop", now=False, leave_running=leave_running)
        return wait_for_stop(client, answer, lambda: Client(directory))
