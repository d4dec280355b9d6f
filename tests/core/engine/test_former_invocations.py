"""The commands that a job had before: kept when a change is seen, for people who look at an earlier run."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rae_auto.engine.jobs import MAX_FORMER_INVOCATIONS, MAX_KEPT_CHARACTERS, MAX_KEPT_SUM, MAX_KEPT_WORDS
from rae_auto.engine.plan import Plan
from rae_auto.model.job import Job
from rae_auto.model.job_state import FormerInvocation, JobState
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


def test_command_before_a_change_is_kept_with_the_time_of_the_change(lived: VirtualWorld) -> None:
    lived.advance(timedelta(minutes=5))
    put(lived, command=["new"], env={"TOKEN": "hunter2"}, cwd="/srv")
    [one] = former(lived)
    assert (one.until, one.invocation.argv) == (lived.now.wall, ("old", "-v"))
    assert one.invocation.variables == ()
    put(lived, command=["newer"])
    assert [kept.invocation.argv for kept in former(lived)] == [("old", "-v"), ("new",)]
    assert (former(lived)[1].invocation.directory, former(lived)[1].invocation.variables) == ("/srv", ("TOKEN",))
    assert "hunter2" not in repr(former(lived))


@pytest.mark.parametrize("fields", [{}, {"timeout": "5m"}, {"schedule": []}, {"priority": "high"}])
def test_change_of_something_else_keeps_nothing(lived: VirtualWorld, fields: dict[str, Any]) -> None:
    put(lived, **fields)
    assert former(lived) == ()


def test_command_that_has_never_been_run_is_not_kept(world: Callable[..., VirtualWorld]) -> None:
    made = world()
    put(made)
    put(made, command=["new"])
    assert former(made) == ()


def test_command_of_a_run_that_goes_on_is_kept(world: Callable[..., VirtualWorld]) -> None:
    made = world()
    put(made)
    made.trigger("a")
    put(made, command=["new"])
    assert [one.invocation.argv for one in former(made)] == [("old", "-v")]


def test_the_latest_ones_are_kept_and_long_ones_are_cut(lived: VirtualWorld) -> None:
    for number in range(MAX_FORMER_INVOCATIONS + 3):
        put(lived, command=[f"version-{number}", "x" * (MAX_KEPT_CHARACTERS + 1), *["y"] * MAX_KEPT_WORDS])
    found = [one.invocation.argv for one in former(lived)]
    assert [argv[0] for argv in found] == [f"version-{number}" for number in range(2, MAX_FORMER_INVOCATIONS + 2)]
    assert all(
        (len(argv), argv[-1], len(argv[1])) == (MAX_KEPT_WORDS + 1, "…", MAX_KEPT_CHARACTERS + 1) for argv in found
    )


def test_a_kept_command_is_short_as_a_whole(lived: VirtualWorld) -> None:
    words, names = ["w" * MAX_KEPT_CHARACTERS] * MAX_KEPT_WORDS, {f"NAME_{number:03}": "" for number in range(500)}
    put(lived, command=words, env=names)
    put(lived, command=["new"], env={"N" * 10_000: ""})
    put(lived)
    many, long = [one.invocation for one in former(lived)[1:]]
    assert (many.argv[-1], many.variables[0], many.variables[-1]) == ("…", "NAME_000", "…")
    for kept in (many.argv, many.variables, long.variables):
        assert sum(map(len, kept)) < MAX_KEPT_SUM + MAX_KEPT_WORDS
