"""The measuring of one line: its subjects take turns, each time in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import field, frozen
from tests.benchmarks.table.lines import Line, Subject

SUBJECTS = Path(__file__).parent.parent / "subjects"
TIMEOUT_SECONDS = 1_800

Figures = dict[str, list[float]]
"""By the name of a figure its values, one of each round."""


@frozen
class Measured:
    """The figures of each subject, and why others are missing."""

    figures: dict[str, Figures] = field(factory=dict)
    missing: dict[str, str] = field(factory=dict)


def measure_line(line: Line, size: int, repeats: int, pythons: Mapping[str, str]) -> Measured:
    """Measure all subjects of a line in turns. `pythons` are other interpreters, by the names of scripts.

    Before that each runs once in small, which isn't counted: then files are in memory, and modules are compiled, as
    they are where something has been installed and used.
    """
    measured = Measured()
    if size != line.small_size and line.repeats is None:
        _warm_up(line, pythons)
    # Removed at the end: what one measurement removed makes new files dearer for the next ones, for minutes on ext4.
    with tempfile.TemporaryDirectory() as place:
        _measure_in_turns(line, size, repeats, pythons, measured, place)
    return measured


def _measure_in_turns(
    line: Line, size: int, repeats: int, pythons: Mapping[str, str], measured: Measured, place: str
) -> None:
    for _ in range(repeats):
        for name, subject in line.subjects.items():
            if name in measured.missing:
                continue
            python = pythons.get(subject.script, sys.executable)
            if subject.max_size is not None and size > subject.max_size:
                measured.missing[name] = f"not measured with more than {subject.max_size:,}, because it takes minutes"
                continue
            if (problem := find_missing(subject, python)) is not None:
                measured.missing[name] = problem
                continue
            try:
                once = _measure(line, size, subject, python, place)
            except (subprocess.SubprocessError, ValueError) as error:
                measured.missing[name] = _explain(error)
                continue
            for figure, value in once.items():
                measured.figures.setdefault(name, {}).setdefault(figure, []).append(value)


def _warm_up(line: Line, pythons: Mapping[str, str]) -> None:
    for subject in line.subjects.values():
        python = pythons.get(subject.script, sys.executable)
        if find_missing(subject, python) is None:
            # What fails here fails again, and is reported then.
            with contextlib.suppress(subprocess.SubprocessError, ValueError):
                _measure(line, line.small_size, subject, python)


@contextlib.contextmanager
def bytecode_kept() -> Iterator[None]:
    """Have all measured processes keep the bytecode of what they import, in a folder of their own.

    An installed program has it. Without it (PYTHONDONTWRITEBYTECODE, a new checkout) a command takes three times as
    long, and a daemon some MB more.
    """
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as place:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = place
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def find_missing(subject: Subject, python: str) -> str | None:
    """Return what has to be installed before a subject can be measured by this interpreter; None if nothing."""
    if not subject.requirements:
        return None
    # Standard library only: it need not be our Python.
    code = (
        "import re, sys; from importlib.metadata import version, PackageNotFoundError\n"
        "for text in sys.argv[1:]:\n"
        "    name, comparison, major = re.fullmatch('([a-z]+)(?:(<|>=)([0-9]+))?', text).groups()\n"
        "    try: found = int(version(name).partition('.')[0])\n"
        "    except PackageNotFoundError: print(text)\n"
        "    else:\n"
        "        if comparison and (found < int(major)) != (comparison == '<'): print(text)\n"
    )
    done = subprocess.run([python, "-c", code, *subject.requirements], capture_output=True, text=True)
    if done.returncode:
        return f"{python} can't be used: {done.stderr.strip().splitlines()[-1]}"
    if not (lacking := done.stdout.split()):
        return None
    quoted = " ".join(f"'{each}'" for each in subject.requirements)
    return f"not measured, because it needs {' and '.join(lacking)}: pip install {quoted}"


def _measure(line: Line, size: int, subject: Subject, python: str, place: str | None = None) -> dict[str, float]:
    command = [python, str(SUBJECTS / f"{subject.script}.py"), line.name, str(size), subject.variant]
    # What the scripts share lies beside them.
    path = os.pathsep.join([str(SUBJECTS.parent), str(SUBJECTS)])
    kept = {} if place is None else {"RAE_BENCHMARK_PLACE": place}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, "PYTHONPATH": path, **kept},
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _explain(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    text = said if isinstance(said, str) else said.decode(errors="replace")
    return f"failed: {text.strip().splitlines()[-1]}"
