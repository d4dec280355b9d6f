"""The state directory: claiming it, and the configuration that used it last.

A directory is ours if we created it, if it was empty, or if it has the marker `rae-auto.json`. Any other directory may
be a home directory or /tmp: it is refused as it is, and its permissions are never changed.
"""

import json
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from rae_auto.errors import StoreError
from rae_auto.model.primitives.formatting import quote
from rae_auto.paths import STATE_MARKER, absolute_path
from rae_auto.platforms.file_rights import file_rights
from rae_auto.toolkit.files import create_private_directory, write_atomically

_MAX_NAMED_FILES = 3
_EMPTY_NAMES = ("lost+found",)
"""Names in a directory that counts as empty: that of a file system's root, which may be made for the state."""

_CHOOSE = "choose a new directory with the key state, or with RAE_STATE_DIR"


def claim_state_directory(path: Path) -> Path:
    """Create a state directory, or check that an existing one is ours; return it resolved. Errors: StoreError."""
    try:
        if not os.path.lexists(path / STATE_MARKER) and path.is_dir():
            _check_free(path)
        directory = create_private_directory(path)
        if not (directory / STATE_MARKER).exists():
            write_atomically(directory / STATE_MARKER, b"{}\n")
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: can't be used as a state directory ({error.strerror}); {_CHOOSE}") from error
    return directory


def _check_free(path: Path) -> None:
    """Raise StoreError if a directory without our marker holds files, or if others could put some there."""
    names = sorted(entry.name for entry in islice(path.iterdir(), 1000) if entry.name not in _EMPTY_NAMES)
    if names:
        named = ", ".join(quote(name) for name in names[:_MAX_NAMED_FILES])
        more = " and others" if len(names) > _MAX_NAMED_FILES else ""
        raise StoreError(f"{path}: is not a state directory of rae-auto, and holds {named}{more}; {_CHOOSE}")
    if risk := file_rights().find_folder_writer(path):
        raise StoreError(f"{path}: {risk}, or {_CHOOSE}")


def note_daemon(directory: Path, config: Path, log: Path | None, log_places: Sequence[str] = ()) -> None:
    """Note durably which configuration uses a state directory from now on, and where its log is. Errors: OSError."""
    paths = {"config": absolute_path(config), "log": log and absolute_path(log)}
    facts = {name: path and str(path) for name, path in paths.items()}
    content = json.dumps({**facts, "log_place": " and ".join(log_places) or None}) + "\n"
    write_atomically(directory / STATE_MARKER, content.encode())
