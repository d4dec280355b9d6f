"""Reading a configuration file: its permissions, its text, its TOML.

Only the owner can have written the file. Any content gives a document or a ConfigError of one line, in bounded time and
memory.
"""

import contextlib
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from rae_auto.errors import ConfigError
from rae_auto.model.primitives.escaping import shorten_line
from rae_auto.model.primitives.json_values import MAX_NESTING_LEVELS
from rae_auto.model.primitives.problems import Invalid, invalid
from rae_auto.platforms.file_rights import file_rights
from rae_auto.toolkit.files import open_for_reading

_MAX_FILE_BYTES = 1 << 20
_MAX_KEY_PARTS = 1000
_MAX_CUTS = 20
"""The number of tables that are left out, from below, in search of a part of a file that is valid."""


def read_text(path: Path, errors: str = "strict") -> str:
    """Read a configuration file. Raises ConfigError if it can't be read or others can write it.

    `errors` is the handling of bytes that aren't UTF-8, as for `bytes.decode`.
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
        from rae_auto.config.toml.syntax_hints import explain_syntax_error  # lazy: memory

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
    """Return the text above the first line that isn't valid TOML, cut before a table if necessary."""
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
    descriptor = open_for_reading(path)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise invalid("is not a regular file; name a TOML file")
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
    if risk := file_rights().find_other_writer(path, status):
        raise invalid(risk)
