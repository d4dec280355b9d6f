"""The history of a stopped daemon's state."""

import asyncio

import pytest
from attrs import evolve

from rae_auto import Job, Scheduler
from rae_auto.errors import BadRequest, ConfigError, JobNotFound, StoreError
from rae_auto.offline.doctor.diagnosis import diagnose
from rae_auto.offline.doctor.facts import Machine
from rae_auto.offline.project import Project
from rae_auto.offline.queries import history
from rae_plugins.stores.commit_line import CommitMark, read_mark


@pytest.fixture(params=["sqlite", "json"])
def config(request, tmp_path, monkeypatch):
    """A configuration that names the store; its state is in `state`, beside it."""
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "rae.toml"
    path.write_text(f'store = "{request.param}"\n')
    path.chmod(0o600)
    return path


def scheduler(config):
    store = config.read_text().split('"')[1]
    jobs = [Job(name="good", command="true"), Job(name="bad", command=["sh", "-c", "exit 3"])]
    return Scheduler(directory=config.parent / "state", store=store, jobs=jobs)


def ran(config, *names):
    """Run these jobs, one after the other, and stop; their runs' ids."""

    async def main():
        async with asyncio.timeout(60), scheduler(config) as open_one:
            return [(await open_one.wait(await open_one.trigger(name))).id for name in names]

    return asyncio.run(main())


def test_history_returns_the_newest_first(config):
    first, second = ran(config, "good", "bad")
    runs = history(Project.load(config), {})
    assert [(run["run_id"], run["job"], run["state"], run["exit_code"]) for run in runs] == [
        (second, "bad", "failed", 3),
        (first, "good", "succeeded", 0),
    ]


def test_history_filters_like_the_daemon(config):
    first, second, third = ran(config, "good", "bad", "good")

    def ids(**query):
        return [run["run_id"] for run in history(Project.load(config), query)]

    assert ids(job="good") == [third, first]
    assert ids(states=["failed"]) == [second]
    assert ids(run=first) == [first]
    assert ids(limit=1) == [third]
    with pytest.raises(JobNotFound):
        ids(job="unknown")


def test_asking_changes_nothing(config):
    ran(config, "good")
    assert history(Project.load(config), {}) == history(Project.load(config), {})


def test_history_without_a_state_directory_names_the_command(config):
    with pytest.raises(StoreError, match=r"no state in .* 'rae-auto run' creates it"):
        history(Project.load(config), {})
    assert not (config.parent / "state").exists()


@pytest.mark.requirement("R24")
def test_store_in_use_is_read_without_its_lock(config):
    async def main():
        async with asyncio.timeout(60), scheduler(config) as first:
            await first.wait(await first.trigger("good"))
            project = Project.load(config)
            assert [run["job"] for run in history(project, {})] == ["good"]
            assert project.notices == []
            await first.wait(await first.trigger("good"))
            assert len(history(project, {})) == 2

    asyncio.run(main())


def test_bad_questions_are_refused(config):
    ran(config, "good")
    for query in ({"states": ["done"]}, {"limit": 0}, {"since": "soon"}):
        with pytest.raises(BadRequest):
            history(Project.load(config), query)


def test_bad_configuration_is_reported(config):
    config.write_text("[jobs")
    with pytest.raises(ConfigError, match="invalid TOML"):
        history(Project.load(config), {})


@pytest.mark.requirement("R20")
def test_offline_commands_say_damage_and_repair_nothing(config):
    ran(config, "good")
    state = config.parent / "state"
    (mark,) = state.glob("*.commits")
    # As if the store were from before the last three commits.
    line = read_mark(mark)
    CommitMark(mark).create(evolve(line, number=line.number + 3))
    before = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
    project = Project.load(config)
    assert len(history(project, {})) == 1
    assert ["the next start of the daemon repairs it" in notice for notice in project.notices] == [True]
    found = [finding for finding in diagnose(config, Machine.inspect()) if finding.subject == "store" and finding.hint]
    assert len(found) == 1
    assert {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()} == before
