"""The file of an event in the words of a job: RAE_PATH and {path}, as data and never as text for a shell."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from tests.core.checks.test_warnings import check_text
from tests.support.waiting import until

from rae_auto import Job, RunState, Scheduler, TriggerRef
from rae_auto.runtime.execution.event_path import find_path

SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ.get('RAE_PATH')]))"
posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")


def run_job(tmp_path: Path, job: Job, event):
    """Return the run of a job with an event, and what it printed."""

    async def work():
        async with asyncio.timeout(60), Scheduler(directory=tmp_path / "state") as scheduler:
            await scheduler.add_job(job)
            run = await scheduler.wait(await scheduler.trigger(job.id, event=event))
            return run, await scheduler.read_output(run.id)

    return asyncio.run(work())


@posix
@pytest.mark.parametrize(
    "name", ["/in/a b.pdf", "/in/$(touch x);'\"", os.fsdecode(b"/in/caf\xe9"), "/in/{path}", "/in/${env:A}"]
)
@pytest.mark.parametrize("form", ["paths", "path"])
def test_job_gets_the_file_as_a_word_and_a_variable(tmp_path, name, form) -> None:
    job = Job(id="one", command=[sys.executable, "-c", SHOW, "{path}", "--to={path}.txt"], args=["{path}"])
    _, output = run_job(tmp_path, job, {form: [name] if form == "paths" else name})
    assert json.loads(output) == [[name, f"--to={name}.txt", name], name]


@posix
def test_python_job_gets_the_file(tmp_path) -> None:
    (tmp_path / "work.py").write_text("def show(*args, **kwargs): return [args, kwargs]\n")
    fields = {"python": "work:show", "isolated": True, "directory": str(tmp_path)}
    run, _ = run_job(tmp_path, Job(id="one", args=["{path}", 1], kwargs={"to": "{path}"}, **fields), {"path": "/x"})
    assert run.value == [["/x", 1], {"to": "/x"}]


@posix
@pytest.mark.parametrize(("event", "words"), [(None, "names no file"), ({"paths": ["/a", "/b"]}, "has 2 files")])
def test_a_run_without_a_single_file_fails_and_says_why(tmp_path, event, words) -> None:
    run, _ = run_job(tmp_path, Job(id="one", command=["echo", "{path}"]), event)
    assert run.state is RunState.FAILED
    assert run.reason.text.startswith(f"{{path}} is the file of an event, and that of this run {words}; ")


def test_events_without_a_single_file_have_no_path() -> None:
    for event in (None, {}, {"path": 3}, {"path": "a\0b"}, {"paths": []}, {"paths": ["/a", "/b"]}, {"paths": {}}):
        assert find_path(event) is None


@posix
def test_each_file_of_a_trigger_is_handled_by_itself(tmp_path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a b", "-rf", "c"):
        (tmp_path / "in" / name).write_text("x")
    options = {"paths": [str(tmp_path / "in")], "batch": "each", "quiet": "10ms", "initial": True}
    job = Job(id="one", command=["cp", "{path}", str(tmp_path)], overlap="allow", schedule=TriggerRef("file", options))

    async def work():
        async with asyncio.timeout(60), Scheduler(directory=tmp_path / "state", jobs=[job]):
            await until(lambda: {"a b", "-rf", "c"} <= set(os.listdir(tmp_path)))

    asyncio.run(work())


def test_check_warns_of_a_placeholder_for_a_shell(tmp_path) -> None:
    report = check_text(tmp_path, "[jobs.a]\nshell = 'cp {path} /srv'\n")
    assert report.warnings == (
        '2: jobs.a.shell: {path} is not replaced in shell, because a shell would obey a name; write "$RAE_PATH"',
    )
