"""Paths of the state and the configuration. Imports the standard library only, because every command needs it."""

import contextlib
import json
import os
import re
from pathlib import Path

from rae_auto.platforms.base_directories import base_directories
from rae_auto.platforms.file_rights import file_rights

CONFIG_NAME = "rae.toml"
MAX_SOCKET_PATH_BYTES = 100
"""A little less than the 104 to 108 bytes of `sun_path` in unix(7)."""


def absolute_path(path: Path) -> Path:
    """Return a path that doesn't depend on the working directory; links in it are kept."""
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - resolving links is the store's task


def state_directory(config: Path | None = None) -> Path:
    """Return the state directory that belongs to a configuration file. It need not exist.

    RAE_STATE_DIR names it, or else the key `state` of the file; without both it is the platform's for this user.
    """
    chosen = os.environ.get("RAE_STATE_DIR")
    if chosen:
        return absolute_path(Path(chosen))
    if config is not None and (configured := configured_state_directory(config)) is not None:
        return configured
    state, _ = base_directories(home_directory)
    return state


_TABLE_HEADER = r"(?m)^[ \t]*\[.*\][ \t]*(#.*)?$"
_STATE_KEY = r"""(?m)^[ \t]*(state|"state"|'state')[ \t]*=.*$"""


def configured_state_directory(config: Path) -> Path | None:
    """Return the directory that the key `state` of a configuration file names, relative to the file; None without it.

    Reads that line alone: every command needs it, also while the rest of the file has errors. A file that another
    user owns or everyone can write is ignored, because its writer could lead commands to a daemon of his own.
    None also for a line that can't be read, which `unreadable_state_line` reports.
    """
    found = _find_state_line(config)
    value = None if found is None else _value_in(found[1])
    return absolute_path(config.absolute().parent / value) if value else None


def unreadable_state_line(config: Path) -> int | None:
    """Return the number of the line with the key `state` if it can't be read, so that the directory is another."""
    found = None if os.environ.get("RAE_STATE_DIR") else _find_state_line(config)
    return found[0] if found is not None and not _value_in(found[1]) else None


def _find_state_line(config: Path) -> tuple[int, str] | None:
    """Return the number and the text of the line with the key `state`."""
    try:
        if not config.is_file() or not file_rights().is_own(config):
            return None
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    if "state" not in text:
        return None
    header = re.search(_TABLE_HEADER, text)
    line = re.search(_STATE_KEY, text[: header.start()] if header else text)
    return None if line is None else (text.count("\n", 0, line.start()) + 1, line.group())


def _value_in(line: str) -> str | None:
    """Return the path that a line of TOML gives the key `state`; None if it isn't valid, or has another value."""
    import tomllib

    try:
        value = tomllib.loads(line)["state"]
        return str(Path(value).expanduser()) if isinstance(value, str) and value else None
    except (tomllib.TOMLDecodeError, RuntimeError):
        return None


STATE_MARKER = "rae-auto.json"
"""Name of the file that makes a directory a state directory, and says which configuration used it last."""


def last_config(directory: Path) -> Path | None:
    """Return the configuration file that a daemon ran last with this state directory, if that is known."""
    return _read_note_path(directory, "config")


def last_log(directory: Path) -> Path | None:
    """Return the file to which the daemon of this state directory logs, or logged last; None if there is none."""
    return _read_note_path(directory, "log")


def last_log_place(directory: Path) -> str | None:
    """Return where the daemon of this state directory logs besides files, in words; None if it does not."""
    return _read_note(directory, "log_place")


def _read_note_path(directory: Path, name: str) -> Path | None:
    path = _read_note(directory, name)
    return None if path is None else Path(path)


def _read_note(directory: Path, name: str) -> str | None:
    try:
        text = json.loads((directory / STATE_MARKER).read_bytes()).get(name)
    except (OSError, ValueError, AttributeError):
        return None
    return text if isinstance(text, str) else None


def config_directory() -> Path:
    """Return the platform's directory for this user's configuration. It need not exist."""
    _, config = base_directories(home_directory)
    return config


def socket_path(directory: Path) -> Path:
    """Return the control socket of a state directory; it is in the runtime directory if the path is too long."""
    path = directory / "control.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES or not runtime:
        return path
    from hashlib import sha256

    return Path(runtime) / f"rae-auto-{sha256(os.fsencode(directory)).hexdigest()[:16]}.sock"


RESTORED_MARK = "restored-at"
"""Name of a file in the state directory: the store was restored from a backup of that time, and not used since."""


def output_path(directory: Path, job: str, run: str, attempt: int) -> Path:
    """Return the path of an attempt's output file in a state directory.

    Each job has a directory of its own: ten thousand jobs with a thousand runs each would be too much for one.
    """
    return Path(output_file(directory, job, run, attempt))


def output_file(directory: Path, job: str, run: str, attempt: int) -> str:
    """Return `output_path` as text, which takes a tenth of the time: few short attempts need the path."""
    return f"{directory}{os.sep}output{os.sep}{job}{os.sep}{run}.{attempt}.log"


def is_same_config(one: Path, other: Path) -> bool:
    """Return whether two paths lead to the same configuration file, which need not exist."""
    return os.path.realpath(one) == os.path.realpath(other)


def find_config(explicit: str | None = None) -> Path | None:
    """Return the configuration file to use, or None if there is none.

    An explicit one is returned even if it does not exist, and so is that of RAE_CONFIG, which jobs have. Otherwise it
    is the nearest `rae.toml` in the working directory or above, or else the one in the user's configuration directory.
    """
    explicit = explicit or os.environ.get("RAE_CONFIG")
    if explicit:
        return Path(explicit).expanduser()
    directories: list[Path] = []
    with contextlib.suppress(FileNotFoundError):
        here = Path.cwd()
        directories = [here, *here.parents]
    with contextlib.suppress(HomeUnknown):
        directories.append(config_directory())
    found = (directory / CONFIG_NAME for directory in directories if os.path.lexists(directory / CONFIG_NAME))
    return next(found, None)


class HomeUnknown(RuntimeError):
    """The user has no entry in the user database, and HOME is not set; `Path.expanduser` raises RuntimeError too."""

    def __init__(self) -> None:
        uid = os.getuid() if hasattr(os, "getuid") else "?"
        super().__init__(
            f"your home directory is unknown, because user id {uid} has no entry in /etc/passwd and HOME is not set; "
            "set HOME, or set RAE_STATE_DIR and write paths without ~"
        )


def home_directory() -> Path:
    """Return the home directory of this user. Raises HomeUnknown."""
    try:
        return Path("~").expanduser()
    except RuntimeError:
        raise HomeUnknown from None


def home_or_root() -> Path:
    """Return the home directory, or / for users without one, as those of services and containers are."""
    try:
        home = home_directory()
    except HomeUnknown:
        return Path("/")
    return home if home.is_absolute() and home.is_dir() else Path("/")


def user_name() -> str | None:
    """Return the name of this user, or None if it has none."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return None
