"""Programs that use the API pass the type checkers that people run."""

import re
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


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_accept_a_usual_program_and_no_wrong_kinds(checker, tmp_path):
    """Both in one call, since most of the time goes into what the two import."""
    if find_spec(checker) is None:
        pytest.skip(f"{checker} isn't installed; pip install -e '.[dev]'")
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        'from rae_auto import Job\n\nJob(id=5)\nJob(priority=2.5)\nJob(retry_policy="3")\nJob(env=["A"])\n'
    )
    arguments = [argument.format(cache=tmp_path) for argument in CHECKERS[checker]]
    command = [Path(sys.executable).with_name(checker), *arguments, SAMPLE, wrong]
    checked = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert checked.returncode == 1, checked.stderr
    errors = re.findall(r"(\w+\.py):(\d+):\d*:? .*\berror\b", checked.stdout)
    assert sorted(set(errors)) == [("wrong.py", str(line)) for line in range(3, 7)], checked.stdout
