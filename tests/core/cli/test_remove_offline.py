"""Removing an added job without a daemon, and jobs of the configuration that take the places of added ones."""

import asyncio
from pathlib import Path

import pytest
from tests.core.cli.conftest import Cli

from rae_auto import Job, Scheduler

CONFIG = '[jobs.filed]\ncommand = ["true"]\n'


@pytest.fixture
def added(offline: Cli, tmp_path: Path) -> Path:
    """A configuration, and a store with the added jobs "tidy" and "tidied", of which one needs the other."""
    path = tmp_path / "rae.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)

    async def fill() -> None:
        async with Scheduler(directory=tmp_path / "state") as scheduler:
            await scheduler.add_job(Job(id="tidy", command=["true"]))
            await scheduler.add_job(Job(id="tidied", command=["true"], needs=["tidy"]))

    asyncio.run(fill())
    return path


def stored_jobs(folder: Path) -> list[str]:
    async def read() -> list[str]:
        async with Scheduler(directory=folder / "state") as scheduler:
            return [info.id for info in await scheduler.list_jobs()]

    return asyncio.run(read())


@pytest.mark.usefixtures("added")
def test_added_job_is_removed_without_a_daemon(offline: Cli, tmp_path: Path) -> None:
    assert offline("remove", "tidied").out == "removed tidied\n"
    assert stored_jobs(tmp_path) == ["tidy"]


@pytest.mark.usefixtures("added")
@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("tidy", 'job "tidy" is needed by "tidied"; remove those first'),
        ("tidyy", 'no job "tidyy" was added; did you mean "tidy"?'),
        ("filed", "remove it there"),
    ],
)
def test_removal_without_a_daemon_is_refused_with_a_reason(offline: Cli, job: str, message: str) -> None:
    refused = offline("remove", job)
    assert refused.code == 1
    assert message in refused.err


@pytest.mark.usefixtures("added")
def test_removal_waits_for_no_one_who_has_the_store(offline: Cli, tmp_path: Path) -> None:
    async def remove() -> str:
        async with Scheduler(directory=tmp_path / "state"):
            return (await asyncio.to_thread(offline, "remove", "tidied")).err

    assert "in use" in asyncio.run(remove())


@pytest.mark.usefixtures("added")
def test_job_of_the_configuration_replaces_an_added_one_for_good(tmp_path: Path) -> None:
    async def start(*jobs: Job) -> list[str]:
        async with Scheduler(directory=tmp_path / "state", jobs=jobs) as scheduler:
            return sorted(info.id for info in await scheduler.list_jobs())

    assert asyncio.run(start(Job(id="tidied", command=["false"]))) == ["tidied", "tidy"]
    assert asyncio.run(start()) == ["tidy"]
