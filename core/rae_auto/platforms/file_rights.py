"""The choice of file rights: who else may read, write or replace a file, and how it becomes private."""

from __future__ import annotations

import functools
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rae_auto.platforms.file_rights_contract import FileRights


@functools.cache
def file_rights(platform: str = sys.platform) -> FileRights:
    """Return the rights of files on a platform."""
    if platform == "win32":
        from rae_auto.platforms.windows.rights import WindowsRights  # lazy: start-up

        return WindowsRights()
    from rae_auto.platforms.posix_rights import PosixRights

    return PosixRights()
