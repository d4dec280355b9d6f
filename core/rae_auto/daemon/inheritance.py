"""A state directory that another configuration has used: what a daemon inherits, and whether it is still in use."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from rae_auto.api.store import LogQuery
from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import StoreLocked
from rae_auto.model.primitives.formatting import format_count, join_words, quote
from rae_auto.paths import is_same_config, last_config
from rae_auto.runtime.runtime import Runtime

MAX_NAMED_JOBS = 5


async def describe_inheritance(runtime: Runtime, previous: Path | None, config: Path, since: datetime) -> str | None:
    """Return a line on what the state of another configuration holds; None if it is the same, or holds nothing.

    Runs that were queued after `since`, the start of this daemon, are its own.
    """
    if previous is None or is_same_config(previous, config):
        return None
    jobs = list(runtime.engine.jobs())
    found = [
        _name("paused job", [entry.job.id for entry in jobs if entry.state.paused]),
        _name("added job", [entry.job.id for entry in jobs if entry.plan.origin is JobOrigin.STORE]),
        _name("open run", [opened.run.job for opened in runtime.engine.runs() if opened.run.queued_at < since]),
        "its history" if await runtime.runs(LogQuery(limit=1)) else "",
    ]
    inherited = join_words(filter(None, found))
    if not inherited:
        return None
    return (
        f"the state in {runtime.directory} was last used with {previous}, and this daemon inherits {inherited}; "
        f'to keep them apart, write state = "PATH" in {config}'
    )


def _name(noun: str, jobs: Iterable[str]) -> str:
    names = list(jobs)
    if not names:
        return ""
    more = ", …" if len(names) > MAX_NAMED_JOBS else ""
    return f"{format_count(len(names), noun)} ({', '.join(map(quote, names[:MAX_NAMED_JOBS]))}{more})"


def raise_other_daemon(error: StoreLocked, directory: Path, path: Path) -> None:
    """Raise StoreLocked with the configuration that runs with this state directory, if it is another one."""
    running = last_config(directory)
    if running is None or is_same_config(path, running):
        return
    raise StoreLocked(
        f"{directory} is in use by the daemon of {running} (process {error.pid or 'unknown'}); "
        f"give {path} a directory of its own with the key state, or run 'rae-auto stop --config {running}'",
        error.pid,
    ) from None
