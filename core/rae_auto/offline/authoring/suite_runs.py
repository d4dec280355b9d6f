"""A run of a project's tests, with the branches that they take, where coverage is installed."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import field, frozen

from rae_auto.registry.inspection.branch_count import BranchCount

MAX_TEST_SECONDS = 600.0


@frozen
class TestRun:
    """Result of the tests of a project; `branches` by file, or None if they were not counted."""

    __test__ = False  # not a test class, despite its name

    is_green: bool
    branches: Mapping[Path, BranchCount] | None = field(default=None, repr=False)

    def count_branches(self, sources: Sequence[Path]) -> BranchCount | None:
        """Return the branches of these files together."""
        if self.branches is None:
            return None
        counts = [self.branches[path] for path in sources if path in self.branches]
        missing = [place for one in counts for place in one.missing]
        return BranchCount(sum(one.total for one in counts), missing) if counts else None


_SETTINGS = r"""
[run]
branch = true
[report]
exclude_also =
    if TYPE_CHECKING:
    @abstractmethod
    def rae_[a-z]+s\(
"""
"""Settings of coverage.py: branches count, but not those that no test can reach."""


def run_tests(project: Path, tests: Sequence[str] = ("tests",), source: Path | None = None) -> TestRun:
    """Run tests of a project with pytest, and count branches of what lies in `source`, by default the project."""
    if find_spec("coverage") is None:
        return TestRun(_succeeds([sys.executable, "-m", "pytest", "-q", *tests], project))
    with TemporaryDirectory(prefix="rae-") as folder:
        data, report = f"--data-file={folder}/data", Path(folder, "report.json")
        settings = Path(folder, "settings")
        settings.write_text(_SETTINGS)
        coverage = [sys.executable, "-m", "coverage"]
        options = [data, f"--rcfile={settings}", f"--source={source or project}"]
        is_green = _succeeds([*coverage, "run", *options, "-m", "pytest", "-q", *tests], project)
        if not _succeeds([*coverage, "json", "-q", data, f"--rcfile={settings}", "-o", str(report)], project):
            return TestRun(is_green)
        return TestRun(is_green, {**_read_report(json.loads(report.read_text(encoding="utf-8")), project)})


def _succeeds(command: Sequence[str], project: Path) -> bool:
    # A project need not be installed.
    folders = [str(folder) for folder in (project / "src", project) if folder.is_dir()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])}
    try:
        done = subprocess.run(
            command, cwd=project, env=environment, stdout=sys.stderr, timeout=MAX_TEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _read_report(report: Any, project: Path) -> Mapping[Path, BranchCount]:
    counts = {}
    for name, file in report["files"].items():
        path = (project / name).resolve()
        # A line that never ran has no branches of its own, so it counts as one.
        missing = sorted({*(start for start, _ in file["missing_branches"]), *file["missing_lines"]})
        counts[path] = BranchCount(
            file["summary"]["num_branches"] or len(file["executed_lines"]), [f"{path}:{line}" for line in missing]
        )
    return counts
