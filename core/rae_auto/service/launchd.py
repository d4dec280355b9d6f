"""Services of launchd on macOS: an agent that runs while its user is logged in, or a daemon of the system."""

import plistlib
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from rae_auto.platforms.user_ids import own_user_id
from rae_auto.service.definition import ServiceCommands, ServiceDefinition, UnitFile

TITLE = "launchd"

THROTTLE_SECONDS = 10


def unit_directory(is_system: bool) -> Path:
    return Path("/Library/LaunchDaemons") if is_system else Path("~/Library/LaunchAgents").expanduser()


def unit_path(name: str, is_system: bool) -> Path:
    return unit_directory(is_system) / f"{name}.plist"


def log_path(name: str, is_system: bool) -> Path:
    """Return the file to which launchd writes what the daemon prints, such as errors of its configuration."""
    return (Path("/Library/Logs") if is_system else Path("~/Library/Logs").expanduser()) / f"{name}.log"


def unit_files(service: ServiceDefinition) -> tuple[UnitFile, ...]:
    log = str(log_path(service.name, service.is_system))
    content: dict[str, Any] = {
        "Label": service.name,
        "ProgramArguments": [*service.command, "run", "--config", str(service.origin.config)],
        "EnvironmentVariables": dict(service.environment),
        "RunAtLoad": True,
        # After a crash, but not after 'rae-auto stop'.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": THROTTLE_SECONDS,
        "ExitTimeOut": service.stop_seconds,
        # Jobs outlive a restart and a crash of the daemon, which ends them itself when it is stopped.
        "AbandonProcessGroup": True,
        # A "Background" process, and so its jobs, would be slowed down.
        "ProcessType": "Standard",
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    if service.user:
        content["UserName"] = service.user
    header, end, body = plistlib.dumps(content, sort_keys=False).decode().partition("<plist")
    text = f"{header}<!-- {service.origin.mark()} -->\n{end}{body}"
    return (UnitFile(unit_path(service.name, service.is_system), text),)


def read_program(text: str) -> str | None:
    try:
        words = plistlib.loads(text.encode()).get("ProgramArguments") or [None]
    except (plistlib.InvalidFileException, ExpatError, ValueError, AttributeError):
        return None
    return words[0] if isinstance(words[0], str) else None


def commands(name: str, is_system: bool) -> ServiceCommands:
    domain = "system" if is_system else f"gui/{own_user_id()}"
    target, path = f"{domain}/{name}", str(unit_path(name, is_system))
    return ServiceCommands(
        install=(("launchctl", "enable", target),),
        uninstall=(("launchctl", "bootout", target),),
        # A label that is loaded already can't be loaded again, and one that is not can't be started.
        start=(("launchctl", "bootout", target), ("launchctl", "bootstrap", domain, path)),
        stop=(("launchctl", "bootout", target),),
        is_enabled=("launchctl", "print", target),
        is_active=("launchctl", "print", target),
        logs=("tail", "-n", "50", str(log_path(name, is_system))),
    )
