"""The steps back in time of a store, recorded in a file beside it, so that people can see later what was lost."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from rae_auto.api.store import Setback
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.toolkit.files import write_atomically

SETBACKS_NAME = "setbacks.json"
"""Name of the file in the state directory."""

MAX_SETBACKS = 100
"""Number of steps back that are kept, the newest ones."""


@frozen
class NotedSetback:
    """A step back, and when it was noticed."""

    noticed_at: datetime
    setback: Setback
    is_restore: bool = False
    """True if a person wanted it."""


def record_setback(directory: Path, setback: Setback, now: datetime | None = None, *, is_restore: bool = False) -> None:
    """Add a step back to the file, once: a start that is killed meets it again. Errors: OSError."""
    noted = [*read_setbacks(directory)]
    if noted and noted[-1].setback == setback:
        return
    noted.append(NotedSetback(now or datetime.now(UTC), setback, is_restore))
    write_atomically(directory / SETBACKS_NAME, json.dumps([_encode(one) for one in noted[-MAX_SETBACKS:]]).encode())


def read_setbacks(directory: Path) -> Sequence[NotedSetback]:
    """Return the steps back of the store in a state directory, the oldest first; none if the file can't be read."""
    try:
        return [_decode(one) for one in json.loads((directory / SETBACKS_NAME).read_bytes())]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _encode(noted: NotedSetback) -> dict[str, str | int | bool | None]:
    since = None if noted.setback.since is None else format_instant(noted.setback.since)
    form: dict[str, str | int | bool | None] = {"noticed_at": format_instant(noted.noticed_at), "since": since}
    return {**form, "commits": noted.setback.commits, "restore": noted.is_restore}


def _decode(noted: dict[str, str | int | bool | None]) -> NotedSetback:
    since, commits = noted["since"], noted["commits"]
    setback = Setback(None if since is None else parse_instant(str(since)), None if commits is None else int(commits))
    return NotedSetback(parse_instant(str(noted["noticed_at"])), setback, bool(noted.get("restore")))
