"""Reading a configuration file: its permissions, its text, its TOML.

Only the owner can have written the file. Any content gives a document or a ConfigError of one line, in bounded time and
memory.
"""

import contextlib
import os
import re
import shlex
import stat
import tomllib
from pathlib import Path
from typing import Any

from rae_auto.config.toml.syntax_hints import explain_syntax_error
from rae_auto.errors import ConfigError
from rae_auto.model.primitives.escaping import shorten_line
from rae_auto.model.primitives.json_values import MAX_NESTING_LEVELS
from rae_auto.model.primitives.problems import Invalid, invalid

_MAX_FILE_BYTES = 1 << 20
_MAX_KEY_PARTS = 1000
_MAX_CUTS = 20
"""The number of tables that are left out, from below, in search of a part of a file that is valid."""


def read_text(path: Path, errors: str = "strict") -> str:
    """Read a configuration file. Raises ConfigError if it can't be read or others can write it.

    `errors` says what becomes of bytes that aren't UTF-8, as for `bytes.decode`.
    """
    try:
        content = _content(path)
    except OSError as error:
        raise ConfigError([f"{format_place(path)}: {_os_problem(error)}"]) from None
    except Invalid as error:
        raise ConfigError([f"{format_place(path)}: {error}"]) from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError([f"{format_place(path, 1)}: is UTF-16 text; save it as UTF-8"])
    try:
        # A byte order mark is what some editors put before UTF-8, and harmless.
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{format_place(path, line)}: is not UTF-8 text; save it as UTF-8"]) from None


def parse(path: Path, text: str) -> dict[str, Any]:
    """Parse TOML. Raises ConfigError with the line of a syntax error."""
    for line, content in enumerate(text.split("\n"), 1):
        # The time that tomllib takes for a key grows with the square of its parts.
        if any(part.count(".") > _MAX_KEY_PARTS for part in content.split("=")):
            raise ConfigError(
                [f"{format_place(path, line)}: has a key of more than {_MAX_KEY_PARTS} parts; shorten it"]
            )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        location = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
        what = message[: location.start()] if location else message
        line = int(location[1]) if location and location[1] else text.count("\n") + 1
        line, problem = explain_syntax_error(what, text, line)
        raise ConfigError([f"{format_place(path, line)}: invalid TOML: {problem}"]) from None
    except RecursionError:
        raise ConfigError(
            [f"{format_place(path)}: lists or tables are nested too deeply; use at most {MAX_NESTING_LEVELS} levels"]
        ) from None
    except ValueError:
        # Python refuses to read integers of more than 4,300 digits.
        long = re.search(r"[\d_]{4300}", text)
        where = format_place(path, text.count("\n", 0, long.start()) + 1 if long else None)
        raise ConfigError([f"{where}: number too large; use at most 64 bits"]) from None


def usable_part(text: str) -> str:
    """Return what is above the first line of a text that isn't valid TOML, cut before a whole table if need be."""
    try:
        parse(Path(), text)
        return text
    except ConfigError as error:
        place = re.match(rf"{re.escape(str(Path()))}:(\d+): ", error.problems[0])
    lines = text.split("\n")[: int(place[1]) - 1 if place else 0]
    headers = [number for number, line in enumerate(lines) if line.lstrip().startswith("[")]
    for end in [len(lines), *headers[: -_MAX_CUTS - 1 : -1], *headers[:1]]:
        above = "\n".join(lines[:end])
        with contextlib.suppress(ConfigError):
            parse(Path(), above)
            return above
    return ""


def format_place(path: Path, line: int | None = None) -> str:
    """Return the place at the start of a message: `FILE` or `FILE:LINE`."""
    return shorten_line(str(path), 4096) + (f":{line}" if line else "")


def _content(path: Path) -> bytes:
    # Without O_NONBLOCK, opening a pipe in place of the file would block forever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise invalid("is not a regular file; name a TOML file")
        if os.name == "posix":
            _refuse_others(path, status)
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise invalid("is larger than 1 MiB; split the jobs over several daemons, or add them with 'rae-auto add'")
    return content


def _os_problem(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "file not found; create one with 'rae-auto init'"
    if isinstance(error, IsADirectoryError):
        return "is a directory; name a TOML file"
    return f"can't be read ({error.strerror}); check its permissions and those of its directories"


def _refuse_others(path: Path, status: os.stat_result) -> None:
    """Raise Invalid if another user could have written the file or replaced it."""
    if risk := _other_writer(status):
        raise invalid(f"{risk}; run '{_repair_command(path, status)}'")
    directories = {*path.absolute().parents, *path.resolve().parents}
    for directory in sorted(directories, reverse=True):
        above = directory.stat()
        # In a sticky directory such as /tmp only the owner of a file can replace it.
        if (risk := _other_writer(above)) and not (above.st_mode & stat.S_ISVTX and above.st_uid in (0, os.geteuid())):
            raise invalid(
                f"its directory {directory} {risk}; run '{_repair_command(directory, above)}', or move the file"
            )


def _repair_command(path: Path, status: os.stat_result) -> str:
    """Return the command that takes a file or directory from other users."""
    name = shlex.quote(str(path))
    return f"chmod go-w {name}" if status.st_uid in (0, os.geteuid()) else f"sudo chown {os.geteuid()} {name}"


def _other_writer(status: os.stat_result) -> str | None:
    if status.st_uid not in (0, os.geteuid()):
        return f"is owned by another user (uid {status.st_uid})"
    if status.st_mode & stat.S_IWOTH:
        return "is writable by everyone"
    if status.st_mode & stat.S_IWGRP and not _is_private_group(status):
        return "is writable by its group"
    return None


def _is_private_group(status: os.stat_result) -> bool:
    """Return whether the group has the owner as its only member, as with umask 002 on many Linux distributions."""
    import grp
    import pwd

    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return owner.pw_gid == group.gr_gid and owner.pw_name == group.gr_name and set(group.gr_mem) <= {owner.pw_name}
