"""Jobs with a Python script: by uv or pipx if it has inline metadata, else by the daemon's interpreter."""

import asyncio
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


def prepare(job, environment, tmp_path):
    return asyncio.run(ProcessExecutor().prepare(job, JobContext(environment=environment, directory=tmp_path)))


def write_tool(folder: Path, name: str, lines: str) -> dict[str, str]:
    env = install(folder, name)
    (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
    return {"PATH": f"{env['PATH']}:/usr/bin:/bin"}


def test_uv_installs_for_the_script_itself(tmp_path, make_assignment, script) -> None:
    job = make_assignment(script=str(script)).job
    assert ProcessExecutor().needs_preparation(job)
    env = write_tool(tmp_path / "bin", "uv", f'echo "$@" > {tmp_path}/words')
    assert prepare(job, env, tmp_path) == {}
    assert (tmp_path / "words").read_text() == f"sync --script {script}\n"


def test_pipx_installs_for_an_empty_script_with_the_metadata(tmp_path, make_assignment, script) -> None:
    env = write_tool(tmp_path / "bin", "pipx", f'cat "$2" > {tmp_path}/seen')
    assert prepare(make_assignment(script=str(script)).job, env, tmp_path) == {}
    assert (tmp_path / "seen").read_text() == METADATA


@pytest.mark.parametrize(
    ("tool", "said", "shown"),
    [
        ("uv", "Resolved 1\nerror: No solution found\n  cause: Because x is unknown.", "No solution found Because x"),
        ("uv", "  \u00d7 No solution found:\n  \u2570\u2500\u25b6 Because x is unknown", "found: Because x is unknown"),
        ("pipx", "installing x...\nERROR: No matching distribution for x", "(pipx: No matching distribution for x)"),
    ],
    ids=["uv", "old uv", "pipx"],
)
def test_what_can_not_be_resolved_is_an_error(tmp_path, make_assignment, script, tool, said, shown) -> None:
    env = write_tool(tmp_path / "bin", tool, f"printf '%s\\n' '{said}' >&2; exit 1")
    problems = prepare(make_assignment(script=str(script)).job, env, tmp_path)
    assert shown in problems["script"]
    assert problems["script"].endswith("; correct them")


def test_an_index_that_does_not_answer_is_no_error_of_the_script(tmp_path, make_assignment, script) -> None:
    env = write_tool(tmp_path / "bin", "uv", "echo 'error: Failed to fetch: http://x/' >&2; exit 2")
    with pytest.raises(RuntimeError, match="uv: Failed to fetch"):
        prepare(make_assignment(script=str(script)).job, env, tmp_path)


def test_a_tool_that_is_too_old_prepares_nothing(tmp_path, make_assignment, script) -> None:
    env = write_tool(tmp_path / "bin", "uv", "echo \"error: unexpected argument '--script' found\" >&2; exit 2")
    assert prepare(make_assignment(script=str(script)).job, env, tmp_path) == {}


def test_a_script_without_metadata_needs_no_packages(tmp_path, make_assignment, script) -> None:
    script.write_text("print()\n")
    assert prepare(make_assignment(script=str(script)).job, {"PATH": str(tmp_path)}, tmp_path) == {}


@pytest.mark.parametrize("name", ["uv", "pipx"])
def test_script_is_prepared_and_run_by_the_real(tmp_path, make_assignment, script, name) -> None:
    tool = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if tool is None:
        pytest.skip(f"{name} is not installed; 'pip install {name}' lets this test run")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).symlink_to(tool)
    env = {"PATH": f"{tmp_path}/bin:{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    assignment = make_assignment(script=str(script), args=["a"], env=env)
    assert prepare(assignment.job, assignment.environment, tmp_path) == {}
    result, output = run(tmp_path, assignment)
    assert (result.exit_code, output) == (0, "['a']\n")
    script.write_text(METADATA.replace("[]", '["a b"]'))
    assert "can't be installed" in prepare(assignment.job, assignment.environment, tmp_path)["script"]
