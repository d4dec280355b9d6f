"""All checks of `rae-auto doctor`, in the order in which they are shown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rae_auto.errors import ConfigError, InvalidJob, SchedulerError
from rae_auto.model.primitives.formatting import describe_error
from rae_auto.offline.doctor.configuration import check_configuration, check_environment
from rae_auto.offline.doctor.daemon import check_daemon, check_services
from rae_auto.offline.doctor.facts import Machine
from rae_auto.offline.doctor.finding import Finding
from rae_auto.offline.doctor.machine import check_machine
from rae_auto.offline.doctor.plugins import check_kernel_needs, check_limits_of, check_plugins, check_registry
from rae_auto.offline.doctor.sleep import check_lingering, check_sleep, find_night_starts
from rae_auto.offline.doctor.state import check_state
from rae_auto.offline.doctor.store import NOTICES, check_store
from rae_auto.offline.project import Project
from rae_auto.paths import STATE_MARKER, HomeUnknown, state_directory
from rae_auto.registry import Registry
from rae_auto.service.manager import platform_adapter
from rae_auto.service.status import ServiceStatus, find_services

_NO_CONFIGURATION = "no rae.toml here or in a parent directory"
_CREATE_CONFIGURATION = "create one with 'rae-auto init', or use --config"


def diagnose_all(
    config_path: Path | None, machine: Machine, answer: Mapping[str, Any] | SchedulerError
) -> list[Finding]:
    """Check everything, the daemon by its status or by why there is none; each problem is named once."""
    findings = list(diagnose(config_path, machine))
    if not isinstance(answer, SchedulerError):
        # Its status has them as they are now; the store was read a moment before.
        findings = [finding for finding in findings if finding.subject != NOTICES]
    known = {finding.observation for finding in findings}
    return [*findings, *(finding for finding in check_daemon(answer) if finding.observation not in known)]


def diagnose(config_path: Path | None, machine: Machine) -> Iterator[Finding]:
    """Check everything but the daemon, and change nothing."""
    for subject, findings in _checks(config_path, machine):
        try:
            yield from findings
        except Exception as error:
            # The other checks may find out why.
            yield Finding(subject, f"can't be checked: {describe_error(error)}", "report it as an error of rae-auto")


def _checks(config_path: Path | None, machine: Machine) -> Iterator[tuple[str, Iterable[Finding]]]:
    written = [] if config_path is None else [config_path]
    try:
        directory = state_directory(config_path)
    except HomeUnknown:
        # The environment is wrong, so the state directory can't be found.
        yield "machine", check_machine(machine, iter(written))
        yield "environment", check_environment(machine)
        return
    written.append(directory / STATE_MARKER)
    yield "machine", check_machine(machine, iter(written))
    yield "environment", check_environment(machine)
    yield "state", check_state(directory, machine, config_path)
    platform = platform_adapter()
    of_system = platform_adapter(is_system=True)
    services = [one for adapter in {platform, of_system} for one in find_services(adapter)]
    yield "service", check_services(platform, services)
    registry = Registry()
    if config_path is None:
        yield "configuration", [Finding("configuration", _NO_CONFIGURATION, _CREATE_CONFIGURATION)]
        yield "plugin", check_registry(registry, None)
        return
    yield "configuration", check_configuration(config_path, registry, machine)
    try:
        project = Project.load(config_path, registry)
    except ConfigError:
        # Its errors have been reported above.
        yield "plugin", check_registry(registry, None)
        yield "store", _check_store_of_broken_file(config_path)
        return
    yield "store", check_store(project)
    yield "plugin", check_registry(registry, project.config)
    yield "limits", check_limits_of(registry, project.config)
    yield "plugin", check_plugins(registry, project.config, directory)
    yield "limits", check_kernel_needs(registry, project.config, machine)
    yield "sleep", _check_nights(project, machine, services)


def _check_store_of_broken_file(path: Path) -> Iterator[Finding]:
    """Check the store with what is valid of a configuration, if that is enough."""
    try:
        project = Project.load_for_reading(path)
    except ConfigError:
        return
    project.notices.clear()  # the errors of the file once more
    yield from check_store(project)


def _check_nights(project: Project, machine: Machine, services: Sequence[ServiceStatus]) -> Iterator[Finding]:
    try:
        plans = project.plan().plans
    except InvalidJob:
        return  # Reported with the configuration.
    starts = find_night_starts(plans, project.zone, machine.now)
    yield from check_sleep(starts, machine)
    yield from check_lingering(starts, services)
