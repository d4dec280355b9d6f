"""Probes find what tracing finds, in every process of a run, however it ends."""

import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from coverage import Coverage
from tests.probes.__main__ import START_LINE, prepare, to_arcs
from tests.probes.instrument import NAME, instrument
from tests.probes.loader import FOLDER_VARIABLE

PROGRAM = '''\
"""A program with all ways to branch."""
from __future__ import annotations
import sys
from contextlib import suppress
from functools import cache

LIMIT = 3
"""An attribute with a docstring."""


@cache
def size(
    number: int,
) -> str:
    """Its docstring."""
    if number < 0:
        return "negative"
    elif number == 0:
        word = "none"
    else:
        word = "some"
    if number > LIMIT: word = "many"
    return word


class Walk:
    """Loops."""
    steps: int = 0
    "How many."

    def go(self, number: int):
        for step in range(number):
            if step == 5:
                break
            yield step
        else:
            self.steps = -1
        while number > 2:
            number -= 1
            if number == 4:
                continue
        with suppress(ValueError):
            if number == 2:
                raise ValueError
            self.steps = 1


def caught(number: int) -> str:
    try:
        result = 6 // number
    except (TypeError):
        return "type"
    except ZeroDivisionError:
        return "zero"
    else:
        if result > 1:
            return "more"
    finally:
        size(1)
    return "one"


def match(value: object) -> str:
    match value:
        case int() if value > 100:
            return "large"
        case [first, *_]:
            return first
        case "a" | "b":
            word = "letter"
    match value:
        case None:
            word = "nothing"
        case _:
            word = "other"
    return word or \\
        "empty"


number = int(sys.argv[1])
size(number), [*Walk().go(number)], caught(number)
for given in ([101, ["x"]] if number else ["a", None] if number < 9 else ["c"]):
    try:
        match(given)
    except UnboundLocalError:
        pass
'''


@pytest.mark.parametrize("argument", ["-1", "0", "3", "8"])
def test_probes_find_the_lines_and_branches_that_tracing_finds(tmp_path: Path, argument: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    data = tmp_path / "traced"
    options = ("--rcfile=", "--branch", f"--data-file={data}")
    command = [sys.executable, "-m", "coverage", "run", *options, str(program), argument]
    subprocess.run(command, check=True, cwd=tmp_path)
    traced = Coverage(data_file=str(data), config_file=False)
    traced.load()

    tree, probes = instrument(PROGRAM, numbers := count())
    hits = bytearray(next(numbers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["program", argument])
        exec(compile(tree, program, "exec", dont_inherit=True), {NAME: hits})
    probed = Coverage(data_file=None, branch=True, config_file=False)
    probed.get_data().add_arcs({str(program): to_arcs(str(program), probes, bytes(hits))})

    assert _analyse(probed, program) == _analyse(traced, program)


def _analyse(coverage: Coverage, path: Path) -> tuple[object, ...]:
    _, statements, _, missing, _ = coverage.analysis2(str(path))
    branches = coverage.branch_stats(str(path))
    return statements, missing, [(line, *branches[line]) for line in sorted(branches)]


def test_process_that_is_killed_has_been_measured(tmp_path: Path) -> None:
    """It maps the file of the run into its memory, and has nothing left to write when it ends."""
    module = tmp_path / "rae_auto" / "__init__.py"
    module.parent.mkdir()
    module.write_text("import os\nif os.getpid():\n    os.kill(os.getpid(), 9)\nprint(os)\n")
    maps = prepare(folder := tmp_path / "probes", [module])
    environment: dict[str, str] = {**os.environ, FOLDER_VARIABLE: str(folder), "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-S", "-c", START_LINE + "import rae_auto"]
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    assert maps[str(module)].executed_lines((folder / "hits").read_bytes()) == {1, 2, 3}


@pytest.mark.parametrize("folder", ["", "gone"])
def test_process_starts_where_nothing_is_measured(tmp_path: Path, folder: str) -> None:
    environment: dict[str, str] = {**os.environ, FOLDER_VARIABLE: str(tmp_path / folder) if folder else ""}
    started = subprocess.run(
        [sys.executable, "-S", "-c", START_LINE + "import sys; print(len(sys.meta_path))"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (started.returncode, started.stdout, started.stderr) == (0, "3\n", "")


def test_measured_process_starts_with_few_more_modules(tmp_path: Path) -> None:
    """Each of the thousands of processes that the tests start pays for what the loader imports, and does it once."""
    prepare(folder := tmp_path / "probes", [Path(__file__)])
    code = f"{START_LINE * 2}import sys; print(len(sys.meta_path), *sys.modules)"
    printed = {}
    for name in ("", str(folder)):
        environment: dict[str, str] = {**os.environ, FOLDER_VARIABLE: name}
        output = subprocess.check_output([sys.executable, "-S", "-c", code], env=environment, text=True)
        finders, *modules = output.split()
        printed[name] = int(finders), set(modules)
    assert printed[str(folder)] == (printed[""][0] + 1, printed[""][1] | {"mmap"})
