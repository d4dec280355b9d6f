"""Files with variables, as `env_file` of a job names them (".env").

The grammar is what the usual tools have in common, and nothing is guessed:

    file     = { line }
    line     = [ "export" ] NAME "=" value [ comment ]  |  comment  |  blank
    NAME     = a letter or "_", then letters, digits and "_"
    value    = "'" any text "'"                      as it is; may span lines
             | '"' any text '"'                      \\n \\r \\t \\\\ \\" \\$ are escapes; may span lines
             | text                                  to the end of the line or " #", without blanks around it
    comment  = "#" any text

A name that comes twice has its last value. `$NAME` and `${NAME}` are not expanded. Whatever else there is in a file
is an error with its line: other readers skip such lines, and the job would run without the variable.
"""

import os
import re
import stat
from pathlib import Path

from rae_auto.platforms.file_rights import file_rights
from rae_auto.toolkit.files import open_for_reading
from rae_auto.toolkit.secrets.references import is_secret

MAX_FILE_BYTES = 1 << 20

_SKIPPED = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\n|\Z))+", re.ASCII)
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_PLAIN = re.compile(r"[^\n]*?(?=[ \t]+#|[ \t]*(?:\n|\Z))")
_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$"}


def read_env_file(path: Path) -> tuple[dict[str, str], set[str]]:
    """Return the variables of a file, and the secrets among their values. It may block.

    Raises ValueError with the file, the line and the remedy; it repeats no value.
    """
    values = parse_env_file(_read(path), str(path))
    return values, {value for name, value in values.items() if is_secret(name, value)}


def parse_env_file(text: str, name: str) -> dict[str, str]:
    """Return the variables of a text; `name` is that of its file, for errors. Raises ValueError."""
    values: dict[str, str] = {}
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    position = 0
    while position < len(text):
        if (skipped := _SKIPPED.match(text, position)) and skipped.end() > position:
            position = skipped.end()
            continue
        line = text.count("\n", 0, position) + 1
        found = _NAME.match(text, position)
        if found is None:
            raise ValueError(f"{name}:{line}: this is not a variable; write NAME=value")
        value, position = _read_value(text, found.end(), f"{name}:{line}: {found[1]}")
        if "\0" in value:
            raise ValueError(f"{name}:{line}: {found[1]} has a null character; remove it")
        values[found[1]] = value
    return values


def _read_value(text: str, position: int, place: str) -> tuple[str, int]:
    """Return the value at a position, and where the next line begins."""
    quote = text[position : position + 1]
    if quote == "#" and text[position - 1] in " \t":
        quote = ""  # A comment without a value before it.
        position -= 1
    pattern = {"'": _SINGLE, '"': _DOUBLE}.get(quote, _PLAIN)
    found = pattern.match(text, position)
    if found is None:
        raise ValueError(f"{place} has no closing {quote}; add it")
    end = _END.match(text, found.end())
    if end is None:
        raise ValueError(f"{place} has text after its closing {quote}; put all of the value between the quotes")
    if pattern is _PLAIN:
        return found[0], end.end()
    if pattern is _SINGLE:
        return found[1], end.end()
    for escape in _ESCAPE.finditer(found[1]):
        if escape[1] not in _ESCAPED:
            raise ValueError(f"{place} has an unknown escape; write \\\\ for a backslash, or use single quotes")
    return _ESCAPE.sub(lambda escape: _ESCAPED[escape[1]], found[1]), end.end()


def _read(path: Path) -> str:
    try:
        descriptor = open_for_reading(path)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError(f"{path} is not a regular file; name a file with NAME=value in each line")
            if risk := file_rights().find_public_writer(path, status):
                raise ValueError(f"{path} {risk}")
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else f"can't be read ({error.strerror})"
        raise ValueError(f"{path} {why}; create it, or correct the path") from None
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{path} is larger than 1 MiB; name a file of variables")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; save it as UTF-8") from None
