"""Daemons that are gone when the test is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.faked_clocks import Machine, build_library


@pytest.fixture
def daemons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Daemons]]:
    """Makes daemons of some jobs; what runs of them ends with the test."""
    made: list[Daemons] = []

    def make(jobs: str, head: str = "", state: Path | None = None) -> Daemons:
        made.append(Daemons(tmp_path, jobs, head, state))
        monkeypatch.setenv("RAE_STATE_DIR", str(made[-1].state))
        return made[-1]

    yield make
    (tmp_path / "go").touch()
    for daemons in made:
        daemons.end()


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory):
    return build_library(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def machine(tmp_path, clock_library, monkeypatch):
    machine = Machine(tmp_path, clock_library, monkeypatch)
    yield machine
    machine.kill()
