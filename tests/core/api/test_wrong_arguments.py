"""Arguments of wrong types: every public method refuses them with one error that names the method and the argument."""

import asyncio
import inspect
from typing import Any

import pytest

from rae_auto import BadRequest, Job, RemoteScheduler, Scheduler, SchedulerClosed, SyncScheduler, connect


def find_parameters(cls: type) -> list[tuple[str, str]]:
    """Return all public methods with each of their parameters."""
    return [
        (name, parameter)
        for name, method in vars(cls).items()
        if inspect.isfunction(method) and not name.startswith("_")
        for parameter in list(inspect.signature(method).parameters)[1:]
        if parameter not in ("on_locked", "on_standby")
    ]


def call(target: object, method: str, parameter: str) -> Any:
    """Call a method with a wrong value for one parameter, and right ones for the others that it needs."""
    parameters = list(inspect.signature(getattr(target, method)).parameters.values())
    job = Job(id="a", command="true")
    rightly: dict[str, Any] = {"job": job if method == "add_job" else "x", "jobs": [job]}
    needed = {p.name: rightly.get(p.name, "x") for p in parameters if p.default is inspect.Parameter.empty}
    return getattr(target, method)(**{**needed, parameter: object()})


@pytest.mark.parametrize(("method", "parameter"), find_parameters(Scheduler))
def test_scheduler_names_the_argument(tmp_path, method, parameter) -> None:
    with pytest.raises(BadRequest, match=f"^{method}: {parameter} must be .*, not a value of type object$"):
        asyncio.run(call(Scheduler(directory=tmp_path), method, parameter))


@pytest.mark.parametrize(("method", "parameter"), find_parameters(SyncScheduler))
def test_sync_scheduler_names_the_argument(method, parameter) -> None:
    with pytest.raises(BadRequest, match=f"^{method}: {parameter} must be .*, not a value of type object$"):
        call(SyncScheduler(), method, parameter)


@pytest.mark.parametrize(("method", "parameter"), find_parameters(RemoteScheduler))
def test_remote_scheduler_names_the_argument(tmp_path, method, parameter) -> None:
    with pytest.raises(BadRequest, match=f"^{method}: {parameter} must be .*, not a value of type object$"):
        asyncio.run(call(RemoteScheduler(tmp_path), method, parameter))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directory": 5}, "Scheduler: directory must be a path or text, not the number 5"),
        ({"jobs": [{"id": "a"}]}, "Scheduler: jobs must be a list of Jobs; one is a table"),
        ({"shutdown_grace": 5}, "Scheduler: shutdown_grace must be a timedelta, not the number 5"),
        ({"max_parallel": 0}, "max_parallel must be at least 1, not 0"),
        ({"timezone": "Europe/Berln"}, 'timezone: unknown time zone "Europe/Berln"; did you mean "Europe/Berlin"?'),
    ],
)
def test_constructor_names_the_argument(options, message) -> None:
    with pytest.raises(BadRequest) as refused:
        Scheduler(**options)
    assert str(refused.value) == message


def test_connection_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(SchedulerClosed, match=r"use it as 'with rae_auto\.connect\(\) as scheduler:'"):
        connect().list_jobs()
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        connect().nothing()
