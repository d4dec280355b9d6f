"""Names for the completion of the shell: jobs, runs, events, states, notifiers and plugins.

A name comes from the daemon, or else from the configuration. A completion never fails and prints no message: what can't
be found out is not offered.
"""

import tomllib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import click

from rae_auto.api.plugin import Kind
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
    for name in (_options_of(kind, incomplete),) if ":" in incomplete and kind in _PLUGINS else _KINDS[kind]:
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
    from rae_auto.registry import Registry  # lazy: start-up

    return Registry().names(Kind(context.params["kind"]))


def _plugins_of(kind: Kind) -> Names:
    def names(_: click.Context) -> Iterable[str]:
        from rae_auto.registry import Registry  # lazy: start-up

        return sorted(Registry().names(kind))

    return names


def _options_of(kind: str, incomplete: str) -> Names:
    """Return what may follow a type and a colon: the keys that are not there yet, and the values of a choice."""
    type_, _, pairs = incomplete.partition(":")
    done, comma, last = pairs.rpartition(",")
    key, equals, _ = last.partition("=")
    given = {pair.partition("=")[0].strip() for pair in done.split(",")}

    def names(_: click.Context) -> Iterable[str]:
        from rae_auto.registry import Registry  # lazy: start-up
        from rae_auto.registry.describe import describe  # lazy: start-up

        options = describe(Registry().get(_PLUGINS[kind], type_)).options
        before = f"{type_}:{done}{comma}"
        if equals:
            return [f"{before}{key}={value}" for one in options if one.name == key for value in _choices(one.type)]
        return [f"{before}{one.name}=" for one in options if one.name not in given]

    return names


def _choices(type_text: str) -> Sequence[str]:
    """Return the values of a choice, from the words for its type."""
    first, is_choice, rest = type_text.partition("one of: ")
    if is_choice and not first:
        return rest.split(", ")
    return ("true", "false") if type_text == "true or false" else ()


def _states(_: click.Context) -> Iterable[str]:
    return [state.value for state in RunState]


_PLUGINS = {f"{kind}s": kind for kind in (Kind.TRIGGER, Kind.GUARD, Kind.EXECUTOR)}
_JOBS: tuple[Names, ...] = (_running_jobs, _configured("jobs"))
_KINDS: dict[str, tuple[Names, ...]] = {
    "jobs": _JOBS,
    "jobs and runs": (*_JOBS, _runs),
    "runs": (_runs,),
    "events": (_events,),
    "states": (_states,),
    "notifiers": (_configured("notifiers"),),
    "plugins": (_plugins,),
    **{kind: (_plugins_of(one),) for kind, one in _PLUGINS.items()},
}
"""Where the names of a kind come from: the first place that has one."""
