"""The targets of commands that take a run or a job: the id of a run, or the start of one, or the name of a job."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from rae_auto.cli.queries import query
from rae_auto.errors import BadRequest, JobNotFound, RunNotFound
from rae_auto.model.primitives.formatting import quote

_RUN_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{5,25}")
"""The id of a run, or the start of one that is long enough to mean one. A job may have such a name, too."""


def find_run(target: str, config: str | None) -> dict[str, Any] | None:
    """Return the record of the run of this id, or with an id that starts like this; None if it is to name a job.

    Errors: BadRequest if several start like this, or if it is empty.
    """
    if not target:
        raise BadRequest("no job or run is named; give the name of a job, or the id of a run")
    if not _RUN_ID.fullmatch(target):
        return None
    arguments: dict[str, Any] = {"job": None, "states": [], "since": None, "until": None, "limit": 20}
    try:
        found = query("history", {**arguments, "run": target}, config)
    except RunNotFound:
        return None
    return found[0] if found else None


@contextlib.contextmanager
def naming_job(target: str) -> Iterator[None]:
    """Raise RunNotFound, not JobNotFound, about a target that looks like the id of a run."""
    try:
        yield
    except JobNotFound:
        if _RUN_ID.fullmatch(target):
            raise RunNotFound(f"no run {quote(target)}; 'rae-auto history' lists them") from None
        raise
