"""The test suite with coverage: `python -m tests.probes LEAST_PERCENT PYTEST_ARGUMENT …`.

Coverage.py traces: on Python 3.11 all code takes twice as long with it, and each Python process that a test starts
begins with a third of a second of CPU for the tool itself. That was half of the time of the suite. So the modules get
probes, compiled once for all processes; coverage.py knows the lines and branches there are, and reports as ever. From
Python 3.14 on it measures branches without tracing; where that is the oldest supported one, it can do all of it again.

Also considered: SlipCover 1.1 puts its probes into the bytecode at each start of each process, which takes longer than
most of these processes live, and doesn't understand how pytest 9 rewrites assertions.
"""

import json
import marshal
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice, repeat
from pathlib import Path

from attrs import astuple, frozen
from coverage import Coverage, CoverageData
from coverage.parser import PythonParser
from tests.probes.instrument import NAME, ProbeMap, instrument
from tests.probes.loader import FOLDER_VARIABLE
from tests.support.flaky_tests import run_pytest

ROOT = Path(__file__).resolve().parents[2]
LOADER = Path(__file__).with_name("loader.py")
START_HOOK = Path(sysconfig.get_path("purelib"), "rae_auto_test_probes.pth")
"""A file that each Python process of this environment reads at its start; it does nothing unless a run is measured."""

# In a virtual environment, Python 3.11 reads such a file twice.
START_LINE = f"""\
import os, builtins; p = os.environ.get("{FOLDER_VARIABLE}", "") + "/loader.py"; \
hasattr(builtins, "{NAME}") or os.path.isfile(p) and exec("with open(p) as f: exec(f.read(), {{'__name__': 'probes'}})")
"""


def prepare(folder: Path, modules: Iterable[Path]) -> dict[str, ProbeMap]:
    """Write modules with probes into a folder, and what a process needs to start with them; return the probes."""
    folder.mkdir(exist_ok=True)
    numbers = count()
    maps: dict[str, ProbeMap] = {}
    sources: dict[str, str] = {}
    for path in sorted(modules):
        tree, maps[str(path)] = instrument(path.read_text(encoding="utf-8"), numbers)
        compiled = folder / f"{len(maps)}.code"
        compiled.write_bytes(marshal.dumps(compile(tree, path, "exec", dont_inherit=True)))
        sources[str(path)] = str(compiled)
    (folder / "sources").write_bytes(marshal.dumps(sources))
    (folder / "hits").write_bytes(bytes(next(numbers)))
    (folder / "loader.py").write_bytes(LOADER.read_bytes())
    return maps


def to_arcs(path: str, probes: ProbeMap, hits: bytes) -> set[tuple[int, int]]:
    """Return what was executed in a module as coverage.py records it: pairs of lines, one after the other."""
    parser = PythonParser(filename=path)
    parser.parse_source()
    possible = parser.arcs()
    executed = {(line, line) for line in probes.executed_lines(hits)}
    for branch in probes.branches:
        line, body_line = parser.first_line(branch.line), parser.first_line(branch.body_line)
        if hits[branch.into_body]:
            executed.add((line, body_line))
        if any(hits[probe] for probe in branch.elsewhere):
            executed |= {(start, end) for start, end in possible if start == line and end != body_line}
    return executed


@frozen
class Figures:
    """Counts of the statements and branches of a module, and of those that were not executed."""

    statements: int = 0
    missing: int = 0
    branches: int = 0
    partial: int = 0
    missing_branches: int = 0

    @property
    def covered(self) -> float:
        """Return the share that was executed, in percent."""
        all_there_are = self.statements + self.branches
        return 100 * (1 - (self.missing + self.missing_branches) / all_there_are) if all_there_are else 100.0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))


def analyse(maps: dict[str, ProbeMap], hits: bytes) -> dict[str, Figures]:
    """Return the figures of each module, as coverage.py counts them."""
    with tempfile.TemporaryDirectory() as folder:
        data = CoverageData(str(Path(folder, "coverage")))
        data.add_arcs({path: to_arcs(path, probes, hits) for path, probes in maps.items()})
        data.touch_files(maps)
        data.write()
        coverage = Coverage(data_file=str(Path(folder, "coverage")), config_file=str(ROOT / "pyproject.toml"))
        coverage.load()
        coverage.json_report(outfile=str(Path(folder, "report")))
        files = json.loads(Path(folder, "report").read_text(encoding="utf-8"))["files"]
    names = "num_statements", "missing_lines", "num_branches", "num_partial_branches", "missing_branches"
    return {path: Figures(*(file["summary"][name] for name in names)) for path, file in files.items()}


def report(maps: dict[str, ProbeMap], hits: bytes) -> float:
    """Print the figures of each module that isn't covered completely; return the coverage of all, in percent.

    Coverage.py takes 20 s of a processor for it, at a time when no test runs: so each processor takes a part.
    """
    parts = max(1, min(os.cpu_count() or 1, len(maps)))
    shares = [dict(islice(maps.items(), part, None, parts)) for part in range(parts)]
    with ProcessPoolExecutor(parts) as pool:
        figures = {path: one for share in pool.map(analyse, shares, repeat(hits)) for path, one in share.items()}
    width = max(map(len, figures))
    print(f"{'module':{width}}  statements  missing  branches  partial  covered")
    total = sum(figures.values(), Figures())
    uncovered = {path: one for path, one in sorted(figures.items()) if one.missing + one.missing_branches}
    for path, one in {**uncovered, "all": total}.items():
        counts = f"{one.statements:10}  {one.missing:7}  {one.branches:8}  {one.partial:7}"
        print(f"{path:{width}}  {counts}  {one.covered:5.1f} %")
    print(f"{len(figures) - len(uncovered)} modules are covered completely")
    return total.covered


def main(least_percent: str, *arguments: str) -> int:
    """Run pytest and report; the exit code is that of pytest, or 1 if less is covered than should be."""
    with tempfile.TemporaryDirectory(prefix="rae-probes-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        maps = prepare(folder, [*(ROOT / "core").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])
        START_HOOK.write_text(START_LINE, encoding="ascii")
        code = run_pytest(arguments, {FOLDER_VARIABLE: name})
        covered = report(maps, (folder / "hits").read_bytes())
    too_little = covered < float(least_percent)
    print(f"--- covered: {covered:.2f} %" + (f"; at least {least_percent} % are required" if too_little else ""))
    return code or int(too_little)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
