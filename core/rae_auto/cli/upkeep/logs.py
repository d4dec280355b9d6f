"""The command logs: the log of the daemon, from the file to which it writes."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from rae_auto.cli import options
from rae_auto.cli.usage import WholeNumber
from rae_auto.errors import SchedulerError
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import quote
from rae_auto.paths import last_log, last_log_place

FOLLOW_INTERVAL_SECONDS = 0.2


@click.command("logs")
@options.optional_job
@click.option("--follow", "-f", is_flag=True, help="Continue with what is logged from now on.")
@click.option("--lines", "-n", type=WholeNumber(0), default=50, show_default=True, help="Show so many lines at most.")
@options.config
def logs_command(job: str | None, follow: bool, lines: int, config: str | None) -> None:
    """Show the log of the daemon, or the lines about a job. Works without a daemon.

    A daemon logs to a file if its standard error isn't a terminal, or if the configuration has the logger "file".

    Example: rae-auto logs backup --follow
    """
    directory = options.find_state_directory(config)
    path = last_log(directory)
    if path is None and (place := last_log_place(directory)) is not None:
        raise SchedulerError(f"the daemon of {directory} logs to no file; its log: {place}")
    if path is None:
        raise SchedulerError(
            f'the daemon of {directory} doesn\'t log to a file; add "file" to loggers, '
            "or look where its standard error goes"
        )
    if not path.exists():
        raise SchedulerError(f"there is no log in {path} yet; 'rae-auto run' writes it")
    with path.open(encoding="utf-8", errors="replace") as file:
        found = [line for line in file if _is_about(line, job)]
        for older in _older_parts(path):
            if len(found) >= lines:
                break
            with older.open(encoding="utf-8", errors="replace") as part:
                found = [*(line for line in part if _is_about(line, job)), *found]
        for line in found[len(found) - lines if len(found) > lines else 0 :] if lines else ():
            click.echo(escape_line(line.rstrip("\n")))
        if not found and not follow and job is not None:
            click.echo(f"rae-auto: {path} has no lines about {quote(job)}", err=True)
        if follow:
            for line in _follow(path, file):
                if _is_about(line, job):
                    click.echo(escape_line(line.rstrip("\n")))


def _older_parts(path: Path) -> list[Path]:
    """Return the files that the log was rotated to, the newest first."""
    parts = path.parent.glob(f"{path.stem}.*{path.suffix}")
    return sorted((part for part in parts if part != path), key=lambda part: part.stat().st_mtime, reverse=True)


def _is_about(line: str, job: str | None) -> bool:
    """Return whether a line, as text or as JSON, is about a job; any line is about None."""
    if job is None:
        return True
    if line.startswith("{"):
        try:
            return bool(json.loads(line).get("job") == job)
        except (ValueError, AttributeError):
            return False
    # "2026-01-31 18:00:00 INFO    backup: started", and with a zone "2026-01-31 18:00:00 CET INFO    backup: started"
    return re.match(rf"\S+ \S+ (?:\S+ )?[A-Z]+ +{re.escape(job)}: ", line) is not None


def _follow(path: Path, file: TextIO) -> Iterator[str]:
    """Yield lines as they are written, from a new file once the old one was rotated."""
    started = ""
    while True:
        while piece := file.readline():
            started += piece
            if started.endswith("\n"):
                yield started
                started = ""
        if _was_replaced(path, file):
            file = path.open(encoding="utf-8", errors="replace")
        else:
            time.sleep(FOLLOW_INTERVAL_SECONDS)


def _was_replaced(path: Path, file: TextIO) -> bool:
    import os  # lazy: start-up

    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
