"""Plugins of a folder or file that need not be installed, and rules over its packaging."""

import ast
import tomllib
from pathlib import Path
from typing import Any

from rae_auto.api.plugin import Kind
from rae_auto.errors import PluginError
from rae_auto.model.primitives.names import find_nearest_name
from rae_auto.registry.index import GROUPS, PluginInfo
from rae_auto.registry.inspection.finding import Mistake, Severity

_KINDS = {group: kind for kind, group in GROUPS.items()}


def find_projects_plugins(path: Path) -> tuple[list[PluginInfo], list[Path]]:
    """Return the plugins of a project's folder, or of one file, and the folders to import them from.

    Raises PluginError if there is neither a pyproject.toml nor a module with a hook.
    """
    if path.is_file():
        return _plugins_of_file(path), [path.resolve().parent]
    project = _read_project(path)
    about, points = project.get("project", {}), _entry_points(project)
    infos = [
        PluginInfo(_KINDS[group], name, value, about.get("name", path.name), about.get("version", "0"))
        for group, names in points.items()
        if group in _KINDS
        for name, value in names.items()
    ]
    if not infos and not any(group.startswith("rae") for group in points):
        raise PluginError(f'{path / "pyproject.toml"}: no entry points of rae_auto; add [project.entry-points."…"]')
    return infos, [folder for folder in (path / "src", path) if folder.is_dir()]


def packaging_findings(path: Path) -> list[Mistake]:
    """Return what is wrong with the entry points and the metadata of a project's folder."""
    if path.is_file():
        return []
    project, file = _read_project(path), path / "pyproject.toml"
    about, found = project.get("project", {}), []
    for group in _entry_points(project):
        if group in _KINDS or not group.lower().replace("-", "_").startswith("rae"):
            continue
        near = find_nearest_name(group, GROUPS.values())
        hint = f'; did you mean "{near}"?' if near else f"; use one of {', '.join(GROUPS.values())}"
        found.append(Mistake("group", f'no plugin is found by the group "{group}"{hint}', _line_of(file, group)))
    if not any("rae-auto" in str(one) or "rae_auto" in str(one) for one in about.get("dependencies", [])):
        text = 'rae-auto is not among the dependencies; add dependencies = ["rae-auto>=0.1,<1"]'
        found.append(Mistake("group", text, f"{file}", Severity.WARNING))
    return found


def _read_project(path: Path) -> dict[str, Any]:
    file = path / "pyproject.toml"
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PluginError(
            f"{path}: no pyproject.toml there; give the folder of a project, or a file with a hook"
        ) from None
    except (OSError, ValueError) as error:
        raise PluginError(f"{file}: {error}; correct it") from None


def _entry_points(project: dict[str, Any]) -> dict[str, dict[str, str]]:
    points = project.get("project", {}).get("entry-points", {})
    return {group: names for group, names in points.items() if isinstance(names, dict)}


def _plugins_of_file(path: Path) -> list[PluginInfo]:
    """Return the plugins of a module: each class with a `type`, of the kinds whose hooks it has."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise PluginError(f"{path}:{error.lineno}: {error.msg}; correct it") from None
    except (OSError, ValueError) as error:
        raise PluginError(f"{path}: {error}; correct it") from None
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    kinds = [kind for kind in Kind if f"rae_{kind}s" in functions]
    types = {node.name: found for node in tree.body if isinstance(node, ast.ClassDef) if (found := _type_of(node))}
    infos = []
    for kind in kinds:
        named = {node.id for node in ast.walk(functions[f"rae_{kind}s"]) if isinstance(node, ast.Name)}
        for cls, name in types.items():
            if cls in named or not named & types.keys():
                infos.append(PluginInfo(kind, name, path.stem, "file", str(path)))
    if not infos:
        raise PluginError(f"{path}: no hook with a class that has a type; add 'def rae_triggers()' or another hook")
    return infos


def _type_of(node: ast.ClassDef) -> str | None:
    for statement in node.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        value = getattr(statement, "value", None)
        if isinstance(target, ast.Name) and target.id == "type" and isinstance(value, ast.Constant):
            return str(value.value)
    return None


def _line_of(file: Path, text: str) -> str:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if text in line:
            return f"{file}:{number}"
    return str(file)
