"""Says yes while something is at a path, or nothing."""

import errno
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.toolkit.validators import absolute_path
from rae_plugins.guards.lines import shown
from rae_plugins.machine.patience import look

PATIENCE = 3.0
"""Seconds after which a file system that doesn't answer is not waited for."""

_ABSENT = (errno.ENOENT, errno.ENOTDIR)


@frozen(kw_only=True)
class PathGuard(ReadGuard):
    """Says yes where something exists at a path, or is mounted there; or nothing."""

    type: ClassVar[str] = "path"

    path: str = field(
        converter=absolute_path, metadata={"help": "the path, or a pattern with *, ? and [], of which any counts"}
    )
    exists: bool = field(default=True, metadata={"help": "false: yes where it is not there, or not a mount"})
    is_mount: bool = field(default=False, metadata={"help": "true: it must be the root of a mounted file system"})

    async def read(self) -> GuardResult:
        """Look there, in a thread of its own: a mount whose server is gone may never answer."""
        shown_path = shown(self.path, 200)
        try:
            found = await look((self.path, self.is_mount), lambda: find(self.path, mount=self.is_mount), PATIENCE)
        except TimeoutError:
            return GuardResult(Verdict.UNKNOWN, f"{shown_path} doesn't answer within {PATIENCE:g}s")
        except OSError as error:
            return GuardResult(Verdict.UNKNOWN, f"{shown_path}: {error.strerror or error}")
        wanted = (found is not None) == self.exists
        if found is None:
            what = "nothing is mounted at" if self.is_mount else "there is no"
            return GuardResult(Verdict.YES if wanted else Verdict.NO, f"{what} {shown_path}")
        what = "is a mount" if self.is_mount else "exists"
        return GuardResult(Verdict.YES if wanted else Verdict.NO, f"{shown(found, 200)} {what}")


def find(path: str, *, mount: bool) -> str | None:
    """What is at the path, or matches it as a pattern; None if nothing is. Errors: OSError where that can't be told."""
    refusal: OSError | None = None
    for candidate in _candidates(path):
        try:
            # Asked in this order, since ismount would hide the error of a mount that is broken.
            if _is_there(candidate) and (not mount or os.path.ismount(candidate)):
                return candidate
        except OSError as error:
            refusal = error
    if refusal is not None:
        raise refusal
    return None


def _candidates(path: str) -> Iterator[str]:
    """The path as it stands, and what it matches; among that may be links that lead nowhere."""
    yield path
    if not glob.has_magic(path):
        return
    # What can't be listed has no matches for glob, so the part without a pattern is looked into first.
    parts = Path(path).parts
    plain = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    if _is_folder(os.path.join(*parts[:plain])):  # noqa: PTH118 - text in, text out
        yield from glob.iglob(path, recursive=True)  # noqa: PTH207 - as above


def _is_folder(path: str) -> bool:
    """Whether it is one that can be listed."""
    try:
        with os.scandir(path):
            return True
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise


def _is_there(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - text in, text out
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise
    return True


@hookimpl
def rae_guards() -> list[type[ReadGuard]]:
    """The path guard."""
    return [PathGuard]
