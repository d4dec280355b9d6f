"""What a command may import: budgets that are counts, not times."""

import subprocess
import sys


def imported_by(*arguments: str) -> set[str]:
    """The modules that are imported by `rae-auto` with these arguments, beside those of a bare interpreter."""
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "rae_auto", *arguments], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    timings = [line for line in found.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in timings}


def test_version_imports_no_plugin_and_next_to_nothing_else() -> None:
    modules = imported_by("--version")
    assert {name for name in modules if name.startswith("rae_plugins")} == set()
    assert {name for name in modules if name.split(".")[0] in {"attrs", "cattrs", "click", "loguru", "pluggy"}} == set()
    assert len({name for name in modules if name.startswith("rae_auto")}) <= 6


def test_help_imports_no_plugin() -> None:
    assert {name for name in imported_by("--help") if name.startswith("rae_plugins")} == set()
