"""The path guard: a run may start while a path exists, is a mount point, or doesn't exist."""

import errno
import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.toolkit.threads.blocking_calls import call_with_timeout
from rae_auto.toolkit.validators import absolute_path

TIMEOUT_SECONDS = 3.0
"""Time for which a file system that doesn't answer is waited for."""

MAX_PATH_CHARACTERS = 200
"""Characters of a path in a reason."""

_ABSENT_ERRORS = (errno.ENOENT, errno.ENOTDIR)


@frozen(kw_only=True)
class PathGuard(ReadGuard):
    """Answers yes if something exists at a path, or is mounted there; or, with `exists = false`, if nothing is."""

    type: ClassVar[str] = "path"
    example: ClassVar[Mapping[str, Any]] = {"path": "/mnt/backup", "is_mount": True}

    path: str = field(
        converter=absolute_path,
        metadata={"help": "path, or a pattern with *, ?, [] and **; one match is enough", "is_path": True},
    )
    exists: bool = field(default=True, metadata={"help": "false: yes if nothing is there, or nothing is mounted there"})
    is_mount: bool = field(default=False, metadata={"help": "true: the path must be a mount point"})

    async def read(self) -> GuardResult:
        """Look at the path, in a thread of its own: a mount whose server is gone may never answer."""
        quoted = quote_short(self.path, MAX_PATH_CHARACTERS)
        try:
            match = await call_with_timeout(
                (self.path, self.is_mount), lambda: find_match(self.path, mount=self.is_mount), TIMEOUT_SECONDS
            )
        except TimeoutError:
            return GuardResult(Verdict.UNKNOWN, f"{quoted} did not answer within {format_elapsed(TIMEOUT_SECONDS)}")
        except OSError as error:
            return GuardResult(Verdict.UNKNOWN, f"{quoted} cannot be checked: {error.strerror or error}")
        verdict = Verdict.YES if (match is not None) == self.exists else Verdict.NO
        if match is None:
            return GuardResult(verdict, f"{quoted} {'is not a mount point' if self.is_mount else 'does not exist'}")
        state = "is a mount point" if self.is_mount else "exists"
        return GuardResult(verdict, f"{quote_short(match, MAX_PATH_CHARACTERS)} {state}")


def find_match(path: str, *, mount: bool) -> str | None:
    """Return what is at the path or matches it as a pattern; None if nothing does.

    Errors: OSError where there is no match, and something could not be checked.
    """
    refusal: OSError | None = None
    for candidate in _candidates(path):
        try:
            # In this order, because ismount would hide the error of a broken mount.
            if _exists(candidate) and (not mount or os.path.ismount(candidate)):
                return candidate
        except OSError as error:
            refusal = error
    if refusal is not None:
        raise refusal
    return None


def _candidates(path: str) -> Iterator[str]:
    """Yield the path itself, and what it matches as a pattern; dangling links may be among that."""
    yield path
    if not glob.has_magic(path):
        return
    # glob ignores a folder that can't be listed, so the part without a pattern is listed here first.
    parts = Path(path).parts
    first_pattern = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    if _is_listable(os.path.join(*parts[:first_pattern])):  # noqa: PTH118 - text in, text out
        yield from glob.iglob(path, recursive=True)  # noqa: PTH207 - as above


def _is_listable(path: str) -> bool:
    """Return whether a folder exists. Errors: OSError where it can't be listed."""
    try:
        with os.scandir(path):
            return True
    except OSError as error:
        if error.errno in _ABSENT_ERRORS:
            return False
        raise


def _exists(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - text in, text out
    except OSError as error:
        if error.errno in _ABSENT_ERRORS:
            return False
        raise
    return True


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """Return the path guard."""
    return [PathGuard]
