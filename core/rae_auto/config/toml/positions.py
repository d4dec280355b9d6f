"""Line numbers of the keys of a TOML document.

tomllib does not return them, so the text is scanned a second time, only after tomllib has accepted it and only if there
is a message to print. One pass over the tokens that can hide or end a statement (strings, comments, brackets, line
ends: https://toml.io/en/v1.0.0) splits the text into statements; tomllib parses the key of each.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from rae_auto.model.primitives.json_values import MAX_NESTING_LEVELS
from rae_auto.model.primitives.problems import Key

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:\\.|[^"\\\n])*"|'
    r"'[^'\n]*'|"
    r"#[^\n]*|[\[\]{}=\n]|[^\"'#\[\]{}=\n]+",
    re.DOTALL,
)


def line_of(key: Key, lines: Mapping[Key, int]) -> int | None:
    """Return the line of a key, or of the nearest table around it."""
    for length in range(len(key), 0, -1):
        if key[:length] in lines:
            return lines[key[:length]]
    return None


def lines_of(text: str) -> dict[Key, int]:
    """Return the line of each key of a TOML text; inside a value, the line where the value begins."""
    lines: dict[Key, int] = {}
    tables: dict[Key, int] = {}
    at: Key = ()
    for line, statement in _statements(text):
        if statement.startswith("["):
            at = _header(statement, tables)
            for length in range(1, len(at) + 1):
                # A table that has no header of its own begins with the first one inside it.
                lines.setdefault(at[:length], line)
        else:
            for key in _keys(tomllib.loads(statement), at):
                lines.setdefault(key, line)
    return lines


_JOBS, _INCLUDE = "jobs", "include"
_HEADER_OF_JOB = re.compile(r"\[[ \t]*jobs[ \t]*\.[ \t]*([A-Za-z0-9_-]+)[ \t]*\]")


@frozen
class JobLines:
    """The line of each job of a file, and what its key `include` says."""

    lines: Mapping[str, int]
    include: tuple[str, ...]


def job_lines_of(text: str) -> JobLines:
    """Return where a TOML text defines jobs, ten times as fast as `lines_of`: it passes over all other values.

    Errors: ValueError if it isn't TOML, as far as it was read.
    """
    lines: dict[str, int] = {}
    include: list[str] = []
    at: Key = ()
    for line, statement in _statements(text):
        if match := _HEADER_OF_JOB.fullmatch(statement):
            at = (_JOBS, match[1])
        elif statement.startswith("["):
            at = _header(statement, {})
        elif at[:1] in ((), (_JOBS,)) and len(at) < 2:
            document = tomllib.loads(statement)
            if not at:
                found = document.get(_INCLUDE, ())
                include += [str(pattern) for pattern in found] if isinstance(found, list) else []
                document = document.get(_JOBS, {})
            for job in document if isinstance(document, dict) else ():
                lines.setdefault(job, line)
        if at[:1] == (_JOBS,) and len(at) > 1:
            lines.setdefault(str(at[1]), line)
    return JobLines(lines, tuple(include))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the statements of a TOML text with their lines; brackets and quotes may span lines."""
    line, depth, start = 1, 0, 1
    parts: list[str] = []
    for match in _TOKEN.finditer(text + "\n"):
        mark = match[0]
        if mark == "\n" and depth == 0:
            if statement := "".join(parts).strip():
                yield start, statement
            parts, start = [], line + 1
        elif not mark.startswith("#"):
            parts.append(mark)
        depth += (mark in ("[", "{")) - (mark in ("]", "}"))
        line += mark.count("\n")


def _header(statement: str, tables: dict[Key, int]) -> Key:
    """Return the key that a `[header]` opens; `tables` counts the tables of each array so far."""
    at: Key = ()
    *parents, last = _chain(tomllib.loads(statement))
    for part in parents:
        at = _inside((*at, part), tables)
    at = (*at, last)
    if statement.startswith("[["):
        tables[at] = tables.get(at, -1) + 1
    return _inside(at, tables)


def _inside(key: Key, tables: Mapping[Key, int]) -> Key:
    return (*key, tables[key]) if key in tables else key


def _chain(document: Any) -> Iterator[str]:
    while document:
        ((name, value),) = document.items()
        yield name
        document = value[0] if isinstance(value, list) else value


def _keys(value: Any, at: Key) -> Iterator[Key]:
    yield at
    if len(at) == MAX_NESTING_LEVELS:
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from _keys(item, (*at, name))
