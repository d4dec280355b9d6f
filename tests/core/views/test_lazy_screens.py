"""The public module of screens: each name from its home, and no import before its use."""

import ast
import subprocess
import sys
from pathlib import Path

import rae_auto.screens as screens

SOURCE = Path(screens.__file__)


def test_screens_has_every_name_and_no_other() -> None:
    values = {name: getattr(screens, name) for name in screens.__all__}
    assert sorted(screens._MODULES) == sorted(values)
    assert set(values) <= set(dir(screens))
    assert not hasattr(screens, "load_nothing")


def test_screens_imports_for_type_checkers_what_it_imports() -> None:
    (block,) = [node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If)]
    checked = {name.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert checked == screens._MODULES


def test_screens_imports_no_engine_before_it_is_needed() -> None:
    program = "import sys, rae_auto.screens; print(*[name for name in sys.modules if name.count('.') > 1])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not [name for name in result.stdout.split() if name.startswith("rae_auto.")]
