"""The check of a configuration file: its errors, and warnings about it on this machine."""

from pathlib import Path

from attrs import evolve

from rae_auto.api.plugin import Kind, PluginSource
from rae_auto.checks.advisor import JobAdvisor
from rae_auto.config import Report, check
from rae_auto.registry import Registry
from rae_auto.registry.index import State
from rae_auto.runtime.time.clock import SystemClock


def check_file(path: Path, plugins: PluginSource, *, prepares: bool = True) -> Report:
    """Return the errors and warnings of a file; runs nothing, imports no code of users but plugins, raises nothing.

    With `prepares` it prepares what jobs need for their runs and uses plugins as a daemon does first, and reports what
    fails.
    """
    advisor = JobAdvisor(plugins, path.absolute().parent, SystemClock().now().wall, prepares=prepares)
    report = check(path, plugins, advisor)
    if prepares and isinstance(plugins, Registry):
        return evolve(report, warnings=(*report.warnings, *_find_broken_commands(plugins)))
    return report


def _find_broken_commands(registry: Registry) -> list[str]:
    """Return a line for each command that a distribution adds to the program, and that doesn't load."""
    names = [info.name for info in registry.infos() if info.kind is Kind.COMMAND and not info.is_built_in]
    infos = [registry.info(Kind.COMMAND, name) for name in names]
    return [info.problem for info in infos if info.problem is not None and info.state is State.BROKEN]
