"""Modules of a distribution in contrib/ import each other in one direction, also where they do it late."""

import ast
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
PACKAGES = sorted(path.parent for path in CONTRIB.glob("*/src/*/__init__.py"))


def name_of(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def imports_of(tree: ast.Module, package: str) -> set[str]:
    """Return the modules that a module of a package names in its imports, and what it takes from them."""
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            named |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
    return named


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_no_module_imports_what_imports_it(package: Path) -> None:
    paths = {name_of(path, package): path for path in package.rglob("*.py")}
    named = {
        name: imports_of(ast.parse(path.read_text("utf-8")), name_of(path.parent, package))
        for name, path in paths.items()
    }
    # A package is no part of its modules: its __init__ names what stands in them.
    graph = {name: found & paths.keys() - {package.name} for name, found in named.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' ← '.join(error.args[1])}; move what both need to one below them")


@pytest.mark.parametrize(
    "line", ["from . import b", "from .b import c", "import p.b", "from p import b", "from p.b import c"]
)
def test_each_way_to_import_is_seen(line: str) -> None:
    assert "p.b" in imports_of(ast.parse(line), "p")
