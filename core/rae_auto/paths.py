"""Paths of the state and the configuration. Imports the standard library only, because every command needs it."""

import contextlib
import os
import sys
from pathlib import Path

CONFIG_NAME = "rae.toml"
_MAX_SOCKET_PATH_BYTES = 100
"""A little less than the 104 to 108 bytes of `sun_path` in unix(7)."""


def state_directory() -> Path:
    """Return the state directory: RAE_STATE_DIR, or the platform's for this user. It need not exist."""
    chosen = os.environ.get("RAE_STATE_DIR")
    if chosen:
        return Path(os.path.abspath(Path(chosen).expanduser()))  # noqa: PTH100 - resolving links is the store's task
    if sys.platform == "win32":
        return _from_environment("LOCALAPPDATA", "AppData/Local") / "rae-auto" / "state"
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support" / "rae-auto" / "state"
    return _from_environment("XDG_STATE_HOME", ".local/state") / "rae-auto"


def config_directory() -> Path:
    """Return the platform's directory for this user's configuration. It need not exist."""
    if sys.platform == "win32":
        return _from_environment("APPDATA", "AppData/Roaming") / "rae-auto"
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support" / "rae-auto"
    return _from_environment("XDG_CONFIG_HOME", ".config") / "rae-auto"


def socket_path(directory: Path) -> Path:
    """Return the control socket of a state directory; it is in the runtime directory if the path is too long."""
    path = directory / "control.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH_BYTES or not runtime:
        return path
    from hashlib import sha256

    return Path(runtime) / f"rae-auto-{sha256(os.fsencode(directory)).hexdigest()[:16]}.sock"


RESTORED_MARK = "restored-at"
"""Name of a file in the state directory: the store was restored from a backup of that time, and not used since."""


def output_path(directory: Path, job: str, run: str, attempt: int) -> Path:
    """Return the path of an attempt's output file in a state directory.

    Each job has a directory of its own: ten thousand jobs with a thousand runs each would be too much for one.
    """
    return directory / "output" / job / f"{run}.{attempt}.log"


def find_config(explicit: str | None = None) -> Path | None:
    """Return the configuration file to use, or None if there is none.

    An explicit one is returned even if it does not exist. Otherwise it is the nearest `rae.toml` in the working
    directory or above, or else the one in the user's configuration directory.
    """
    if explicit is not None:
        return Path(explicit).expanduser()
    directories: list[Path] = []
    with contextlib.suppress(FileNotFoundError):
        here = Path.cwd()
        directories = [here, *here.parents]
    for directory in (*directories, config_directory()):
        if os.path.lexists(directory / CONFIG_NAME):
            return directory / CONFIG_NAME
    return None


def _from_environment(variable: str, fallback: str) -> Path:
    """Return a base directory; a relative one is ignored, as the XDG Base Directory Specification (0.8) demands."""
    base = Path(os.environ.get(variable, ""))
    return base if base.is_absolute() else _home() / fallback


def _home() -> Path:
    return Path("~").expanduser()
