"""The state of installed services, as the platform sees it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from rae_auto.paths import user_name
from rae_auto.service import systemd
from rae_auto.service.definition import Origin, ServicePlatform
from rae_auto.service.manager import installed_origin, succeeds

COMMON_NAME = "rae-auto*"
"""Names of files of services that may be meant for rae-auto, also of those that others wrote."""


@frozen
class ServiceStatus:
    """A service and its state; None where the platform doesn't say. `origin` is None for a file that isn't ours."""

    name: str
    path: Path
    is_system: bool
    origin: Origin | None
    is_enabled: bool | None
    is_active: bool | None
    has_linger: bool | None
    program: str | None = None
    """The program that it starts, if its file names one."""

    def describe(self, title: str) -> str:
        """Return a line for a person; `title` is the name of the platform's manager."""
        if self.origin is None:
            return f"{self.path}, which 'rae-auto service install' did not write"
        enabled = _say(self.is_enabled, "enabled", "not enabled")
        running = _say(self.is_active, "running", "not running")
        state = ", ".join(filter(None, (enabled, running))) or f"{title} can't be asked"
        linger = _say(self.has_linger, "; lingering is on", "; lingering is off, so it runs while you are logged in")
        return f"{self.path}: {state}, for {self.origin.config}{linger}"

    def hint(self) -> str | None:
        """Return what to do if something is wrong with it."""
        if self.origin is None:
            return None
        again = f"'rae-auto service install{' --system' if self.is_system else ''} --name {self.name}'"
        if not self.origin.config.exists():
            return f"its configuration is gone; remove it with 'rae-auto service uninstall --name {self.name}'"
        if self.program is not None and not Path(self.program).exists():
            return f"{self.program}, which it starts, is gone; install it again with {again}"
        return f"enable it with {again}" if self.is_enabled is False else None


def _say(answer: bool | None, yes: str, no: str) -> str:
    return "" if answer is None else yes if answer else no


def read_status(platform: ServicePlatform, name: str, is_system: bool) -> ServiceStatus:
    """Return the state of a service, which need not be installed."""
    path = platform.unit_path(name, is_system)
    commands = platform.commands(name, is_system)
    origin = installed_origin(path)
    can_ask = origin is not None and _can_ask(platform, is_system)
    return ServiceStatus(
        name,
        path,
        is_system,
        origin,
        succeeds(commands.is_enabled) if can_ask else None,
        succeeds(commands.is_active) if can_ask else None,
        _read_linger() if _needs_linger(platform, is_system) else None,
        None if origin is None else platform.read_program(_read_text(path)),
    )


def find_services(platform: ServicePlatform) -> Iterator[ServiceStatus]:
    """Yield all services that were installed for this user or the system, and files that look like ones of rae-auto."""
    for is_system in (False, True):
        try:
            directory = platform.unit_directory(is_system)
        except RuntimeError:
            continue  # a user without a home directory
        suffix = platform.unit_path("x", is_system).suffix
        for path in sorted(directory.glob(f"*{suffix}")) if directory.is_dir() else ():
            if path.match(COMMON_NAME) or installed_origin(path) is not None:
                yield read_status(platform, path.stem, is_system)


def _read_linger() -> bool | None:
    name = user_name()
    return None if name is None else systemd.is_lingering(name)


def _read_text(path: Path) -> str:
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", errors="replace")
    return ""


def _needs_linger(platform: ServicePlatform, is_system: bool) -> bool:
    return platform.TITLE == systemd.TITLE and not is_system and systemd.has_lingering()


def _can_ask(platform: ServicePlatform, is_system: bool) -> bool:
    """Return whether the platform's manager answers at all: without a bus each question fails, as "no" does."""
    if platform.TITLE != systemd.TITLE:
        return True
    scope = () if is_system else ("--user",)
    return succeeds(("systemctl", *scope, "show", "--property=Version")) is True
