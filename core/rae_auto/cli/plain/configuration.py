"""The configuration file that a call of a command means."""

from pathlib import Path

from rae_auto.errors import ConfigError
from rae_auto.paths import find_config


def config_path(given: str | None) -> Path:
    """Return the configuration file to use. Errors: ConfigError if there is none."""
    path = find_config(given)
    if path is None:
        raise ConfigError(
            ["no rae.toml here or in a parent directory; create one with 'rae-auto init', or use --config"]
        )
    return path
