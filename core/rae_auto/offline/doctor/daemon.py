"""Checks of what starts the daemon, and of the daemon itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rae_auto._version import __version__
from rae_auto.errors import DaemonUnreachable, SchedulerError
from rae_auto.offline.doctor.finding import Finding
from rae_auto.service.definition import ServicePlatform
from rae_auto.service.manager import describe_missing_manager
from rae_auto.service.status import ServiceStatus


def check_services(platform: ServicePlatform, services: Sequence[ServiceStatus]) -> Iterator[Finding]:
    """Check the services that start daemons on this machine."""
    if not services:
        hint = describe_missing_manager(platform) or "'rae-auto service install' does"
        yield Finding("service", f"none is installed, so nothing starts the daemon when you log in; {hint}")
    for service in services:
        yield Finding("service", service.describe(platform.TITLE), service.hint())


def check_daemon(answer: Mapping[str, Any] | SchedulerError) -> Iterator[Finding]:
    """Check what the daemon answered when it was asked for its status."""
    if isinstance(answer, DaemonUnreachable):
        # For `health` and the page that is critical; one that was never started isn't broken, though.
        is_absent = "no daemon is running" in str(answer)
        what_to_do = "'rae-auto run' starts one" if is_absent else "check its log and restart it"
        yield Finding.from_message("daemon", str(answer), what_to_do, is_warning=is_absent)
    elif isinstance(answer, SchedulerError):
        yield Finding("daemon", f"it can't report its status: {answer}", "check its log")
    else:
        is_other_version = answer["version"] != __version__
        hint = f"restart it, because this is version {__version__}" if is_other_version else None
        yield Finding("daemon", f"version {answer['version']} is running, pid {answer['pid']}", hint)
        for problem in answer["problems"]:
            # One of the configuration has a line for each error.
            yield from (Finding.from_message("daemon", line, "check its log") for line in problem.splitlines())
