"""`why` while no daemon runs: from the store and the configuration."""

import asyncio
import hashlib

import pytest

from rae_auto import JobNotFound, NotStarted, RunNotFound
from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.config import load
from rae_auto.errors import BadRequest
from rae_auto.offline.project import Project
from rae_auto.offline.queries import why
from rae_auto.registry import Registry
from rae_auto.runtime.scheduler import Scheduler

JOBS = """
timezone = "Europe/Berlin"
[jobs.bad]
shell = "exit 3"
[jobs.needing]
command = ["true"]
needs = ["bad"]
[jobs.yearly]
command = ["true"]
schedule = "0 0 1 1 *"
enabled = false
[jobs.quick]
command = ["true"]
"""


@pytest.fixture(params=["sqlite", "json"])
def config(request, tmp_path, monkeypatch):
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "rae.toml"
    path.write_text(f'store = "{request.param}"\n{JOBS}')
    path.chmod(0o600)
    return path


@pytest.fixture
def failed(config):
    """The run of `bad`, after which the daemon has ended."""

    async def main():
        read = load(config, Registry())
        async with (
            asyncio.timeout(60),
            Scheduler(directory=config.parent / "state", store=read.store, jobs=read.jobs) as scheduler,
        ):
            run = await scheduler.wait(await scheduler.trigger("bad"))
            with pytest.raises(NotStarted):
                await scheduler.trigger("needing")
            await scheduler.wait(await scheduler.trigger("quick", request="once"))
            await scheduler.trigger("quick", request="once")
            return run

    return asyncio.run(main())


def facts_of(explanation):
    return {fact["subject"]: fact["text"] for fact in explanation["facts"]}


def test_offline_why_answers_like_the_daemon(config, failed):
    explanation = why(Project.load(config), {"job": "bad"})
    assert explanation["run_id"] == failed.id
    assert "exit code 3" in explanation["answer"]
    assert facts_of(explanation)["daemon"] == "no daemon is running; 'rae-auto run' starts one"
    assert why(Project.load(config), {"job": "bad", "run": failed.id}) == explanation
    assert why(Project.load(config), {"job": "bad", "at": failed.scheduled_for.isoformat()}) == explanation


def test_offline_why_explains_skips_repeats_and_disabled_jobs(config, failed):
    assert why(Project.load(config), {"job": "needing"})["reason"] == "need_failed"
    again = why(Project.load(config), {"job": "quick"})
    assert again["reason"] == "repeated"
    assert 'because request "once" had already been handled' in again["answer"]
    off = why(Project.load(config), {"job": "yearly"})
    assert off["reason"] == "disabled"
    assert "next" not in facts_of(off)


def test_offline_why_explains_removed_jobs(config, failed):
    config.write_text(config.read_text().replace("[jobs.bad]", "[jobs.other]").replace('needs = ["bad"]', ""))
    assert "exit code 3" in why(Project.load(config), {"job": "bad"})["answer"]


def test_offline_why_explains_a_future_time(config, failed):
    text = config.read_text().replace('schedule = "0 0 1 1 *"\nenabled = false', 'schedule = "* * * * *"')
    config.write_text(text)
    explanation = why(Project.load(config), {"job": "yearly", "at": "2035-01-01T00:00"})
    assert "will be due at 2035-01-01 00:00:00+01:00" in explanation["answer"]


def test_bad_questions(config, failed):
    with pytest.raises(JobNotFound, match='did you mean "yearly"'):
        why(Project.load(config), {"job": "yearli"})
    with pytest.raises(RunNotFound):
        why(Project.load(config), {"job": "bad", "run": "0" * 26})
    with pytest.raises(RunNotFound, match='belongs to job "bad"'):
        why(Project.load(config), {"job": "quick", "run": failed.id})
    with pytest.raises(BadRequest, match="invalid time"):
        why(Project.load(config), {"job": "bad", "at": "soon"})


def test_asking_changes_nothing(config, failed):
    def contents():
        state = config.parent / "state"
        why(Project.load(config), {"job": "bad"})
        files = (path for path in state.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal")))
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert contents() == contents()


def test_offline_why_survives_a_failing_plugin(config, failed, monkeypatch):
    def fails(self, instant):
        raise RuntimeError("a broken plugin")

    monkeypatch.setattr(ScheduleTrigger, "note", fails)
    assert why(Project.load(config), {"job": "yearly", "at": "2035-01-01T00:00"})["answer"]
