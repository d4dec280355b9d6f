"""Jobs with a Python script: by uv or pipx if it has inline metadata, else by the daemon's interpreter."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.plugins.executors.conftest import an_executor, read_output, run_async

from rae_auto.api import JobContext
from rae_plugins.executors.process import ProcessExecutor

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

METADATA = "# /// script\n# dependencies = []\n# ///\n"
TOOL = '#!/bin/sh\necho "${0##*/} $*"\n'


def run(tmp_path, assignment):
    """Return the result and the output of one attempt."""

    async def work():
        async with an_executor(tmp_path) as opened:
            return await (await opened.start(assignment)).wait()

    return run_async(work), read_output(assignment)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "job.py"
    path.write_text(METADATA + "import sys\nprint(sys.argv[1:])\n")
    return path


def install(folder: Path, *names: str) -> dict[str, str]:
    """Put programs that print their arguments into a folder, and return an environment where only they are found."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text(TOOL)
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("tools", "command"),
    [(("uv", "pipx"), "uv run --quiet --script"), (("pipx",), "pipx run")],
    ids=["uv", "pipx"],
)
def test_script_with_metadata_is_run_by_a_tool(tmp_path, make_assignment, script, tools, command) -> None:
    env = install(tmp_path / "bin", *tools)
    result, output = run(tmp_path, make_assignment(script=str(script), args=["a", "b c"], env=env))
    assert (result.exit_code, output) == (0, f"{command} {script} a b c\n")


def test_script_without_metadata_needs_no_tool(tmp_path, make_assignment, script) -> None:
    script.write_text("import sys\nprint(sys.executable, sys.argv[1:])\n")
    _, output = run(tmp_path, make_assignment(script=str(script), args=["a"], env=install(tmp_path / "bin")))
    assert output == f"{sys.executable} ['a']\n"


@pytest.mark.parametrize(
    ("exists", "message"),
    [(True, "neither uv nor pipx, which install what it needs, is on the PATH"), (False, "No such file or directory")],
    ids=["no tool", "no script"],
)
def test_script_that_cannot_start_is_named(tmp_path, make_assignment, script, exists, message) -> None:
    if not exists:
        script.unlink()
    assignment = make_assignment(script=str(script), env=install(tmp_path / "bin"))
    with pytest.raises(ValueError, match=message):
        run(tmp_path, assignment)
    context = JobContext(environment=assignment.environment, directory=tmp_path)
    assert message in ProcessExecutor().job_warnings(assignment.job, context)["script"]


def test_script_runs_by_the_real_uv(tmp_path, make_assignment, script) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed")
    env = {"PATH": f"{Path(uv).parent}:{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    result, output = run(tmp_path, make_assignment(script=str(script), args=["a"], env=env))
    assert (result.exit_code, output) == (0, "['a']\n")
