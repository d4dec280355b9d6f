"""Programs that use the API pass the type checkers that people run."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SAMPLE = Path(__file__).with_name("typed_use.py")

CHECKERS = {
    "mypy": ["--strict", "--cache-dir", "{cache}"],
    "basedpyright": ["--level", "error", "--pythonpath", sys.executable],
}
"""Arguments by checker. basedpyright is pyright, packaged so that pip alone can install it."""


def check_types(checker: str, file: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    if find_spec(checker) is None:
        pytest.skip(f"{checker} isn't installed; pip install -e '.[dev]'")
    arguments = [argument.format(cache=cache) for argument in CHECKERS[checker]]
    command = [Path(sys.executable).with_name(checker), *arguments, file]
    return subprocess.run(command, cwd=cache, text=True, capture_output=True, check=False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_accept_a_usual_program(checker, tmp_path):
    checked = check_types(checker, SAMPLE, tmp_path)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_find_values_of_wrong_kinds(checker, tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        'from rae_auto import Job\n\nJob(id=5)\nJob(priority=2.5)\nJob(retry_policy="3")\nJob(env=["A"])\n'
    )
    checked = check_types(checker, wrong, tmp_path)
    assert checked.returncode == 1
    assert [line for line in range(3, 7) if f"wrong.py:{line}:" in checked.stdout] == [3, 4, 5, 6]
