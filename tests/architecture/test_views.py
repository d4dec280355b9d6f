"""Views are pure: they compute from values, and read no file, clock, process or terminal themselves."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rae_auto.views

ROOM = Path(rae_auto.views.__path__[0])

FOR_TERMINALS = {"tables.py", "forecasts.py"}
"""Modules that print on a terminal, and ask how wide it is."""

PURE_MODULES = frozenset(
    {
        "attrs",
        "bisect",
        "calendar",
        "collections",
        "datetime",
        "difflib",
        "enum",
        "functools",
        "html",
        "itertools",
        "json",
        "math",
        "operator",
        "pathlib",
        "re",
        "rae_auto",
        "shlex",
        "statistics",
        "string",
        "textwrap",
        "types",
        "typing",
        "xml",
        "zoneinfo",
    }
)
"""Modules that compute. `pathlib` is for paths as values: what reads a file by one is refused by its name."""

ROOMS_OF_THE_SHELL = frozenset(
    {
        "cli",
        "control",
        "daemon",
        "offline",
        "paths",
        "platforms",
        "reading",
        "records",
        "registry",
        "runtime",
        "service",
    }
)

READING_METHODS = frozenset(
    {
        "cwd",
        "exists",
        "glob",
        "is_dir",
        "is_file",
        "iterdir",
        "lstat",
        "mkdir",
        "now",
        "open",
        "read_bytes",
        "read_text",
        "resolve",
        "rglob",
        "stat",
        "to_thread",
        "today",
        "touch",
        "unlink",
        "utcnow",
        "write_bytes",
        "write_text",
    }
)
READING_FUNCTIONS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})


def impure_places(tree: ast.AST) -> Iterator[str]:
    """Yield what a module of views imports or calls that reads or changes the world. A record source may be asked."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name.split(".")[0] not in PURE_MODULES)
            case ast.ImportFrom(module="asyncio", names=names):
                yield from (f"asyncio.{one.name}" for one in names if one.name != "gather")
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] not in PURE_MODULES | {"__future__"}:
                yield module
            case ast.ImportFrom(module=str(module)) if (
                module.split(".")[1:2] and module.split(".")[1] in ROOMS_OF_THE_SHELL
            ):
                yield module
            case ast.Call(func=ast.Attribute(value=ast.Name(id="source"))):
                pass
            case ast.Call(func=ast.Attribute(attr=name)) if name in READING_METHODS:
                yield f".{name}()"
            case ast.Call(func=ast.Name(id=name)) if name in READING_FUNCTIONS:
                yield f"{name}()"


def test_views_do_no_reading_of_their_own() -> None:
    places = {
        str(path.relative_to(ROOM)): found
        for path in sorted(ROOM.rglob("*.py"))
        if path.name not in FOR_TERMINALS
        and (found := list(impure_places(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert places == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import os", ["os"]),
        ("from os.path import exists", ["os.path"]),
        ("from time import monotonic", ["time"]),
        ("import asyncio", ["asyncio"]),
        ("from asyncio import gather, to_thread", ["asyncio.to_thread"]),
        ("from rae_auto.platforms.process_presence import is_process_there", ["rae_auto.platforms.process_presence"]),
        ("from rae_auto.reading.outputs import output_files", ["rae_auto.reading.outputs"]),
        ("path.stat().st_size", [".stat()"]),
        ("with path.open() as file: pass", [".open()"]),
        ("datetime.now(UTC)", [".now()"]),
        ("print(open('x'))", ["print()", "open()"]),
        ("from datetime import datetime", []),
        ("source.now()", []),
        ("await source.output(run, 1, start=0, limit=9)", []),
    ],
)
def test_reading_in_a_view_is_found(text: str, found: list[str]) -> None:
    assert list(impure_places(ast.parse(text))) == found
