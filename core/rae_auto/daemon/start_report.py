"""The first lines of the log: which daemon this is, what is due next, and what to type in a second terminal."""

import heapq
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from loguru import logger

from rae_auto._version import __version__
from rae_auto.config import Config
from rae_auto.model.primitives.formatting import format_count, format_local_time, join_words
from rae_auto.paths import CONFIG_NAME, configured_state_directory, home_or_root
from rae_auto.platforms.shells import Shell, shell_of_platform

MAX_NEXT_STARTS = 3
"""The number of starts that the log names at first."""


def log_start(config: Path, directory: Path, log_places: Sequence[str]) -> None:
    """Log the configuration, the state directory and where the log is, before anything is started."""
    logger.info("rae-auto {} starts; configuration {}, state {}", __version__, config, directory)
    if log_places:
        logger.info("log: {}", join_words(log_places))


def describe_plan(
    jobs: int, due: Iterable[tuple[datetime, str]], zone: ZoneInfo | None = None, *, is_enabled: bool
) -> str:
    """Return a line with the number of jobs, and those that are due next by the clock of `zone`, or the machine's."""
    count = format_count(jobs, "job")
    if not is_enabled:
        return count
    now = datetime.now(UTC)
    if starts := heapq.nsmallest(MAX_NEXT_STARTS, due):
        return f"{count}; next: {', '.join(f'{job} at {format_local_time(at, zone, now)}' for at, job in starts)}"
    return f"{count}; none has a next start that is known yet"


def log_ready(config: Path, plan: str, *, is_enabled: bool) -> None:
    """Log what is planned, as `describe_plan` returns it, and the commands for a second terminal."""
    logger.info("{}", plan)
    if not is_enabled:
        logger.warning("jobs start by hand only, with 'rae-auto trigger JOB'")
    stops = "; Ctrl-C here stops the daemon" if sys.stdin is not None and sys.stdin.isatty() else ""
    logger.info(
        "in a second terminal: '{}' (and likewise 'trigger JOB', 'output JOB', 'why JOB', 'stop'){}",
        status_elsewhere(config),
        stops,
    )


def status_elsewhere(config: Path, shell: Shell | None = None) -> str:
    """Return what to type for `rae-auto status` in another terminal, in any folder, so that it finds this daemon.

    If only the configuration says where the state is, commands find the daemon in its folder.
    """
    used = shell or shell_of_platform()
    status = f"{_program(Path(sys.argv[0]), used)} status"
    if state := os.environ.get("RAE_STATE_DIR"):
        return used.with_variable("RAE_STATE_DIR", _shell_path(Path(state).expanduser(), used), status)
    if configured_state_directory(config) is None:
        return status
    in_folder = used.in_folder(_shell_path(config.parent, used), status) if config.name == CONFIG_NAME else None
    return in_folder or f"{status} --config {_shell_path(config, used)}"


def _program(started_as: Path, shell: Shell) -> str:
    """Return what to type for `rae-auto` in another terminal, in any folder."""
    if started_as.name == "__main__.py":
        return f"{_shell_path(Path(sys.executable), shell)} -m rae_auto"
    found = shutil.which("rae-auto")
    if found is not None and os.path.realpath(found) == os.path.realpath(started_as):
        return "rae-auto"
    return _shell_path(started_as, shell)


def _shell_path(path: Path, shell: Shell) -> str:
    """Return an absolute path as one types it: from `~` on where that is shorter, and quoted where needed."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - links are kept: a virtual environment is found by them
    home = home_or_root()
    return shell.quote_path(path, None if home == Path("/") else home)


def find_keys_of_next_start(running: Config, config: Config, has_moved: bool) -> list[str]:
    """Return the keys whose new values take effect at the next start; `has_moved` is about the state directory."""
    changed = {
        "state": has_moved,
        "store": config.store != running.store,
        "loggers": config.loggers != running.loggers,
    }
    return [name for name, is_changed in changed.items() if is_changed]
