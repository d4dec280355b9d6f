"""The sizes of a state directory on the disk, beside the limits of `[history]`, for the health page."""

from collections.abc import Iterator
from pathlib import Path

from rae_auto.errors import SchedulerError
from rae_auto.model.policies import Retention
from rae_auto.model.primitives.formatting import format_bytes, format_count, quote
from rae_auto.model.primitives.units import format_duration
from rae_auto.offline.disk import DiskUsage, measure_disk_usage
from rae_auto.offline.project import Project
from rae_auto.views.screens.parts.base import Fact


def read_disk_sizes(config: Path | None, directory: Path) -> list[Fact]:
    """Return the sizes with the limits that hold them; the limits only where a configuration can be read."""
    try:
        usage = measure_disk_usage(directory)
    except (SchedulerError, OSError) as error:
        return [Fact("state", str(error))]
    try:
        history = None if config is None else Project.load_for_reading(config).config.history
    except (SchedulerError, OSError):
        history = None
    return list(_describe(usage, history))


def _describe(usage: DiskUsage, history: Retention | None) -> Iterator[Fact]:
    limit = "" if history is None else f"; of each job at most {history.runs:,} runs of {format_duration(history.keep)}"
    yield Fact("store", f"{format_bytes(usage.store)}{limit}")
    total = sum(usage.output.values())
    biggest = next(iter(usage.output.items()), None)
    most = "" if history is None else f" of at most {format_bytes(history.output)}"
    job = "" if biggest is None else f"; the most is {quote(biggest[0])}, {format_bytes(biggest[1])}{most}"
    yield Fact("output", f"{format_bytes(total)} of {format_count(len(usage.output), 'job')}{job}")
    yield Fact("log", format_bytes(usage.log))
    if usage.kept_aside:
        yield Fact("set aside", f"{format_bytes(usage.kept_aside)} of old stores and damaged files")
