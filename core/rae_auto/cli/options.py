"""Options and arguments that several commands share."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rae_auto.errors import ConfigError
from rae_auto.paths import find_config

if TYPE_CHECKING:
    from rae_auto.offline.project import Project

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")
config = click.option("--config", metavar="FILE", help="The configuration; by default the nearest rae.toml.")


def config_path(given: str | None) -> Path:
    """The configuration to use. Errors: ConfigError where there is none."""
    found = find_config(given)
    if found is None:
        raise ConfigError(
            ["there is no rae.toml here or above; write one with 'rae-auto init', or name one with --config"]
        )
    return found


def _jobs(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of jobs for the shell's completion: from the daemon, else from the configuration."""
    import tomllib

    from rae_auto.control.client import Client

    names: list[str] = []
    with suppress(Exception):
        with Client() as client:
            names = [job["id"] for job in client.call("list")]
        return [name for name in names if name.startswith(incomplete)]
    with suppress(Exception):
        names = list(tomllib.loads(config_path(None).read_text())["jobs"])
    return [name for name in names if name.startswith(incomplete)]


def load_project(given: str | None) -> "Project":
    """Load the project of a configuration. Errors: ConfigError."""
    from rae_auto.offline.project import Project  # lazy: start-up

    return Project.load(config_path(given))


job = click.argument("job", shell_complete=_jobs)
optional_job = click.argument("job", required=False, shell_complete=_jobs)
