"""The file of an event, for jobs that handle one at a time: the variable RAE_PATH, and {path} in their words.

A path comes from outside, so it never becomes part of a text that a shell reads: there, "$RAE_PATH" is the way.
"""

from collections.abc import Mapping
from copy import copy
from typing import Any

from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import quote

PLACEHOLDER = "{path}"
PATH_VARIABLE = "RAE_PATH"


def find_path(event: Mapping[str, Any] | None) -> str | None:
    """Return the file of an event, if it is about exactly one: a text `path`, or `paths` with one item."""
    event = event or {}
    paths = event.get("paths", [event.get("path")])
    path = paths[0] if isinstance(paths, list | tuple) and len(paths) == 1 else None
    return path if isinstance(path, str) and path and "\0" not in path else None


def fill_in_path(job: Job, event: Mapping[str, Any] | None) -> Job:
    """Return the job with the file of the event instead of {path} in its command, arguments and keyword arguments.

    Raises ValueError if there is a {path} to replace and the event isn't about one file.
    """
    if not any(map(has_placeholder, (*job.command, *job.args, *job.kwargs.values()))):
        return job
    path = find_path(event)
    if path is None:
        paths = (event or {}).get("paths")
        many = f"has {len(paths)} files" if isinstance(paths, list | tuple) and paths else "names no file"
        raise ValueError(
            f"{PLACEHOLDER} is the file of an event, and that of this run {many}; have the trigger report each file "
            f'by itself, or give the run an event: --event \'{{"path": "/some/file"}}\''
        )
    filled = copy(job)
    # Without the checks of a definition: a file's name may look like a reference to a secret without being one.
    object.__setattr__(filled, "command", tuple(_fill_in(word, path) for word in job.command))
    object.__setattr__(filled, "args", tuple(_fill_in(value, path) for value in job.args))
    object.__setattr__(filled, "kwargs", {name: _fill_in(value, path) for name, value in job.kwargs.items()})
    return filled


def has_placeholder(value: object) -> bool:
    """Return whether {path} in a value is to be replaced."""
    return isinstance(value, str) and PLACEHOLDER in value


def explain_in_shell(key: str) -> str:
    """Return why {path} has no effect in a text that a shell reads, with the remedy."""
    return (
        f"{PLACEHOLDER} is not replaced in {key}, because a shell would obey a name; write {quote('$' + PATH_VARIABLE)}"
    )


def _fill_in(value: Any, path: str) -> Any:
    return value.replace(PLACEHOLDER, path) if isinstance(value, str) else value
