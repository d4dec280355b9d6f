"""Public packages whose names are imported when they are first used: each from its home, and none before."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("rae_auto.api", "rae_auto.charts", "rae_auto.screens")


@pytest.mark.parametrize("name", PACKAGES)
def test_package_has_every_name_and_no_other(name: str) -> None:
    package = importlib.import_module(name)
    values = {public: getattr(package, public) for public in package.__all__}
    assert sorted(package._MODULES) == sorted(values)
    assert set(values) <= set(dir(package))
    with pytest.raises(AttributeError, match=f"'{name}' has no attribute 'load_nothing'"):
        package.load_nothing  # noqa: B018


@pytest.mark.parametrize("name", PACKAGES)
def test_package_imports_for_type_checkers_what_it_imports(name: str) -> None:
    package = importlib.import_module(name)
    source = Path(str(package.__file__)).read_text(encoding="utf-8")
    (block,) = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    checked = {one.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for one in node.names}
    assert checked == package._MODULES


@pytest.mark.parametrize("name", PACKAGES)
def test_package_imports_nothing_before_it_is_needed(name: str) -> None:
    program = f"import sys, {name}; print(*[one for one in sys.modules if one.startswith('rae_')])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(result.stdout.split()) == {"rae_auto", "rae_auto._lazy_names", "rae_auto._version", name}
