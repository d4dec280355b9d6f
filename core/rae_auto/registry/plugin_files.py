"""Plugins that are single files: found in folders, read without running them, and imported only when they are used.

A file is a plugin as the module of a distribution is one: attrs classes, and a hook for each kind. Its name must not
begin with an underscore, and other users must not be able to change it or to put another in its place: what is imported
runs with all rights of the daemon. So the bytes that are run are those of the open file that was checked, and no
bytecode beside it is believed.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from rae_auto.api.plugin import Kind
from rae_auto.model.primitives.names import digest
from rae_auto.platforms.file_rights import file_rights
from rae_auto.registry.index import PluginInfo
from rae_auto.toolkit.files import open_for_reading

if TYPE_CHECKING:
    import ast

MODULE_PREFIX = "rae_plugin_files."
"""Begin of the names of modules that are single files, which no distribution has."""

_MAX_FILE_BYTES = 1 << 20


def find_plugin_files(places: Iterable[Path]) -> tuple[list[PluginInfo], list[str]]:
    """Return the plugins in folders and files, and a line for each place or file that can't be used."""
    infos: list[PluginInfo] = []
    problems: list[str] = []
    for path in dict.fromkeys(_files(places, problems)):
        try:
            infos += _read_index(path)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            problems.append(_describe(path, error))
    return infos, problems


def import_file(path: Path, name: str) -> ModuleType:
    """Return the module of a file, which is run unless it was before. Raises what it raises, and ValueError."""
    if name in sys.modules:
        return sys.modules[name]
    module = module_from_spec(ModuleSpec(name, None, origin=str(path)))
    module.__file__ = str(path)
    # Before it runs, because attrs looks up the names of its annotations there.
    sys.modules[name] = module
    try:
        exec(compile(_read(path), str(path), "exec"), module.__dict__)  # noqa: S102 - a plugin is code that is to run
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _files(places: Iterable[Path], problems: list[str]) -> Iterator[Path]:
    for place in places:
        path = Path(os.path.abspath(place))  # noqa: PTH100 - links stay as they are written
        if path.is_dir():
            yield from sorted(file for file in path.glob("*.py") if not file.name.startswith("_"))
        elif path.suffix == ".py" and path.is_file():
            yield path
        else:
            problems.append(f"{path} is neither a folder nor a file NAME.py; create it, or correct the path")


def _read(path: Path) -> bytes:
    """Return the content of a file. Raises ValueError if others could change it, OSError if it can't be read."""
    with os.fdopen(open_for_reading(path), "rb") as file:
        if (risk := file_rights().find_other_writer(path, os.fstat(file.fileno()))) is not None:
            raise ValueError(risk)
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise ValueError(f"is larger than {_MAX_FILE_BYTES >> 20} MB; make a distribution of it")
    return content


def _read_index(path: Path) -> list[PluginInfo]:
    import ast  # lazy: memory

    tree = ast.parse(_read(path), str(path))
    module = f"{MODULE_PREFIX}{path.stem}_{digest(str(path), 4).hex()}"
    types = {node.name: found for node in tree.body if isinstance(node, ast.ClassDef) if (found := _type_of(node))}
    infos = [
        PluginInfo(kind, name, module, path.name, "", path=path)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for kind in Kind
        if node.name == f"rae_{kind}s"
        for name in _offered_types(node, types)
    ]
    if not infos:
        hooks = ", ".join(f"rae_{kind}s" for kind in Kind)
        raise ValueError(f"offers no plugin; write one of the functions {hooks}, which returns a list of classes")
    return infos


def _type_of(node: "ast.ClassDef") -> str | None:
    """Return the word in a line `type = "word"` of a class, or None."""
    import ast  # lazy: memory

    for line in node.body:
        match line:
            case (
                ast.Assign(targets=[ast.Name(id="type")], value=ast.Constant(value=str(word)))
                | ast.AnnAssign(target=ast.Name(id="type"), value=ast.Constant(value=str(word)))
            ):
                return word
    return None


def _offered_types(hook: "ast.FunctionDef", types: dict[str, str]) -> Sequence[str]:
    """Return the types of the classes that a hook names; of all classes if it names none."""
    import ast  # lazy: memory

    named = [node.id for node in ast.walk(hook) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(types[name] for name in named if name in types)) or list(dict.fromkeys(types.values()))


def _describe(path: Path, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{path}:{error.lineno}: {error.msg}; correct the plugin"
    if isinstance(error, OSError):
        return f"{path}: {error.strerror or error}"
    return f"{path} {error}" if str(error).startswith(("is ", "its ", "can ", "offers ")) else f"{path}: {error}"
