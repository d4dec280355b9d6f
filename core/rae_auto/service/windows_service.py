"""Services of Windows itself, for which pywin32 is needed: they start at boot, and Windows restarts them.

The service is a host process (`windows_host`), which starts the daemon and stops it when Windows asks. The definition
of a service is in a file of ours, as a task's is; the host reads it, and the commands here are calls of the host.
"""

import importlib.util
import json
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.formatting import quote
from rae_auto.paths import configured_state_directory
from rae_auto.service import task_scheduler
from rae_auto.service.definition import Argv, ServiceCommands, ServiceDefinition, UnitFile
from rae_auto.toolkit.extras import install_command

TITLE = "the services of Windows"

ACCOUNTS = {"localsystem": "LocalSystem", "localservice": r"NT AUTHORITY\LocalService"}
ACCOUNTS["networkservice"] = r"NT AUTHORITY\NetworkService"
"""Accounts that need no password, by the names that `--user` takes."""


def describe_stand_in() -> str:
    """Return what stands in for a service of Windows without pywin32, and how to get a real one."""
    return (
        "a task that starts at boot stands in for a service of Windows; for a real one run "
        f"'{install_command('windows')}', which brings pywin32, and then this again"
    )


def has_pywin32() -> bool:
    """Return whether the modules of pywin32 for services are here."""
    return all(importlib.util.find_spec(name) is not None for name in ("win32service", "servicemanager"))


def is_account(user: str | None) -> bool:
    """Return whether a user is an account that a service can have without a password."""
    return user is None or user.lower() in ACCOUNTS


@frozen(kw_only=True)
class HostedService:
    """The content of a service's file: its name and account, and the daemon that the host runs."""

    name: str
    account: str
    config: str
    state: str
    daemon: Argv
    stop_seconds: int

    @classmethod
    def read(cls, path: Path) -> "HostedService":
        """Read a file. Errors: OSError, ValueError."""
        try:
            document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
            found = {name: document[name] for name in ("name", "account", "config", "state", "stop_seconds")}
            return cls(**found, daemon=tuple(document["daemon"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is not the file of a service: {error}") from None


def unit_directory(is_system: bool) -> Path:
    return task_scheduler.unit_directory(is_system)


def unit_path(name: str, is_system: bool) -> Path:
    return unit_directory(is_system) / f"{name}.toml"


def unit_files(service: ServiceDefinition) -> tuple[UnitFile, ...]:
    if not is_account(service.user):
        raise SchedulerError(
            f"--user: {quote((service.user or '')[:64])} would need a password; use {', '.join(ACCOUNTS.values())}"
        )
    config = service.origin.config
    state = service.environment.get("RAE_STATE_DIR") or configured_state_directory(config)
    if state is None:
        raise SchedulerError(
            f"{config}: a service has a profile of its own, where your commands would not find its state; "
            'set the key state, as in state = "C:/ProgramData/rae-auto/state"'
        )
    content = {
        "name": service.name,
        "account": ACCOUNTS[(service.user or "LocalSystem").lower()],
        "config": str(config),
        "state": str(state),
        "daemon": [*service.command, "run", "--config", str(config)],
        "stop_seconds": service.stop_seconds,
    }
    # Texts and lists of JSON are ones of TOML too.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in content.items()]
    text = "\n".join([f"# {service.origin.mark()}", *lines]) + "\n"
    return (UnitFile(unit_path(service.name, service.is_system), text),)


def read_program(text: str) -> str | None:
    try:
        program = tomllib.loads(text)["daemon"][0]
    except (tomllib.TOMLDecodeError, LookupError, TypeError):
        return None
    return program if isinstance(program, str) else None


def host_command(verb: str, path: Path) -> Argv:
    """Return the command line of the host.

    Its program is the interpreter itself: that of a virtual environment starts it as a child, and Windows speaks with
    the process that it has started.
    """
    program = getattr(sys, "_base_executable", None) or sys.executable
    folders = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    adding = "".join(f"site.addsitedir({folder!r}); " for folder in folders)
    code = f"import site; {adding}from rae_auto.service.windows_host import main; raise SystemExit(main())"
    return (program, "-I", "-c", code, verb, str(path))


def commands(name: str, is_system: bool) -> ServiceCommands:
    path = unit_path(name, is_system)
    return ServiceCommands(
        install=(host_command("install", path),),
        uninstall=(host_command("remove", path),),
        start=(host_command("start", path),),
        stop=(host_command("stop", path),),
        is_enabled=host_command("is-installed", path),
        is_active=host_command("is-running", path),
    )
