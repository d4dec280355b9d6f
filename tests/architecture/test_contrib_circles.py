"""Modules of a distribution in contrib/ import each other in one direction, also where they do it late."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
PACKAGES = sorted(path.parent for path in CONTRIB.glob("*/src/*/__init__.py"))


def name_of(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def imports_of(tree: ast.Module) -> set[str]:
    """Return the modules that a module names in its imports, and what it takes from them."""
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            taken = {f"{node.module}.{alias.name}" for alias in node.names}
            named |= {*taken, node.module}
    return named


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_no_module_imports_what_imports_it(package: Path) -> None:
    trees = {name_of(path, package): ast.parse(path.read_text("utf-8")) for path in package.rglob("*.py")}
    # A package is no part of its modules: its __init__ names what stands in them.
    graph = {name: imports_of(tree) & trees.keys() - {package.name} for name, tree in trees.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' ← '.join(error.args[1])}; move what both need to one below them")
