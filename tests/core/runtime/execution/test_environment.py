"""The environment of a job, and that data of events is only ever data."""

import asyncio
import json
import os
import shutil
import sys

import pytest

from rae_auto import Job, RetryPolicy, RunState, Scheduler

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


def environment_seen_by(tmp_path, job, event=None):
    """Return the JSON that `job` prints, and its run."""

    async def main():
        async with asyncio.timeout(60):
            async with Scheduler(directory=tmp_path / "state") as scheduler:
                await scheduler.add_job(job)
                return await scheduler.wait(await scheduler.trigger(job.id, event=event))

    run = asyncio.run(main())
    assert run.exit_code == 0, run
    return json.loads((tmp_path / "state" / "output" / run.job / f"{run.id}.1.log").read_text()), run


@pytest.mark.requirement("S16")
def test_job_gets_an_allowlist_its_own_variables_and_those_of_its_run(tmp_path, monkeypatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "LD_PRELOAD_CANARY", "PYTHONSTARTUP", "SOME_TOKEN"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("LANG", "C.UTF-8")
    job = Job(name="see", command=sys.executable, args=["-c", PRINT_ENVIRONMENT], env={"MODE": "prod"})
    seen, run = environment_seen_by(tmp_path, job)
    assert "canary" not in seen.values()
    assert (seen["MODE"], seen["LANG"]) == ("prod", "C.UTF-8")
    assert (seen["RAE_RUN_ID"], seen["RAE_JOB"], seen["RAE_ATTEMPT"]) == (run.id, "see", "1")
    assert (seen["RAE_TRIGGER"], seen["RAE_EVENT"]) == ("manual", "{}")
    assert seen["RAE_SCHEDULED_FOR"].startswith("20")
    assert not [name for name in seen if name.startswith(("LD_", "PYTHON"))]


@pytest.mark.requirement("S16")
def test_a_job_cannot_pretend_to_be_another(tmp_path):
    job = Job(name="see", command=sys.executable, args=["-c", PRINT_ENVIRONMENT], env={"RAE_JOB": "root"})
    seen, _ = environment_seen_by(tmp_path, job)
    assert seen["RAE_JOB"] == "see"


@pytest.mark.requirement("S16")
def test_without_a_path_a_job_gets_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.delenv("PATH")
    seen, _ = environment_seen_by(tmp_path, Job(name="see", command=sys.executable, args=["-c", PRINT_ENVIRONMENT]))
    assert seen["PATH"] == "/usr/local/bin:/usr/bin:/bin"


@pytest.mark.requirement("S2")
@pytest.mark.parametrize(
    "name", ["$(touch x);'\"\n", "-rf", "{0.__class__}", "`id`", "${env:HOME}", "${file:/etc/passwd}"]
)
def test_data_of_an_event_reaches_the_job_as_it_is_and_does_nothing(tmp_path, name):
    job = Job(name="see", shell='printf "%s" "$RAE_EVENT"', cwd=str(tmp_path))
    seen, _ = environment_seen_by(tmp_path, job, event={"path": name})
    assert seen == {"path": name}
    assert not (tmp_path / "x").exists()


def test_large_event_is_in_a_file_that_both_variables_name(tmp_path):
    event = {"text": "x" * 40_000, "path": "naïve"}
    job = Job(name="see", command=sys.executable, args=["-c", PRINT_ENVIRONMENT])
    seen, run = environment_seen_by(tmp_path, job, event)
    path = tmp_path / "state" / "output" / run.job / f"{run.id}.event.json"
    assert seen["RAE_EVENT_FILE"] == str(path)
    assert json.loads(seen["RAE_EVENT"]) == {"too_large": path.stat().st_size, "file": str(path)}
    assert json.loads(path.read_text()) == event
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_job_reads_the_whole_event_from_the_file_at_each_attempt(tmp_path):
    read = 'test "$(wc -c < "$RAE_EVENT_FILE")" -gt 40000 && test $RAE_ATTEMPT = 2 && echo true'
    job = Job(name="see", shell=read, retry_policy=RetryPolicy(attempts=2, delay="0s"))

    async def main():
        async with asyncio.timeout(60), Scheduler(directory=tmp_path / "state") as scheduler:
            await scheduler.add_job(job)
            return await scheduler.wait(await scheduler.trigger("see", event={"text": "x" * 40_000}))

    assert asyncio.run(main()).state is RunState.SUCCEEDED


def test_an_event_that_fits_has_no_file(tmp_path):
    job = Job(name="see", command=sys.executable, args=["-c", PRINT_ENVIRONMENT])
    seen, _ = environment_seen_by(tmp_path, job, event={"text": "x" * 30_000})
    assert len(json.loads(seen["RAE_EVENT"])["text"]) == 30_000
    assert "RAE_EVENT_FILE" not in seen
    assert not list((tmp_path / "state" / "output").glob("*/*.json"))


def test_large_event_that_cannot_be_written_fails_the_run(tmp_path):
    async def main():
        async with asyncio.timeout(60), Scheduler(directory=tmp_path / "state") as scheduler:
            await scheduler.add_job(Job(name="see", command=["true"]))
            await scheduler.wait(await scheduler.trigger("see"))
            # Not by its rights, which root doesn't heed.
            shutil.rmtree(tmp_path / "state" / "output")
            (tmp_path / "state" / "output").touch()
            return await scheduler.wait(await scheduler.trigger("see", event={"text": "x" * 40_000}))

    run = asyncio.run(main())
    assert run.state is RunState.FAILED
    assert "Not a directory" in run.reason.text


@pytest.mark.requirement("S2", "S25")
def test_the_name_of_a_file_that_is_no_text_reaches_the_job_byte_by_byte(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    job = Job(name="see", command=sys.executable, args=["-c", PRINT_ENVIRONMENT])
    seen, _ = environment_seen_by(tmp_path, job, event={"path": name})
    assert os.fsencode(json.loads(seen["RAE_EVENT"])["path"]) == b"caf\xe9"
