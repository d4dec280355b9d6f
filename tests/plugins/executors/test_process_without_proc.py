"""Attempts of an earlier daemon where there is no /proc, as on macOS: processes are known by their creation."""

import os
import time
from pathlib import Path

import pytest
from tests.plugins.executors.conftest import an_executor, find_what_is_left, run_async

from rae_auto.api import NeverStarted
from rae_plugins.executors.process import ProcessExecutor, keeper_start
from rae_plugins.executors.process.keeper import procfs

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

KEEPER_WITHOUT_PROC = """
path = {path!r}
text = open(path).read().replace("    main()", "    from rae_plugins.executors.process.keeper import procfs\\n"
    "    procfs.PROC = '/no/such/directory'\\n    main()")
exec(compile(text, path, "exec"), {{"__name__": "__main__", "__file__": path}})
"""


@pytest.fixture
def without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take /proc away from the daemon and from its keeper, as on macOS."""
    script = tmp_path / "keeper_without_proc.py"
    script.write_text(KEEPER_WITHOUT_PROC.format(path=str(keeper_start.KEEPER_SCRIPT)))
    monkeypatch.setattr(keeper_start, "KEEPER_SCRIPT", script)
    monkeypatch.setattr(procfs, "PROC", "/no/such/directory")


@pytest.mark.requirement("R6", "R9")
@pytest.mark.usefixtures("without_proc")
def test_find_adopts_a_running_attempt_without_proc(tmp_path, make_assignment):
    assignment = make_assignment("echo $$; until [ -e go ]; do sleep 0.05; done; exit 7")

    async def work():
        async with an_executor(tmp_path) as first:
            handle = (await first.start(assignment)).handle
        assert handle["ticks"] is None
        async with an_executor(tmp_path) as second:
            execution = await second.find(assignment, handle)
            (tmp_path / "go").touch()
            return await execution.wait()

    assert run_async(work).exit_code == 7


@pytest.mark.requirement("R9", "R28")
@pytest.mark.usefixtures("without_proc")
def test_find_ends_what_is_left_of_a_lost_attempt_without_proc(tmp_path, make_assignment):
    assignment = make_assignment("sleep 300 & echo $! $$ $PPID; sleep 300")
    assert find_what_is_left(tmp_path, assignment) == (None, False)


@pytest.mark.requirement("R6")
@pytest.mark.usefixtures("without_proc")
def test_find_without_proc_never_adopts_another_process(tmp_path, make_assignment):
    """Its pid is that of a process which was created at another time: ours."""
    spawned = [time.time() + 100, time.time() + 101]
    record = {"pid": os.getpid(), "ticks": None, "boot": None, "spawned": spawned, "keeper": [os.getpid(), None]}
    record["keeper_spawned"] = spawned
    assert run_async(lambda: ProcessExecutor().find(make_assignment("true"), record)) is None


@pytest.mark.requirement("R4", "R5")
@pytest.mark.usefixtures("without_proc")
def test_find_without_proc_claims_an_unstarted_attempt(tmp_path, make_assignment):
    async def work():
        async with an_executor(tmp_path) as executor:
            return await executor.find(make_assignment("true"), None)

    assert run_async(work) == NeverStarted()
