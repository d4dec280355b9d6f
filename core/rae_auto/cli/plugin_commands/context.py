"""The surroundings of a plugin's command, as its contract describes them."""

from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rae_auto.api.command import ControlClient
from rae_auto.cli.options import load_project
from rae_auto.cli.queries import LOG_QUERIES, connect, query, zone_of
from rae_auto.errors import DaemonUnreachable
from rae_auto.paths import find_config, state_directory

JOB_QUERIES = frozenset({"list", "show"})
"""Commands about jobs, which the configuration and the store answer while no daemon is running."""


class ProgramContext:
    """The context of a command that `rae-auto` runs."""

    def __init__(self, given: str | None) -> None:
        """`given` is the value of `--config`."""
        self._given = given

    @property
    def config(self) -> Path | None:
        return find_config(self._given)

    @property
    def state_directory(self) -> Path:
        return state_directory(self.config)

    @cached_property
    def zone(self) -> ZoneInfo:
        try:
            with connect(self._given) as client:
                return zone_of(client)
        except DaemonUnreachable:
            return load_project(self._given, for_reading=True).zone

    def connect(self, timeout_seconds: float | None = 30.0) -> ControlClient:
        return connect(self._given, timeout_seconds)

    def query(self, command: str, **arguments: Any) -> Any:
        if command in LOG_QUERIES:
            return query(command, arguments, self._given)
        try:
            with connect(self._given) as client:
                return client.call(command, **arguments)
        except DaemonUnreachable:
            if command not in JOB_QUERIES or self.config is None:
                raise
        from rae_auto.offline.job_queries import list_jobs, show_job  # lazy: start-up

        project = load_project(self._given, for_reading=True)
        return list_jobs(project) if command == "list" else show_job(project, arguments["job"])
