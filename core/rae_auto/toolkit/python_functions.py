"""Python functions by name, looked up without importing anything that isn't Python's own.

No code of a user runs for a check.

`importlib.util.find_spec("a.b")` would import `a`, so packages are walked part by part. The function is looked up in
the syntax tree of the module's source. Compiled modules of the standard library, such as `time`, are imported. Where
the answer is uncertain (another extension module, a name that comes by `from … import *` or `__getattr__`), there is
no problem.
"""

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from pathlib import Path

from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.names import did_you_mean

_MAX_SOURCE_BYTES = 1 << 20

_LIBRARY_FOLDERS = (Path(ast.__file__).parent / "lib-dynload", Path(sys.base_prefix, "DLLs"))
"""The folders of the compiled modules of the standard library, of POSIX and of Windows."""


def find_function_problem(name: str, directories: Sequence[str | Path]) -> str | None:
    """Return why "package.module:function" can't be called, and what to do; None if no problem is found.

    `directories` are searched before those of `sys.path`.
    """
    module, _, function = name.partition(":")
    search: list[str] | None = [*map(str, directories), *sys.path]
    spec: ModuleSpec | None = None
    done: list[str] = []
    for part in module.split("."):
        done.append(part)
        try:
            spec = _find_spec(".".join(done), search)
        except (ImportError, ValueError, OSError):
            return None
        if done == ["os", "path"]:  # a module in no package
            return _describe_absence(function.partition(".")[0], set(dir(os.path)), module)
        if spec is None:
            return _describe_missing(".".join(done), directories)
        search = list(spec.submodule_search_locations) if spec.submodule_search_locations is not None else []
    assert spec is not None
    return _find_problem_in_source(spec, module, function.partition(".")[0])


def _find_spec(name: str, search: list[str] | None) -> ModuleSpec | None:
    if "." not in name:
        for importer in (BuiltinImporter, FrozenImporter):
            if (spec := importer.find_spec(name)) is not None:
                return spec
    spec = PathFinder.find_spec(name, search)
    if spec is None:
        # Editable installs bring finders of their own.
        for finder in sys.meta_path:
            if finder not in (BuiltinImporter, FrozenImporter, PathFinder):
                with suppress(Exception):
                    if (spec := finder.find_spec(name, search if "." in name else None)) is not None:
                        return spec
    return spec


def _describe_missing(module: str, directories: Sequence[str | Path]) -> str:
    where = f" in {quote_short(str(directories[0]), 200)} or" if directories else ""
    return f"module {quote_short(module)} not found{where} among the installed packages; install it, or correct it"


def _find_problem_in_source(spec: ModuleSpec, module: str, function: str) -> str | None:
    if not spec.has_location or spec.origin is None or not spec.origin.endswith(".py"):
        return _find_problem_in_library(spec, module, function)
    source = Path(spec.origin)
    try:
        if source.stat().st_size > _MAX_SOURCE_BYTES:
            return None
        tree = ast.parse(source.read_bytes())
    except SyntaxError as error:
        return f"module {quote_short(module)} has a syntax error: {source.name}:{error.lineno}: {error.msg}; correct it"
    except (OSError, ValueError, RecursionError, MemoryError):
        return None
    return _describe_absence(function, set(_names_of(tree.body)), module)


def _find_problem_in_library(spec: ModuleSpec, module: str, function: str) -> str | None:
    """Return the problem with a function of a compiled module, if that is one of the standard library."""
    is_built_in = spec.origin in ("built-in", "frozen")
    if not is_built_in and Path(spec.origin or "").parent not in _LIBRARY_FOLDERS:
        return None
    try:
        return _describe_absence(function, set(dir(import_module(module))), module)
    except Exception:
        return None  # one that needs a library which is missing here


def _describe_absence(function: str, names: set[str], module: str) -> str | None:
    if function in names or names & {"*", "__getattr__"} or not function:
        return None
    near = did_you_mean(function, sorted(names)) or "; define it there, or correct the name"
    return f"module {quote_short(module)} has no function {quote_short(function)}{near}"


def _names_of(statements: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the names that the statements of a module may define."""
    for statement in statements:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name
                continue
            case ast.Import() | ast.ImportFrom():
                for alias in statement.names:
                    yield alias.asname or alias.name.partition(".")[0]
                continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.Import | ast.ImportFrom):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
