"""Services of systemd: a unit of the user's own manager, or of the system's.

Running jobs belong to the daemon and not to systemd, so `KillMode=process`: "mixed" and "control-group" kill what is
left in the unit's cgroup as soon as the main process has ended (systemd.kill(5)), so that no job would outlive a
restart or a crash of the daemon, which adopts them. A stop is complete all the same, because the daemon ends the
process trees of its jobs itself.

The keeper puts the daemon, itself and the jobs into cgroups of their own below that of the unit, so that limits hold
for whole trees (`Delegate=yes`). With controllers enabled there, the unit's own cgroup may hold no process, and a
daemon that is started beside jobs which were left running would not come up. From systemd 254 on `DelegateSubgroup=`
starts it in the keeper's leaf. Before that, the controllers are turned off when the daemon ends (`ExecStopPost=` runs
in a subgroup of a delegated unit): limits on memory and processes of jobs that are left running end then.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.formatting import quote
from rae_auto.service.definition import ServiceCommands, ServiceDefinition, UnitFile

TITLE = "systemd"

WATCHDOG_SECONDS = 30
START_LIMIT_MINUTES = 5
RESTART_SECONDS = 5

SUBGROUP_VERSION = 254
"""The first version of systemd that knows DelegateSubgroup=."""

LEAF_NAME = "rae-auto"
"""The cgroup below that of the unit in which the keeper puts the daemon and itself."""

LINGER_DIRECTORY = Path("/var/lib/systemd/linger")

BOOTED_DIRECTORY = Path("/run/systemd/system")
"""A directory that is there on machines that systemd has started, and only there (sd_booted(3))."""

_PLAIN = re.compile(r"[A-Za-z0-9_@/.:=+,-]+")
_TURN_CONTROLLERS_OFF = (
    'g=$$(sed -n s/^0:://p /proc/self/cgroup); echo "-memory -pids" > "/sys/fs/cgroup$${g%%/*}/cgroup.subtree_control"'
)


def unit_directory(is_system: bool) -> Path:
    if is_system:
        return Path("/etc/systemd/system")
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path("~/.config").expanduser()) / "systemd" / "user"


def unit_path(name: str, is_system: bool) -> Path:
    return unit_directory(is_system) / f"{name}.service"


def unit_files(service: ServiceDefinition) -> tuple[UnitFile, ...]:
    return (UnitFile(unit_path(service.name, service.is_system), unit_text(service, systemd_version())),)


def unit_text(service: ServiceDefinition, version: int) -> str:
    """Return the unit for a version of systemd."""
    program, *arguments = service.command
    cgroup = (
        [f"DelegateSubgroup={LEAF_NAME}"]
        if version >= SUBGROUP_VERSION
        else [f"ExecStopPost=-/bin/sh -c '{_TURN_CONTROLLERS_OFF}'"]
    )
    lines = [
        f"# {service.origin.mark()}",
        "[Unit]",
        f"Description=rae-auto, with the jobs of {_escape(str(service.origin.config))}",
        # A daemon that can't start is tried again a few times, and not for ever.
        "StartLimitIntervalSec=10min",
        "StartLimitBurst=5",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        *([f"User={service.user}"] if service.user else []),
        *(f"Environment={_quoted(f'{name}={value}')}" for name, value in service.environment.items()),
        f"ExecStart={_quoted(program)} {_arguments(*arguments, 'run', '--config', str(service.origin.config))}",
        f"ExecReload={_quoted(program)} {_arguments(*arguments, 'reload', '--config', str(service.origin.config))}",
        f"TimeoutStartSec={START_LIMIT_MINUTES}min",
        f"TimeoutStopSec={service.stop_seconds}",
        f"WatchdogSec={WATCHDOG_SECONDS}",
        "Restart=on-failure",
        f"RestartSec={RESTART_SECONDS}",
        # Of bad usage and of a configuration with errors: the same would come out again.
        "RestartPreventExitStatus=2",
        # Jobs outlive a restart and a crash of the daemon, which ends them itself when it is stopped.
        "KillMode=process",
        "Delegate=yes",
        *cgroup,
        "",
        "[Install]",
        f"WantedBy={'multi-user' if service.is_system else 'default'}.target",
    ]
    return "\n".join(lines) + "\n"


def read_program(text: str) -> str | None:
    found = re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)
    try:
        words = shlex.split(found[1].replace("%%", "%")) if found else []
    except ValueError:
        return None
    return words[0].lstrip("@-:+!") if words else None


def commands(name: str, is_system: bool) -> ServiceCommands:
    systemctl = ("systemctl",) if is_system else ("systemctl", "--user")
    journal = ("journalctl", "--unit") if is_system else ("journalctl", "--user", "--unit")
    unit = f"{name}.service"
    return ServiceCommands(
        install=((*systemctl, "daemon-reload"), (*systemctl, "enable", unit)),
        uninstall=((*systemctl, "disable", unit), (*systemctl, "daemon-reload")),
        start=((*systemctl, "reset-failed", unit), (*systemctl, "start", unit)),
        stop=((*systemctl, "stop", unit),),
        is_enabled=(*systemctl, "is-enabled", "--quiet", unit),
        is_active=(*systemctl, "is-active", "--quiet", unit),
        logs=(*journal, unit),
    )


def is_booted() -> bool:
    """Return whether systemd has started this machine; in most containers it has not."""
    return BOOTED_DIRECTORY.is_dir()


def systemd_version() -> int:
    """Return the version of the systemd on this machine; 0 if that can't be found out."""
    try:
        said = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.match(r"systemd (\d+)", said.stdout)
    return int(found[1]) if found else 0


def has_lingering(platform: str = sys.platform) -> bool:
    """Return whether the services of users end at logout here, unless they linger."""
    return platform == "linux"


def is_lingering(user: str) -> bool:
    """Return whether services of a user run without a session of that user."""
    return (LINGER_DIRECTORY / user).exists()


def _escape(text: str) -> str:
    """Return a text in which no specifier is replaced. Errors: SchedulerError if it has control characters."""
    if any(ord(character) < 32 for character in text):
        raise SchedulerError(f"a unit of systemd can't hold control characters, as in {quote(text)}")
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Return a word of an assignment, in quotes if it needs them."""
    escaped = _escape(text)
    if _PLAIN.fullmatch(text):
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _arguments(*words: str) -> str:
    """Return arguments of a command line, in which a dollar sign would begin a variable."""
    return " ".join(_quoted(word).replace("$", "$$") for word in words)
