"""Names for the completion of the shell: jobs, runs, events, states, notifiers and plugins.

A name comes from the daemon, or else from the configuration. A completion never fails and prints no message: what can't
be found out is not offered.
"""

import tomllib
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import click

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.run import RunState
from rae_auto.paths import find_config, state_directory

ANSWER_TIMEOUT_SECONDS = 1.0
"""The time to wait for a daemon: a person waits for each key."""

MAX_RUNS = 50
"""The number of runs that are offered, the newest first."""

MAX_EVENTS = 1000
"""The number of recorded events whose names are offered, the newest ones."""

Names = Callable[[click.Context], Iterable[str]]


def find_names(kind: str, context: click.Context, incomplete: str) -> list[str]:
    """Return the names of a kind that begin with what has been typed, in the order of `_KINDS`."""
    for name in _KINDS[kind]:
        with suppress(Exception):
            if found := [name for name in name(context) if name.startswith(incomplete)]:
                return found
    return []


def _connect(context: click.Context) -> Client:
    return Client(state_directory(find_config(context.params.get("config"))), ANSWER_TIMEOUT_SECONDS)


def _running_jobs(context: click.Context) -> Iterable[str]:
    with _connect(context) as client:
        return [job["id"] for job in client.call("list")]


def _configured(table: str) -> Names:
    def names(context: click.Context) -> Iterable[str]:
        path = find_config(context.params.get("config"))
        return [] if path is None else list(tomllib.loads(path.read_text())[table])

    return names


def _runs(context: click.Context) -> Iterable[str]:
    runs: list[dict[str, Any]] | None = None
    with suppress(DaemonUnreachable), _connect(context) as client:
        runs = client.call("history", limit=MAX_RUNS)
    path = find_config(context.params.get("config"))
    if runs is None and path is not None:
        from rae_auto.offline.project import Project  # lazy: start-up
        from rae_auto.offline.queries import history  # lazy: start-up

        runs = history(Project.load_for_reading(path), {"limit": MAX_RUNS})
    return [run["run_id"] for run in runs or ()]


def _events(context: click.Context) -> Iterable[str]:
    query = {"names": ["*"], "limit": MAX_EVENTS}
    events: list[dict[str, Any]] | None = None
    with suppress(DaemonUnreachable), _connect(context) as client:
        events = client.call("list_events", **query)
    path = find_config(context.params.get("config"))
    if events is None and path is not None:
        from rae_auto.offline.project import Project  # lazy: start-up
        from rae_auto.offline.queries import list_events  # lazy: start-up

        events = list_events(Project.load_for_reading(path), query)
    return sorted({event["name"] for event in events or ()})


def _plugins(context: click.Context) -> Iterable[str]:
    from rae_auto.api.plugin import Kind  # lazy: start-up
    from rae_auto.registry import Registry  # lazy: start-up

    return Registry().names(Kind(context.params["kind"]))


def _plugins_of(kind: str) -> Names:
    def names(_: click.Context) -> Iterable[str]:
        from rae_auto.api.plugin import Kind  # lazy: start-up
        from rae_auto.registry import Registry  # lazy: start-up

        return sorted(Registry().names(Kind(kind)))

    return names


def _states(_: click.Context) -> Iterable[str]:
    return [state.value for state in RunState]


_JOBS: tuple[Names, ...] = (_running_jobs, _configured("jobs"))
_KINDS: dict[str, tuple[Names, ...]] = {
    "jobs": _JOBS,
    "jobs and runs": (*_JOBS, _runs),
    "runs": (_runs,),
    "events": (_events,),
    "states": (_states,),
    "notifiers": (_configured("notifiers"),),
    "plugins": (_plugins,),
    "triggers": (_plugins_of("trigger"),),
    "guards": (_plugins_of("guard"),),
    "executors": (_plugins_of("executor"),),
}
"""Where the names of a kind come from: the first place that has one."""
