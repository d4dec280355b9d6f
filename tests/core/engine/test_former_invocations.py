"""Changes of what a job starts: noted for people who look at an earlier run, without what it was before."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rae_auto.engine.plan import Plan
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import MAX_FORMER_INVOCATIONS, FormerInvocation, JobState
from rae_auto.model.run_inputs import INVOCATION_PARTS
from rae_auto.simulation.virtual_engine import VirtualWorld


def put(world: VirtualWorld, **fields: Any) -> None:
    """Have a job with these fields instead of those before."""
    world.add(Plan(Job(id="a", **{"command": ["old", "-v"], **fields})), replace=True)


def former(world: VirtualWorld) -> tuple[FormerInvocation, ...]:
    found = [state.former_invocations for state in world.stored(JobState) if state.job == "a"]
    return found[0] if found else ()


@pytest.fixture
def lived(world: Callable[..., VirtualWorld]) -> VirtualWorld:
    """A world in which the job has run once."""
    made = world()
    put(made)
    run = made.trigger("a")
    made.confirm(run)
    made.end(run)
    return made


def test_change_is_noted_with_its_time_and_its_parts(lived: VirtualWorld) -> None:
    lived.advance(timedelta(minutes=5))
    put(lived, command=["new"], env={"TOKEN": "x"}, cwd="/srv")
    changed_at = lived.now.wall
    put(lived, command=["newer"], env={"TOKEN": "x"}, cwd="/srv")
    assert former(lived) == (
        FormerInvocation(changed_at, ("command", "directory", "variables")),
        FormerInvocation(changed_at, ("command",)),
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"command": ["curl", "-u", "admin:hunter2", "https://example.org"]},
        {"command": [], "shell": "PASSWORD=hunter2 ./backup"},
        {"env": {"TOKEN": "hunter2"}},
        {"cwd": "/srv/hunter2"},
    ],
)
def test_secret_that_was_moved_out_does_not_live_on(lived: VirtualWorld, fields: dict[str, Any]) -> None:
    put(lived, **fields)
    put(lived, command=["curl", "--netrc-file", "/etc/secret", "https://example.org"])
    assert former(lived) != ()
    assert "hunter2" not in str([documents.dump(state) for state in lived.stored(JobState)])


def test_change_that_an_earlier_version_noted_loads_without_its_command() -> None:
    """It kept the former command, which is left out when the state is loaded."""
    document = {
        "job": "a",
        "former_invocations": [{"until": "2026-11-30T02:00:00+00:00", "invocation": {"argv": ["x", "hunter2"]}}],
    }
    state = documents.load(JobState, document)
    assert [one.changed for one in state.former_invocations] == [INVOCATION_PARTS]
    assert "hunter2" not in str(documents.dump(state))


@pytest.mark.parametrize("fields", [{}, {"timeout": "5m"}, {"schedule": []}, {"priority": "high"}])
def test_change_of_something_else_keeps_nothing(lived: VirtualWorld, fields: dict[str, Any]) -> None:
    put(lived, **fields)
    assert former(lived) == ()


def test_change_of_a_job_that_has_never_run_is_not_noted(world: Callable[..., VirtualWorld]) -> None:
    made = world()
    put(made)
    put(made, command=["new"])
    assert former(made) == ()


def test_change_while_the_first_run_goes_on_is_noted(world: Callable[..., VirtualWorld]) -> None:
    made = world()
    put(made)
    made.trigger("a")
    put(made, command=["new"])
    assert [one.changed for one in former(made)] == [("command",)]


def test_the_latest_changes_are_kept(lived: VirtualWorld) -> None:
    for number in range(MAX_FORMER_INVOCATIONS + 3):
        put(lived, cwd=f"/srv/{number}")
    put(lived, command=["new"], cwd=f"/srv/{number}")
    assert [one.changed for one in former(lived)] == [("directory",)] * (MAX_FORMER_INVOCATIONS - 1) + [("command",)]
