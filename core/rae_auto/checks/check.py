"""The check of a configuration file: its errors, and what is doubtful about it on this machine."""

from pathlib import Path

from rae_auto.api.plugin import PluginSource
from rae_auto.checks.advisor import JobAdvisor
from rae_auto.config import Report, check
from rae_auto.runtime.time.clock import SystemClock


def check_file(path: Path, plugins: PluginSource, *, prepares: bool = True) -> Report:
    """Return the errors and warnings of a file; runs nothing, imports no code of users, raises nothing.

    With `prepares` it gets ready what jobs need for their runs, and tells what can't be.
    """
    return check(
        path, plugins, JobAdvisor(plugins, path.absolute().parent, SystemClock().now().wall, prepares=prepares)
    )
